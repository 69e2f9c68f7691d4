"""Units of usage: decimals with at most six places, kept as whole millionths so that sums are exact in every database."""

import re
from decimal import Decimal
from typing import Any

from glue.errors import BadInput

ONE = 1_000_000  # millionths of a unit
LARGEST = 10**9 * ONE  # of one request; a period's total stays far below what 64 bits hold
_PLAIN = re.compile(r"\d{1,10}(\.\d{1,6})?")
_EXPECTED = "a plain number from 0 to 1000000000 with at most six decimal places"


def parse_units(value: Any, *, field: str = "units", zero: bool = True) -> int:
    """Millionths out of a JSON number, plain text, Decimal or int. Raises BadInput naming ``field``."""
    millionths = value * ONE if type(value) is int else _parse_decimal(value, field)
    if not 0 <= millionths <= LARGEST or (millionths == 0 and not zero):
        raise BadInput(f"{field} is out of range.", field=field, expected=_EXPECTED if zero else f"{_EXPECTED}, more than 0")
    return millionths


def _parse_decimal(value: Any, field: str) -> int:
    if isinstance(value, float | Decimal):
        value = format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return int(Decimal(value) * ONE)
    raise BadInput(f"{field} is not a usable number.", field=field, expected=_EXPECTED)


def as_decimal(millionths: int) -> Decimal:
    """The exact number of units."""
    return Decimal(millionths) / ONE


def as_json(millionths: int) -> int | float:
    """For answers: a whole number where it is one."""
    whole, rest = divmod(millionths, ONE)
    return whole if not rest else millionths / ONE


def as_plain(millionths: int) -> str:
    """Plain decimal text, never with an exponent: Lago stores ``1E-7`` and counts it as nothing."""
    sign, size = ("-", -millionths) if millionths < 0 else ("", millionths)
    whole, rest = divmod(size, ONE)
    return f"{sign}{whole}" if not rest else f"{sign}{whole}.{rest:06d}".rstrip("0")
