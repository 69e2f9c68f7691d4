import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glue.errors import BadInput
from glue.meter.units import LARGEST, as_decimal, as_json, as_plain, parse_units

PLAIN = r"-?\d+(\.\d+)?"


@given(st.integers(0, LARGEST))
def test_plain_text_is_exact_and_what_lago_counts(millionths):
    text = as_plain(millionths)
    assert re.fullmatch(PLAIN, text)
    assert parse_units(text) == millionths
    assert Decimal(text) == as_decimal(millionths)


@given(st.integers(-LARGEST, -1))
def test_negative_amounts_have_plain_text_too(millionths):
    assert Decimal(as_plain(millionths)) == as_decimal(millionths)


@pytest.mark.parametrize(
    ("value", "millionths"), [(1, 10**6), ("2.5", 2_500_000), (0.1, 10**5), (1e-6, 1), (Decimal("1E+2"), 10**8), (1e9, LARGEST)]
)
def test_numbers_are_read_exactly(value, millionths):
    assert parse_units(value) == millionths


@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        [],
        "1e3",
        "+5",
        " 7 ",
        "1_000",
        "",
        "-1",
        -1,
        -0.5,
        1e-7,
        "0.0000001",
        10**9 + 1,
        1e30,
        "NaN",
        float("nan"),
        float("inf"),
        Decimal("NaN"),
    ],
)
def test_what_lago_would_count_as_nothing_is_refused(value):
    with pytest.raises(BadInput) as caught:
        parse_units(value)
    assert caught.value.field == "units"


def test_zero_is_refused_where_nothing_would_be_asked():
    assert parse_units(0) == 0
    with pytest.raises(BadInput):
        parse_units(0, zero=False)


def test_answers_show_whole_numbers_whole():
    assert as_json(5_000_000) == 5
    assert isinstance(as_json(5_000_000), int)
    assert as_json(2_500_000) == 2.5
