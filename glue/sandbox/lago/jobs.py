"""What Lago's clock does by itself, each job at its own minute of the hour, all in UTC."""

from collections.abc import Callable
from datetime import timedelta

from glue.sandbox.lago.billing import Billed, invoice_subscriptions, next_billing_day
from glue.sandbox.lago.boundaries import periodic
from glue.sandbox.lago.coupons import expire_coupons
from glue.sandbox.lago.event_errors import report_bad_events
from glue.sandbox.lago.invoice_views import show_invoice
from glue.sandbox.lago.invoicing import store_invoice
from glue.sandbox.lago.lifecycle import invoice_start, start, swap, terminate
from glue.sandbox.lago.subscription_views import next_of, plan_of, plan_period, tell_subscription
from glue.sandbox.lago.values import day_of
from glue.sandbox.lago.wallets import end_wallet
from glue.sandbox.lago.world import Row, World

Job = Callable[[World], None]
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
ACTIVATION_MINUTES = 5
ALERT_DAYS = (45, 15)


def start_scheduled(world: World) -> None:
    """Subscriptions whose time has come begin now, not at the second that was asked for."""
    for subscription in world.subscriptions.by("status", "pending"):
        if subscription["previous_id"] is None and subscription["subscription_at"] <= world.now():
            start(world, subscription)


def end_scheduled(world: World) -> None:
    """On the day of ``ending_at``, whatever its hour."""
    today = day_of(world.now())
    for subscription in _with_end(world):
        if day_of(subscription["ending_at"]) <= today:
            terminate(world, subscription)


def _with_end(world: World) -> list[Row]:
    table = world.subscriptions
    rows = [row for at in table.values("ending_at") if at is not None for row in table.by("ending_at", at)]
    return [row for row in rows if row["status"] == "active"]


def bill(world: World) -> None:
    """Every active subscription whose billing day it is, one invoice a customer; waiting downgrades are swapped in."""
    today = day_of(world.now())
    due: dict[str, list[Billed]] = {}
    swaps: list[tuple[Row, Row]] = []
    for subscription in world.subscriptions.by("bill_on", today.isoformat()):
        plan = plan_of(world, subscription)
        following = next_of(world, subscription)
        waits = following is not None and following["status"] == "pending"
        if following is not None and waits and plan_period(plan, subscription, today).first == today:
            swaps.append((subscription, following))
            continue
        bounds = periodic(world, subscription, plan, today)
        subscription["bill_on"] = next_billing_day(world, subscription, today)
        world.subscriptions.put(subscription["id"], subscription)
        if bounds is not None:
            due.setdefault(subscription["customer_id"], []).append((subscription, bounds))
    for billed in due.values():
        invoice_subscriptions(world, billed)
    for current, following in swaps:
        swap(world, current, following)


def mark_overdue(world: World) -> None:
    """Finalized and unpaid invoices whose due date lies before today."""
    today = day_of(world.now()).isoformat()
    for due in sorted(day for day in world.invoices.values("due_unpaid") if day is not None and day < today):
        for invoice in world.invoices.by("due_unpaid", due):
            invoice["payment_overdue"], invoice["updated_at"] = True, world.now()
            store_invoice(world, invoice)
            world.tell("invoice.payment_overdue", "invoice", show_invoice(world, invoice, "payment_overdue"))


def end_trials(world: World) -> None:
    """Trials that ended: told, and billed now when paid in advance."""
    table = world.subscriptions
    ends = sorted(end for end in table.values("trial_until") if end is not None and end <= world.now())
    for subscription in [row for end in ends for row in table.by("trial_until", end)]:
        end, subscription["trial_until"] = subscription["trial_until"], None
        if subscription["status"] == "active":
            subscription["trial_ended_at"] = end
        table.put(subscription["id"], subscription)
        if subscription["status"] != "active":
            continue
        tell_subscription(world, "subscription.trial_ended", subscription)
        if plan_of(world, subscription)["pay_in_advance"] and end > subscription["started_at"]:  # else billed when it began
            invoice_start(world, subscription, world.now())


def end_wallets(world: World) -> None:
    for wallet in world.wallets.by("status", "active"):
        if wallet["expiration_at"] is not None and wallet["expiration_at"] <= world.now():
            end_wallet(world, wallet)


def alert_endings(world: World) -> None:
    """45 and 15 days ahead of ``ending_at``, once a day."""
    today = day_of(world.now())
    for subscription in _with_end(world):
        ahead = (day_of(subscription["ending_at"]) - today).days
        if ahead in ALERT_DAYS and subscription["alerted_on"] != today.isoformat():
            subscription["alerted_on"] = today.isoformat()
            world.subscriptions.put(subscription["id"], subscription)
            tell_subscription(world, "subscription.termination_alert", subscription)


# The paid edition's work: these run and change nothing.
def do_nothing(_: World) -> None:
    return


JOBS: dict[str, Job] = {
    "ActivateSubscriptionsJob": start_scheduled,
    "TerminateEndedSubscriptionsJob": end_scheduled,
    "EventsValidationJob": report_bad_events,
    "SubscriptionsBillerJob": bill,
    "MarkInvoicesAsPaymentOverdueJob": mark_overdue,
    "TerminateCouponsJob": expire_coupons,
    "FreeTrialSubscriptionsBillerJob": end_trials,
    "TerminateWalletsJob": end_wallets,
    "SubscriptionsToBeTerminatedJob": alert_endings,
    "RefreshWalletsOngoingBalanceJob": do_nothing,
    "ConsumeSubscriptionRefreshedQueueJob": do_nothing,
    "ProcessAllSubscriptionActivitiesJob": do_nothing,
}
HOURLY: dict[int, tuple[Job, ...]] = {
    5: (end_scheduled, report_bad_events),
    10: (bill,),
    25: (mark_overdue,),
    30: (expire_coupons,),
    35: (end_trials,),
    45: (end_wallets,),
    50: (alert_endings,),
}


def due_times(after: int, until: int) -> list[int]:
    """Every fifth minute of the clock within (after, until], where all jobs have their time."""
    step = ACTIVATION_MINUTES * MINUTE_MS
    first = (after // step + 1) * step
    return list(range(first, until + 1, step))


def jobs_at(at: int) -> tuple[Job, ...]:
    return (start_scheduled, *HOURLY.get(at % HOUR_MS // MINUTE_MS, ()))


def run_at(world: World, at: int, jobs: tuple[Job, ...]) -> None:
    """Run jobs as of ``at``, with everything they queue, in one transaction."""
    world.as_of = at
    try:
        with world.store.transaction():
            for job in jobs:
                job(world)
                world.work_off()
    finally:
        world.as_of = None


def run_named(world: World, name: str, offset_days: float) -> None:
    """Run one job as if ``offset_days`` later."""
    run_at(world, world.now() + int(timedelta(days=offset_days).total_seconds() * 1000), (JOBS[name],))
