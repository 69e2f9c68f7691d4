"""What a subscription looks like, and its current period."""

from datetime import date
from typing import Any

from glue.sandbox.lago.customers import show_customer
from glue.sandbox.lago.errors import not_found
from glue.sandbox.lago.periods import Period, period_of
from glue.sandbox.lago.plan_views import show_plan
from glue.sandbox.lago.values import day_of, end_of, iso, iso_ms, start_of
from glue.sandbox.lago.world import Row, World, pick


def plan_of(world: World, subscription: Row) -> Row:
    plan = world.plans.get(subscription["plan_id"])
    assert plan is not None  # plans are never removed
    return plan


def customer_of(world: World, row: Row) -> Row:
    customer = world.customers.get(row["customer_id"])
    assert customer is not None  # customers are never removed
    return customer


def plan_period(plan: Row, subscription: Row, day: date) -> Period:
    """The whole period of the plan's fee around ``day``."""
    return period_of(plan["interval"], subscription["billing_time"], day_of(subscription["subscription_at"]), day)


def charge_period(plan: Row, subscription: Row, day: date) -> Period:
    """The whole period of the charges around ``day``: months when a long plan bills its charges monthly."""
    interval = "monthly" if plan["bill_charges_monthly"] else plan["interval"]
    return period_of(interval, subscription["billing_time"], day_of(subscription["subscription_at"]), day)


def find_subscription(world: World, external_id: str, status: str | None = None) -> Row:
    """The newest row of this id and status (active when not said), or 404."""
    wanted = status or "active"
    rows = [row for row in world.subscriptions.by("external_id", external_id) if row["status"] == wanted]
    if not rows:
        raise not_found("subscription")
    return rows[-1]


def next_of(world: World, subscription: Row) -> Row | None:
    """The row that follows this one: the waiting downgrade, or what an upgrade put in its place."""
    row = world.subscriptions.get(subscription["next_id"]) if subscription["next_id"] else None
    return None if row is None or row["status"] == "canceled" else row


def _current_bounds(plan: Row, subscription: Row, now: int) -> tuple[int | None, int | None]:
    if subscription["started_at"] is None:
        return None, None
    whole = charge_period(plan, subscription, day_of(max(now, subscription["started_at"])))
    ended = subscription["terminated_at"]  # the beginning moves on with time even then
    return max(start_of(whole.first), subscription["started_at"]), end_of(whole.last) if ended is None else ended


def show_subscription(world: World, subscription: Row, *parts: str) -> Row:
    """A subscription as listed; ``parts`` adds customer, entitlements, plan, thresholds, sections."""
    plan, customer = plan_of(world, subscription), customer_of(world, subscription)
    first, last = _current_bounds(plan, subscription, world.now())
    following = next_of(world, subscription)
    waiting = following is not None and following["status"] == "pending"
    previous = world.subscriptions.get(subscription["previous_id"]) if subscription["previous_id"] else None
    shown: Row = {
        "lago_id": subscription["id"],
        "external_id": subscription["external_id"],
        "lago_customer_id": customer["id"],
        "external_customer_id": customer["external_id"],
        "name": subscription["name"],
        "plan_code": plan["code"],
        "plan_amount_cents": plan["amount_cents"],
        "plan_amount_currency": plan["amount_currency"],
        "status": subscription["status"],
        "billing_time": subscription["billing_time"],
        "subscription_at": iso(subscription["subscription_at"]),
        "started_at": iso_ms(subscription["started_at"]),
        **{f"{name}_at": iso(subscription[f"{name}_at"]) for name in ("trial_ended", "ending", "terminated", "canceled", "created")},
        "previous_plan_code": plan_of(world, previous)["code"] if previous else None,
        "next_plan_code": plan_of(world, following)["code"] if following else None,
        "downgrade_plan_date": _swap_day(plan, subscription, world.now(), waiting=waiting),
        "current_billing_period_started_at": iso(first),
        "current_billing_period_ending_at": iso(last),
        "on_termination_credit_note": subscription["on_termination_credit_note"],
        "on_termination_invoice": subscription["on_termination_invoice"],
        "progressive_billing_disabled": False,
        "consolidate_invoice": True,
        "cancellation_reason": None,
        "activated_at": iso(subscription["started_at"]),
    }
    if "customer" in parts:
        shown["customer"] = show_customer(world, customer)
    if "entitlements" in parts:
        shown["entitlements"] = shown_overridden(world, subscription)
    shown["payment_method"] = {"payment_method_id": None, "payment_method_type": "provider"}
    if "plan" in parts:
        shown["plan"] = show_plan(world, plan, "subscription")
    if "thresholds" in parts:
        shown["applicable_usage_thresholds"] = []
    if "sections" in parts:
        shown["applied_invoice_custom_sections"] = []
    shown["activation_rules"] = []
    return shown


def _swap_day(plan: Row, subscription: Row, now: int, *, waiting: bool) -> str | None:
    """The first day of the next period, seen from now, while a downgrade waits; still shown on the day of the swap."""
    today = day_of(now)
    if waiting:
        return plan_period(plan, subscription, today).next_first.isoformat()
    return today.isoformat() if subscription["swapped_on"] == today.isoformat() else None


def answer_subscription(world: World, subscription: Row) -> Row:
    return {"subscription": show_subscription(world, subscription, "entitlements", "plan", "thresholds", "sections")}


def tell_subscription(world: World, webhook_type: str, subscription: Row) -> None:
    parts = ("customer", "plan")
    if webhook_type in ("subscription.started", "subscription.updated"):
        parts = ("customer", "entitlements", "plan")  # type: ignore[assignment]
    world.tell(webhook_type, "subscription", show_subscription(world, subscription, *parts))


def shown_overridden(world: World, subscription: Row) -> list[Row]:
    """The plan's entitlements merged with this subscription's own."""
    from_plan: Row = plan_of(world, subscription)["entitlements"]
    overrides, removed = subscription["overrides"], subscription["removed"]
    shown = []
    for code in [*from_plan, *(code for code in overrides if code not in from_plan)]:
        gone = removed.get(code, [])
        feature = world.features.one("code", code)
        if feature is None or "*" in gone:
            continue
        given, own = from_plan.get(code, {}), overrides.get(code, {})
        names = [name for name in [*given, *(name for name in own if name not in given)] if name in feature["privileges"]]
        privileges = [_privilege(feature["privileges"][name], given.get(name), own.get(name)) for name in names if name not in gone]
        head = pick(feature, "code name description")
        shown.append({**head, "privileges": privileges, "overrides": own})
    return shown


def _privilege(privilege: Row, plan_value: Any, own_value: Any) -> Row:
    return {
        **pick(privilege, "code name value_type"),
        "value": plan_value if own_value is None else own_value,
        "plan_value": plan_value,
        "override_value": own_value,
        "config": privilege["config"],
    }
