"""Reading what third parties answer, strictly: anything of another shape raises ValueError, TypeError or KeyError."""

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any


def instant(value: Any) -> datetime | None:
    """An ISO 8601 text as an instant in UTC; None stays None."""
    if value is None:
        return None
    parsed = datetime.fromisoformat(value)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def known_instant(value: Any) -> datetime:
    """An instant that must be there."""
    parsed = instant(value)
    if parsed is None:
        raise ValueError("an instant is missing")
    return parsed


def day(value: Any) -> date | None:
    """The date of an ISO 8601 date or instant; None stays None."""
    return None if value is None else date.fromisoformat(value[:10])


def whole(value: Any) -> int:
    """Cents and counts: an integer and nothing that merely looks like one."""
    if type(value) is not int:
        raise ValueError("a whole number is expected")
    return value


def decimal(value: Any) -> Decimal:
    """Units and prices, sent as text. A float has lost its digits before it reaches us and is refused."""
    if isinstance(value, float):
        raise ValueError("a decimal number is expected as text")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise ValueError("a decimal number is expected") from error
    if not number.is_finite():
        raise ValueError("a finite number is expected")
    return number


def text(value: Any) -> str:
    """A text; null is empty."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


def iso(value: datetime | None) -> str | None:
    """What we send: UTC with Z, milliseconds as far as there are any."""
    if value is None:
        return None
    utc = value.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond else "seconds").replace("+00:00", "Z")
