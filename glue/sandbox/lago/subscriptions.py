"""The calls on subscriptions."""

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.customers import find_customer, known_customer, new_customer, shown_fully
from glue.sandbox.lago.errors import broken, forbidden, invalid, not_found, not_in_sandbox
from glue.sandbox.lago.lifecycle import (
    activate,
    cancel,
    new_subscription,
    schedule_downgrade,
    start,
    terminate,
    upgrade,
    yearly_cents,
)
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.plan_charges import known_plan
from glue.sandbox.lago.subscription_views import (
    answer_subscription,
    find_subscription,
    plan_of,
    show_subscription,
    tell_subscription,
)
from glue.sandbox.lago.values import day_of, instant, text
from glue.sandbox.lago.world import Row, World

STATUSES = ("pending", "active", "terminated", "canceled", "incomplete")


def _times(world: World, fields: Row) -> tuple[int, int | None]:
    """subscription_at and ending_at, checked."""
    start_at = instant(fields["subscription_at"]) if fields.get("subscription_at") is not None else world.now()
    if start_at is None:
        raise invalid({"subscription_at": ["invalid_date"]})
    return start_at, _ending(world, fields, start_at)


def _ending(world: World, fields: Row, start_at: int) -> int | None:
    if fields.get("ending_at") is None:
        return None
    ending_at = instant(fields["ending_at"])
    if ending_at is None or ending_at <= max(world.now(), start_at):
        raise invalid({"ending_at": ["invalid_date"]})
    return ending_at


def _current(world: World, external_id: str, customer: Row | None) -> Row | None:
    """The active or scheduled row of this id; refuses when it belongs to somebody else."""
    rows = [row for row in world.subscriptions.by("external_id", external_id) if row["status"] in ("active", "pending")]
    if rows and (customer is None or rows[-1]["customer_id"] != customer["id"]):
        raise invalid({"external_id": ["value_already_exist"]})
    rows.sort(key=lambda row: row["status"] == "active")
    return rows[-1] if rows else None


def create_subscription(world: World, call: Call) -> Answer:
    fields = call.root("subscription")
    plan = known_plan(world, text(fields.get("plan_code")))
    if fields.get("plan_overrides"):
        raise forbidden()
    if fields.get("activation_rules"):
        raise not_in_sandbox()
    external_id, customer_id = text(fields.get("external_id")) or "", text(fields.get("external_customer_id")) or ""
    problems = {
        name: ["value_is_mandatory"] for name, value in (("external_customer_id", customer_id), ("external_id", external_id)) if not value
    }
    if problems:
        raise invalid(problems)
    if "\0" in str(fields.get("external_id")):
        raise broken()
    billing_time = text(fields.get("billing_time")) or "calendar"
    if billing_time not in ("calendar", "anniversary"):
        raise invalid({"billing_time": ["value_is_invalid"]})
    start_at, ending_at = _times(world, fields)
    customer = find_customer(world, customer_id)
    current = _current(world, external_id, customer)
    if customer and customer["currency"] not in (None, plan["amount_currency"]):
        raise invalid({"currency": ["currencies_does_not_match"]})
    if customer is None:
        customer = new_customer(world, customer_id)
    if customer["currency"] is None:
        customer["currency"] = plan["amount_currency"]
        world.customers.put(customer["id"], customer)
    if current is not None:
        return answer_subscription(world, _change_plan(world, current, plan, text(fields.get("name"))))
    subscription = new_subscription(
        world,
        customer,
        plan,
        external_id,
        name=text(fields.get("name")) or "",
        billing_time=billing_time,
        subscription_at=start_at,
        ending_at=ending_at,
    )
    _begin(world, subscription)
    return answer_subscription(world, subscription)


def _begin(world: World, subscription: Row) -> None:
    """Today starts now, the past is backdated and nothing is billed for it, the future waits without a webhook."""
    now, at = world.now(), subscription["subscription_at"]
    if day_of(at) == day_of(now) and at <= now:
        start(world, subscription)
    elif at < now:
        activate(world, subscription, at)
        world.later(lambda: tell_subscription(world, "subscription.started", subscription))


