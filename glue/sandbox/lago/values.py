"""Reading what a caller sent and writing what Lago shows: coercions, instants, exact numbers.

Instants are integers, milliseconds since 1970 in UTC; amounts are ``Fraction`` until they are rounded to cents.
"""

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

DAY_MS = 86_400_000
PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")
_EPOCH = date(1970, 1, 1)
_ISO_WITHOUT_TIME = re.compile(r"\d{4}-\d\d-\d\d\Z")


# What was sent.
def text(value: Any) -> str | None:
    """A string as Rails coerces it: numbers and booleans become text, objects and lists are ignored, NUL is dropped."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, int | float):
        return str(value)
    return None


def whole(value: Any) -> int | None:
    """An integer: "1000" and 10.9 are taken, words are not."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        pass
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def flag(value: Any) -> bool:
    return value is True or value in ("true", "1", 1)


def instant(value: Any) -> int | None:
    """Milliseconds of an ISO 8601 text; None when it is no date."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def exact(value: Any) -> Fraction | None:
    """A number of an event or a charge: JSON numbers, and strings in plain decimal form only."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, float):
        return Fraction(Decimal(repr(value))) if math.isfinite(value) else None
    return Fraction(Decimal(value)) if isinstance(value, str) and PLAIN_NUMBER.match(value) else None


def given(value: Any) -> Fraction:
    """A number of a catalogue entry that was checked when it was stored; absent is 0."""
    return exact(value) or Fraction(0)


# Instants.
def to_ms(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


def start_of(day: date) -> int:
    """00:00:00.000 of ``day``."""
    return (day - _EPOCH).days * DAY_MS


def end_of(day: date) -> int:
    """23:59:59.999 of ``day``."""
    return start_of(day) + DAY_MS - 1


@lru_cache(maxsize=65536)
def day_of(at: int) -> date:
    return _EPOCH + timedelta(days=at // DAY_MS)


@lru_cache(maxsize=65536)
def _stamp(at_s: int) -> str:
    """Also for years that ``datetime`` does not know: Lago takes milliseconds for seconds."""
    days, second = divmod(at_s, 86400)
    cycles, days = divmod(days, 146097)  # 400 years
    day = _EPOCH + timedelta(days=days)
    return f"{day.year + cycles * 400:04d}-{day.month:02d}-{day.day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def iso(at: int | None) -> str | None:
    """``2026-11-22T21:50:01Z``"""
    return None if at is None else _stamp(at // 1000) + "Z"


def iso_ms(at: int | None) -> str | None:
    """``2026-11-22T21:50:01.432Z``"""
    return None if at is None else f"{_stamp(at // 1000)}.{at % 1000:03d}Z"


def iso_offset(at: int | None) -> str | None:
    """``2026-11-22T21:50:01+00:00``, as fees show their period."""
    return None if at is None else _stamp(at // 1000) + "+00:00"


# Numbers.
def cents(amount: Fraction) -> int:
    """Rounded half away from zero."""
    magnitude = math.floor(abs(amount) + Fraction(1, 2))
    return magnitude if amount >= 0 else -magnitude


def places(amount: Fraction, digits: int) -> Fraction:
    """Rounded to ``digits`` decimal places, half away from zero."""
    return Fraction(cents(amount * 10**digits), 10**digits)


def number_text(amount: Fraction | float, digits: int = 15) -> str:
    """A decimal as Lago prints it: plain form, at most ``digits`` places, at least one."""
    rounded = places(Fraction(amount), digits)
    sign, magnitude = ("-", -rounded) if rounded < 0 else ("", rounded)
    whole_part, rest = divmod(magnitude, 1)
    fraction = str(rest.numerator * 10**digits // rest.denominator).rjust(digits, "0").rstrip("0") if rest else ""
    return f"{sign}{whole_part}.{fraction or '0'}"


def like_a_float(amount: float) -> Fraction:
    """The decimal that Ruby makes of a float: 16 digits, the rest cut off."""
    return Fraction(Context(prec=16, rounding=ROUND_DOWN).create_decimal(repr(amount)))
