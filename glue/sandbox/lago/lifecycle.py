"""How subscriptions begin, end, go up and down."""

from glue.sandbox.lago.billing import credit_unused, invoice_subscriptions, next_billing_day
from glue.sandbox.lago.boundaries import is_in_trial, starting, terminating, trial_end
from glue.sandbox.lago.periods import ONE_DAY
from glue.sandbox.lago.subscription_views import next_of, plan_of, tell_subscription
from glue.sandbox.lago.values import day_of
from glue.sandbox.lago.world import Row, World

A_YEAR = {"weekly": 52, "monthly": 12, "quarterly": 4, "semiannual": 2, "yearly": 1}


def yearly_cents(plan: Row) -> int:
    return int(plan["amount_cents"]) * A_YEAR[plan["interval"]]


def new_subscription(world: World, customer: Row, plan: Row, external_id: str, **fields: object) -> Row:
    """A pending row, stored."""
    subscription: Row = {
        "id": world.new_id(),
        "external_id": external_id,
        "customer_id": customer["id"],
        "plan_id": plan["id"],
        "name": "",
        "status": "pending",
        "billing_time": "calendar",
        "subscription_at": world.now(),
        "created_at": world.now(),
        **dict.fromkeys(f"{name}_at" for name in ("started", "trial_ended", "ending", "terminated", "canceled")),
        "on_termination_credit_note": None,
        "on_termination_invoice": "generate",
        "previous_id": None,
        "next_id": None,
        "overrides": {},
        "removed": {},
        "bill_on": None,
        "billed_until": 0,
        "trial_until": None,
        "alerted_on": None,
        "swapped_on": None,
        **fields,
    }
    return world.subscriptions.put(subscription["id"], subscription)


def activate(world: World, subscription: Row, started_at: int) -> None:
    subscription["status"], subscription["started_at"] = "active", started_at
    today = day_of(world.now())
    after = today if day_of(started_at) >= today else today - ONE_DAY  # a backdated one may be due today
    subscription["bill_on"] = next_billing_day(world, subscription, after)
    subscription["trial_until"] = trial_end(world, subscription, plan_of(world, subscription))
    world.subscriptions.put(subscription["id"], subscription)


def owes_at_start(world: World, subscription: Row) -> bool:
    plan = plan_of(world, subscription)
    return bool(plan["pay_in_advance"]) and not is_in_trial(world, subscription, plan, world.now())


def start(world: World, subscription: Row) -> None:
    """Begin now: told, and billed at once when paid in advance and not in a trial."""
    activate(world, subscription, world.now())
    at = world.now()
    world.later(lambda: tell_subscription(world, "subscription.started", subscription))
    if owes_at_start(world, subscription):
        world.later(lambda: invoice_start(world, subscription, at))


def invoice_start(world: World, subscription: Row, at: int) -> None:
    invoice_subscriptions(world, [(subscription, starting(world, subscription, plan_of(world, subscription), at))])


def _end(world: World, subscription: Row, *, upgraded: bool, credit: str | None) -> None:
    """Mark as ended now. What waited to follow is dropped unless it is what follows now."""
    now = world.now()
    following = next_of(world, subscription)
    if following is not None and following["status"] == "pending" and not upgraded:
        _cancel(world, following)
    subscription["status"], subscription["terminated_at"] = "terminated", now
    subscription["bill_on"] = None
    if plan_of(world, subscription)["pay_in_advance"] and credit is not None:
        subscription["on_termination_credit_note"] = credit
    world.subscriptions.put(subscription["id"], subscription)


def _credit(world: World, subscription: Row, *, upgraded: bool) -> None:
    if plan_of(world, subscription)["pay_in_advance"] and subscription["on_termination_credit_note"] == "credit":
        ended = day_of(subscription["terminated_at"])
        credit_unused(world, subscription, ended if upgraded else ended + ONE_DAY)


def _tell_end(world: World, subscription: Row) -> None:
    tell_subscription(world, "subscription.terminated", subscription)
    tell_subscription(world, "subscription.updated", subscription)


