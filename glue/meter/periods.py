"""Which period a fact counts in, and the time Lago gets for it. Pure.

Lago's periods begin at 00:00 UTC, their invoices are made at 00:10. A subscription row may change at any time (upgrade)
or with that invoice (downgrade), and what is dated before its row, or into a closed period, is stored and never billed.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from glue.rules.snapshot import Period, Snapshot
from glue.rules.standing import Standing

GAP = timedelta(minutes=10)  # from 00:00 until the invoice of the period just ended
GAP_SURELY_OVER = timedelta(minutes=12)  # what is seen from here on is as that invoice's job has left it
STILL_TAKEN = timedelta(minutes=8)  # usage of that period is sent with its own time until here, with room for a slow answer
SWAP_PATIENCE = timedelta(hours=1)  # a waiting downgrade is swapped by the hourly job
LAST_MINUTES = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(at: datetime) -> int:
    """Whole microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def period_end(period: Period) -> datetime:
    """The midnight that ends the period, also when its end is given as the last second before."""
    end = midnight(period.ends_at.date())
    return end if end == period.ends_at else end + timedelta(days=1)


def quota_day(period: Period, now: datetime) -> date:
    """First day of the running period, as limits see it: an upgrade does not move it, the period's end does."""
    end = period_end(period)
    return end.date() if now >= end else period.quota_from or period.started_at.date()


def carry_quota(period: Period, before: Period | None) -> date:
    """Where limits count from for a newly published period: one that begins inside the last one continues it."""
    if before is not None and before.quota_from is not None and period.started_at < period_end(before):
        return before.quota_from
    return period.started_at.date()


def period_of_fact(period: Period | None, *, occurred_at: datetime, now: datetime) -> str:
    """Name of the period that a fact reported now is billed in: its first day; empty without a period.

    The day before it stands for facts of the period that has ended and is not invoiced yet.
    """
    if period is None:
        return ""
    day = quota_day(period, now)
    start = midnight(day)
    if period.subscription_started_at <= occurred_at < start and now < start + STILL_TAKEN:
        return (day - timedelta(days=1)).isoformat()
    return day.isoformat()


@dataclass(frozen=True, slots=True)
class Placement:
    """Where usage goes: ``at`` for Lago, None to wait for now, or ``stranded`` with the reason why it fits nowhere."""

    at: datetime | None = None
    stranded: str = ""


WAIT = Placement()


def place(fold_period: str, latest_at: datetime, *, now: datetime, snapshot: Snapshot | None) -> Placement:
    """The time to bill usage with whose latest fact is of ``latest_at``.

    In its own period as long as that is open, else at the first moment of the open one that is surely billed: for a row
    older than the period after the gap, by a snapshot confirmed after the gap, since the row may have changed in it; for a
    row that began in the period (a new customer's, an upgrade's) from its start.
    """
    if snapshot is None:
        return WAIT
    period = snapshot.period
    if period is None:
        if snapshot.standing in {Standing.CANCELED, Standing.ERASED}:
            return Placement(stranded="The subscription had ended before this usage could be billed.")
        return WAIT
    day = quota_day(period, now)
    start = midnight(day)
    if fold_period and fold_period < day.isoformat() and now < start + STILL_TAKEN and period.subscription_started_at <= latest_at < start:
        return Placement(latest_at)
    if period.subscription_started_at < start:  # a row that began since then has no invoice of an earlier period to wait for
        if now < start + GAP or snapshot.confirmed_at < start + GAP_SURELY_OVER:
            return WAIT
        if period.downgrade_waiting and now < start + SWAP_PATIENCE:
            return WAIT
    return Placement(max(latest_at, open_from(period, now)))


def open_from(period: Period, now: datetime) -> datetime:
    """The first moment of the open period that is surely billed with it."""
    row_start, start = period.subscription_started_at, midnight(quota_day(period, now))
    if row_start < start:
        return start + GAP
    whole = row_start.replace(microsecond=0)
    return whole if whole == row_start else whole + timedelta(seconds=1)
