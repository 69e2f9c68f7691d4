"""What one invoice bills of a subscription: the days of its fee and the window of its charges.

The two differ: a fee paid in advance looks ahead, charges always look back, and a long plan may bill its charges
every month. Fees count whole days from 00:00; charges begin at the exact start of the subscription.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from glue.sandbox.lago.aggregation import Window
from glue.sandbox.lago.charge_lines import first_start
from glue.sandbox.lago.periods import ONE_DAY, days_between
from glue.sandbox.lago.subscription_views import charge_period, plan_period
from glue.sandbox.lago.values import DAY_MS, cents, day_of, end_of, like_a_float, start_of
from glue.sandbox.lago.world import Row, World


@dataclass(frozen=True)
class Boundaries:
    reason: str
    from_at: int
    to_at: int
    charges: Window | None  # None: no charges on this invoice
    shown_charges: tuple[int, int]
    fee_cents: Fraction | None  # None: no fee of the plan on this invoice
    shows_fixed_charges: bool = True


def trial_end(world: World, subscription: Row, plan: Row) -> int | None:
    """The instant a trial ends, counted from the first start of this external id; None without one."""
    if not plan["trial_period"]:
        return None
    return first_start(world, subscription) + int(plan["trial_period"] * DAY_MS)


def is_in_trial(world: World, subscription: Row, plan: Row, at: int) -> bool:
    end = trial_end(world, subscription, plan)
    return end is not None and at < end


def _fee(world: World, subscription: Row, plan: Row, first: date, last: date) -> Fraction | None:
    """The plan's amount for these days, without those of a trial. None when the trial covers them all."""
    end = trial_end(world, subscription, plan)
    if end is not None:
        if end > end_of(last):
            return None
        first = max(first, day_of(end))
    whole = plan_period(plan, subscription, max(last, first))
    days = days_between(first, last)
    if days >= whole.days:
        return Fraction(plan["amount_cents"])
    exact = Fraction(plan["amount_cents"] * days, whole.days)
    shown = like_a_float(plan["amount_cents"] / whole.days * days)
    return shown if cents(shown) == cents(exact) else exact


def _start_day(subscription: Row) -> date:
    return day_of(subscription["started_at"])


def starting(world: World, subscription: Row, plan: Row, at: int) -> Boundaries:
    """The first invoice of a plan paid in advance, or the one at the end of its trial."""
    day = day_of(at)
    period = plan_period(plan, subscription, day)
    first = max(period.first, _start_day(subscription))
    past = _past_charges(subscription, plan, day)
    return Boundaries(
        "subscription_starting",
        start_of(first),
        end_of(period.last),
        None,
        _bounds(past, subscription),
        _fee(world, subscription, plan, first, period.last),
    )


def _bounds(charges: Window | None, subscription: Row) -> tuple[int, int]:
    return (charges.from_at, charges.to_at) if charges else (subscription["started_at"], subscription["started_at"])


def _past_charges(subscription: Row, plan: Row, day: date) -> Window | None:
    """The charges' period before the one of ``day``; None when the subscription began after it."""
    before = charge_period(plan, subscription, charge_period(plan, subscription, day).first - ONE_DAY)
    if subscription["started_at"] > end_of(before.last):
        return None
    return Window(max(start_of(before.first), subscription["started_at"]), end_of(before.last), before)


def periodic(world: World, subscription: Row, plan: Row, day: date) -> Boundaries | None:
    """What the billing day ``day`` bills; None when it is none for this subscription."""
    current, charging = plan_period(plan, subscription, day), charge_period(plan, subscription, day)
    fee_due, charges_due = current.first == day, charging.first == day
    charges = _past_charges(subscription, plan, day) if charges_due else None
    if charges is None:
        return None
    if plan["pay_in_advance"]:
        first, last = max(current.first, _start_day(subscription)), current.last
        from_at, to_at = start_of(first), end_of(last)
    else:
        before = plan_period(plan, subscription, current.first - ONE_DAY)
        first, last = max(before.first, _start_day(subscription)), before.last
        from_at, to_at = start_of(first), max(end_of(last), subscription["started_at"])
    fee = _fee(world, subscription, plan, first, last) if fee_due else None
    if plan["pay_in_advance"] and fee_due and is_in_trial(world, subscription, plan, start_of(day)):
        fee = None
    shown = _bounds(charges, subscription)
    return Boundaries("subscription_periodic", from_at, to_at, charges, shown, fee, not plan["bill_charges_monthly"])


def terminating(world: World, subscription: Row, plan: Row, at: int, *, upgraded: bool, billed_until: int) -> Boundaries:
    """The final invoice at ``at``. An upgrade's day belongs to the new plan.

    In the minutes of a new period before its billing job ran (``billed_until`` lies before the last one's end) only the old period
    is billed. A long plan with monthly charges takes the charges of the month before again and never the running
    one's: that is how Lago does it.
    """
    day = day_of(at)
    current, charging = plan_period(plan, subscription, day), charge_period(plan, subscription, day)
    unbilled = charging.first == day and subscription["started_at"] < start_of(day) and billed_until < start_of(day) - 1
    if unbilled or plan["bill_charges_monthly"]:
        charges = _past_charges(subscription, plan, day)
    else:
        charges = Window(max(start_of(charging.first), subscription["started_at"]), at, charging)
    to_at = at
    if unbilled and current.first == day and not plan["pay_in_advance"]:
        current = plan_period(plan, subscription, day - ONE_DAY)
        to_at = end_of(current.last)
    first = max(current.first, _start_day(subscription))
    last = day_of(to_at) - (ONE_DAY if upgraded and to_at == at else timedelta(0))
    fee = None
    if not plan["pay_in_advance"]:
        fee = _fee(world, subscription, plan, first, last) if last >= first else Fraction(0)
        if is_in_trial(world, subscription, plan, at):
            fee = None
    return Boundaries(
        "subscription_terminating",
        start_of(first),
        to_at,
        charges,
        _bounds(charges, subscription),
        fee,
        not plan["bill_charges_monthly"],
    )