def terminate(world: World, subscription: Row, *, credit: str | None = None, invoice: str = "generate") -> None:
    """End now: a credit note for what was paid ahead, then always a final invoice, also of 0."""
    if subscription["status"] == "pending":
        cancel(world, subscription)
        return
    plan = plan_of(world, subscription)
    billed_until = subscription["billed_until"]
    subscription["on_termination_invoice"] = invoice
    _end(world, subscription, upgraded=False, credit=credit or "credit")
    at = world.now()

    def finish() -> None:
        _credit(world, subscription, upgraded=False)
        _tell_end(world, subscription)
        if invoice == "generate":
            bounds = terminating(world, subscription, plan, at, upgraded=False, billed_until=billed_until)
            invoice_subscriptions(world, [(subscription, bounds)])

    world.later(finish)


def _cancel(world: World, subscription: Row) -> None:
    subscription["status"], subscription["canceled_at"] = "canceled", world.now()
    world.subscriptions.put(subscription["id"], subscription)


def cancel(world: World, subscription: Row) -> None:
    """Call off a scheduled start or a waiting downgrade: told as terminated, and the active row as updated."""
    _cancel(world, subscription)
    world.later(lambda: tell_subscription(world, "subscription.terminated", subscription))
    previous = world.subscriptions.get(subscription["previous_id"]) if subscription["previous_id"] else None
    if previous is not None:
        row = previous
        world.later(lambda: tell_subscription(world, "subscription.updated", row))


def _follow(world: World, current: Row, plan: Row, name: str) -> Row:
    """A row that takes over from ``current``; per-subscription overrides do not come along."""
    customer = world.customers.get(current["customer_id"]) or {}
    following = new_subscription(
        world,
        customer,
        plan,
        current["external_id"],
        name=name,
        billing_time=current["billing_time"],
        subscription_at=current["subscription_at"],
        ending_at=current["ending_at"],
        previous_id=current["id"],
    )
    current["next_id"] = following["id"]
    world.subscriptions.put(current["id"], current)
    return following


def upgrade(world: World, current: Row, plan: Row, name: str) -> Row:
    """Swap at once to a dearer plan: both rows on one invoice, less the credit note. Answers the new row."""
    waiting = next_of(world, current)
    if waiting is not None and waiting["status"] == "pending":
        _cancel(world, waiting)
    old_plan = plan_of(world, current)
    billed_until = current["billed_until"]
    following = _follow(world, current, plan, name)
    _end(world, current, upgraded=True, credit="credit")
    activate(world, following, world.now())
    at, owes = world.now(), owes_at_start(world, following)

    def finish() -> None:
        _credit(world, current, upgraded=True)
        _tell_end(world, current)
        tell_subscription(world, "subscription.started", following)
        billed = [(current, terminating(world, current, old_plan, at, upgraded=True, billed_until=billed_until))]
        if owes:
            billed.append((following, starting(world, following, plan, at)))
        invoice_subscriptions(world, billed)

    world.later(finish)
    return following


def schedule_downgrade(world: World, current: Row, plan: Row, name: str) -> None:
    """A cheaper plan waits for the end of the period; another one takes its place."""
    waiting = next_of(world, current)
    if waiting is not None and waiting["status"] == "pending":
        _cancel(world, waiting)
    _follow(world, current, plan, name)
    world.later(lambda: tell_subscription(world, "subscription.updated", current))


def swap(world: World, current: Row, following: Row) -> None:
    """The billing job carries out a waiting downgrade: one invoice, old usage to the period's end, the new fee."""
    old_plan = plan_of(world, current)
    billed_until = current["billed_until"]
    current["swapped_on"] = day_of(world.now()).isoformat()
    _end(world, current, upgraded=True, credit=None)
    activate(world, following, world.now())
    at = world.now()
    tell_subscription(world, "subscription.terminated", current)
    tell_subscription(world, "subscription.started", following)
    billed = [(current, terminating(world, current, old_plan, at, upgraded=True, billed_until=billed_until))]
    if owes_at_start(world, following):
        billed.append((following, starting(world, following, plan_of(world, following), at)))
    invoice_subscriptions(world, billed)
