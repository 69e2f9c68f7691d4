"""What a caller may send, and how numbers and instants are printed."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glue.sandbox.lago.encoding import encode
from glue.sandbox.lago.values import cents, exact, instant, iso, iso_ms, number_text, text, whole


@pytest.mark.parametrize("number", ["1E-7", "1e3", "+5", " 7 ", "1_000", "many", "", None, True, ".5", "5."])
def test_numbers_that_are_not_plain_count_as_nothing(number):
    assert exact(number) is None


@pytest.mark.parametrize(
    ("sent", "value"), [("12", 12), ("-3.5", Fraction(-7, 2)), (1e-7, Fraction(1, 10**7)), (1e21, 10**21), (0.1, Fraction(1, 10))]
)
def test_plain_strings_and_json_numbers_are_exact(sent, value):
    assert exact(sent) == value


@pytest.mark.parametrize(("sent", "value"), [("1000", 1000), (10.5, 10), ("10.9", 10), (None, None), ("x", None), (True, None), ([], None)])
def test_amounts_of_cents_are_coerced(sent, value):
    assert whole(sent) == value


@pytest.mark.parametrize(("sent", "value"), [(12, "12"), (True, "t"), ({"a": 1}, None), (["a"], None), ("nul\0byte", "nulbyte")])
def test_texts_are_coerced(sent, value):
    assert text(sent) == value


def test_instants_beyond_the_calendar_are_printed():
    assert iso_ms(1795384226000 * 1000) == "58863-06-18T00:33:20.000Z"
    assert iso_ms(-5000) == "1969-12-31T23:59:55.000Z"
    assert iso(None) is None


@pytest.mark.parametrize("sent", ["soon", "", None, 12, "2027-13-01"])
def test_what_is_no_date_is_none(sent):
    assert instant(sent) is None


def test_dates_without_zone_are_utc():
    assert iso(instant("2027-01-15")) == "2027-01-15T00:00:00Z"
    assert iso(instant("2027-01-15T12:00:00+02:00")) == "2027-01-15T10:00:00Z"


@given(st.fractions(max_denominator=1000))
def test_cents_round_half_away_from_zero(amount):
    assert abs(cents(amount) - amount) <= Fraction(1, 2)
    assert cents(-amount) == -cents(amount)


def test_decimals_have_at_least_one_place():
    assert number_text(Fraction(17)) == "17.0"
    assert number_text(Fraction(-1, 3), 5) == "-0.33333"


def test_json_is_escaped_as_rails_does():
    assert encode({"n": "é <b>&\u2028"}) == '{"n":"é \\u003cb\\u003e\\u0026\\u2028"}'.encode()
