"""Keygen's times: text with milliseconds and ``Z``, calendar-aware durations, and its lenient reading of input."""

import calendar
from datetime import UTC, datetime, timedelta
from typing import Any

YEAR_SECONDS = 31_556_952
MONTH_SECONDS = 2_629_746


def to_text(instant: datetime) -> str:
    """``2026-11-22T21:05:29.143Z``."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    return datetime.fromisoformat(text)


def coerce(value: Any) -> str | None:
    """What Keygen makes of a time that it is given: numbers are Unix seconds, and what is no time is silently dropped."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return to_text(datetime.fromtimestamp(value, UTC))
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return to_text(instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC))


def add_seconds(start: datetime, seconds: int) -> datetime:
    """Add a duration as Rails does: split into years, months and a rest, of which the first two follow the calendar."""
    years, rest = divmod(seconds, YEAR_SECONDS)
    months, rest = divmod(rest, MONTH_SECONDS)
    return add_months(start, years * 12 + months) + timedelta(seconds=rest)


def add_interval(start: datetime, unit: str, count: int) -> datetime:
    """Add ``count`` days, weeks, months or years."""
    if unit == "day":
        return start + timedelta(days=count)
    if unit == "week":
        return start + timedelta(weeks=count)
    return add_months(start, count * (12 if unit == "year" else 1))


def add_months(start: datetime, months: int) -> datetime:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day)