def _change_plan(world: World, current: Row, plan: Row, name: str | None) -> Row:
    """The same plan changes nothing; a dearer one (by the year) now, a cheaper one at the period's end."""
    if current["plan_id"] == plan["id"]:
        return current
    if current["status"] == "pending":
        current["plan_id"] = plan["id"]
        return world.subscriptions.put(current["id"], current)
    if yearly_cents(plan) >= yearly_cents(plan_of(world, current)):
        return upgrade(world, current, plan, name or "")
    schedule_downgrade(world, current, plan, name or "")
    return current


def update_subscription(world: World, call: Call) -> Answer:
    fields = call.root("subscription")
    subscription = find_subscription(world, call.path["external_id"], call.asked("status"))
    if fields.get("plan_overrides"):
        raise forbidden()
    if "ending_at" in fields:
        subscription["ending_at"] = _ending(world, fields, subscription["subscription_at"])
    if "name" in fields:
        subscription["name"] = text(fields["name"]) or ""
    if subscription["status"] == "pending" and fields.get("subscription_at") is not None:
        subscription["subscription_at"], _ = _times(world, {"subscription_at": fields["subscription_at"]})
    world.subscriptions.put(subscription["id"], subscription)
    world.later(lambda: tell_subscription(world, "subscription.updated", subscription))
    return {"subscription": show_subscription(world, subscription, "plan", "thresholds", "sections")}


def delete_subscription(world: World, call: Call) -> Answer:
    credit, invoice = call.asked("on_termination_credit_note"), call.asked("on_termination_invoice")
    subscription = find_subscription(world, call.path["external_id"], call.asked("status"))
    if subscription["status"] not in ("active", "pending"):
        raise not_found("subscription")
    if credit not in (None, "credit", "skip", "refund", "offset"):
        raise invalid({"on_termination_credit_note": ["invalid_value"]})
    if credit in ("refund", "offset"):
        raise not_in_sandbox()
    if invoice not in (None, "generate", "skip"):
        raise invalid({"on_termination_invoice": ["invalid_value"]})
    if subscription["status"] == "pending":
        cancel(world, subscription)
    else:
        terminate(world, subscription, credit=credit, invoice=invoice or "generate")
    return {"subscription": show_subscription(world, subscription, "plan", "sections")}


def get_subscription(world: World, call: Call) -> Answer:
    return answer_subscription(world, find_subscription(world, call.path["external_id"], call.asked("status")))


def _page(world: World, call: Call, rows: list[Row]) -> Answer:
    wanted = set(call.asked_all("status")) or {"active"}
    plan_code = call.asked("plan_code")
    found = [row for row in rows if row["status"] in wanted]
    if plan_code:
        found = [row for row in found if plan_of(world, row)["code"] == plan_code]
    return page_of(call.query, "subscriptions", found[::-1], lambda row: show_subscription(world, row))


def list_subscriptions(world: World, call: Call) -> Answer:
    asked = call.asked("external_customer_id")
    if asked is None:
        return _page(world, call, list(world.subscriptions))
    customer = find_customer(world, asked)
    return _page(world, call, world.subscriptions.by("customer_id", customer["id"]) if customer else [])


def list_customer_subscriptions(world: World, call: Call) -> Answer:
    customer = known_customer(world, call.path["external_id"])
    return _page(world, call, world.subscriptions.by("customer_id", customer["id"]))


def delete_customer(world: World, call: Call) -> Answer:
    """Sends no webhook of its own; ends the customer's subscriptions, its invoices stay."""
    customer = known_customer(world, call.path["external_id"])
    customer["deleted_at"] = customer["updated_at"] = world.now()
    world.customers.put(customer["id"], customer)
    row = customer

    def end_all() -> None:
        for subscription in world.subscriptions.by("customer_id", row["id"]):
            if subscription["status"] in ("active", "pending"):
                terminate(world, subscription)

    world.later(end_all)
    return {"customer": shown_fully(world, customer)}


ROUTES = [
    ("POST", "/subscriptions", create_subscription),
    ("GET", "/subscriptions", list_subscriptions),
    ("GET", "/subscriptions/{external_id}", get_subscription),
    ("PUT", "/subscriptions/{external_id}", update_subscription),
    ("DELETE", "/subscriptions/{external_id}", delete_subscription),
    ("GET", "/customers/{external_id}/subscriptions", list_customer_subscriptions),
    ("DELETE", "/customers/{external_id}", delete_customer),
]
