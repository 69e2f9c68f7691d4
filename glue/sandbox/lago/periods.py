"""Billing periods and proration by whole days. Pure: dates in, dates out."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

INTERVALS = ("weekly", "monthly", "quarterly", "semiannual", "yearly")
MONTHS = {"monthly": 1, "quarterly": 3, "semiannual": 6, "yearly": 12}
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """Whole days, first and last included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def next_first(self) -> date:
        return self.last + ONE_DAY


def add_months(anchor: date, months: int) -> date:
    """The same day ``months`` later, clamped to the month's end; always counted from ``anchor``."""
    index = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))


@lru_cache(maxsize=4096)
def period_of(interval: str, billing_time: str, anchor: date, day: date) -> Period:
    """The whole period that contains ``day``.

    Calendar billing: weeks from Monday, months, quarters, halves, years. Anniversary: the weekday or day of ``anchor``
    (the day of ``subscription_at``), clamped in short months and coming back in long ones.
    """
    if interval == "weekly":
        offset = 0 if billing_time == "calendar" else anchor.weekday()
        first = day - timedelta(days=(day.weekday() - offset) % 7)
        return Period(first, first + timedelta(days=6))
    step = MONTHS[interval]
    if billing_time == "calendar":
        anchor = date(2000, 1, 1)
    count = ((day.year - anchor.year) * 12 + day.month - anchor.month) // step
    while add_months(anchor, count * step) > day:
        count -= 1
    while add_months(anchor, (count + 1) * step) <= day:
        count += 1
    return Period(add_months(anchor, count * step), add_months(anchor, (count + 1) * step) - ONE_DAY)


def days_between(first: date, last: date) -> int:
    """Whole days, both ends counted; 0 when ``last`` lies before ``first``."""
    return max((last - first).days + 1, 0)
