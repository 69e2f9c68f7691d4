"""Periods and proration, cases read off months of the real one's billing."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glue.sandbox.lago.periods import INTERVALS, add_months, days_between, period_of
from glue.sandbox.lago.values import cents, like_a_float

DAYS = st.dates(min_value=date(2025, 1, 1), max_value=date(2032, 12, 31))


@pytest.mark.parametrize(
    ("interval", "billing_time", "anchor", "day", "first", "last"),
    [
        ("monthly", "calendar", "2027-01-15", "2027-02-10", "2027-02-01", "2027-02-28"),
        ("weekly", "calendar", "2027-01-15", "2027-01-15", "2027-01-11", "2027-01-17"),
        ("weekly", "anniversary", "2027-01-15", "2027-01-21", "2027-01-15", "2027-01-21"),
        ("quarterly", "calendar", "2027-01-15", "2027-04-11", "2027-04-01", "2027-06-30"),
        ("semiannual", "calendar", "2027-01-15", "2027-04-11", "2027-01-01", "2027-06-30"),
        ("yearly", "calendar", "2027-01-15", "2027-04-11", "2027-01-01", "2027-12-31"),
        ("yearly", "anniversary", "2027-01-15", "2027-04-11", "2027-01-15", "2028-01-14"),
        ("monthly", "anniversary", "2027-01-31", "2027-02-27", "2027-01-31", "2027-02-27"),
        ("monthly", "anniversary", "2027-01-31", "2027-02-28", "2027-02-28", "2027-03-30"),
        ("monthly", "anniversary", "2027-01-31", "2027-03-31", "2027-03-31", "2027-04-29"),
        ("monthly", "anniversary", "2026-12-20", "2027-01-19", "2026-12-20", "2027-01-19"),
    ],
)
def test_period_around_a_day(interval, billing_time, anchor, day, first, last):
    period = period_of(interval, billing_time, date.fromisoformat(anchor), date.fromisoformat(day))
    assert (period.first.isoformat(), period.last.isoformat()) == (first, last)


@given(st.sampled_from(INTERVALS), st.sampled_from(["calendar", "anniversary"]), DAYS, DAYS)
def test_periods_tile_time_without_gap_or_overlap(interval, billing_time, anchor, day):
    period = period_of(interval, billing_time, anchor, day)
    assert period.first <= day <= period.last
    assert period_of(interval, billing_time, anchor, period.last) == period
    following = period_of(interval, billing_time, anchor, period.next_first)
    assert following.first == period.last + timedelta(days=1)


@given(DAYS, st.integers(0, 48))
def test_months_are_counted_from_the_anchor(anchor, months):
    moved = add_months(anchor, months)
    assert moved.day == anchor.day or (moved + timedelta(days=1)).day == 1


@pytest.mark.parametrize(
    ("amount_cents", "first", "last", "whole_days", "billed_cents"),
    [
        (3100, "2027-01-15", "2027-01-31", 31, 1700),
        (1000, "2027-01-15", "2027-01-31", 31, 548),
        (36500, "2027-01-15", "2027-12-31", 365, 35100),
        (9000, "2027-01-15", "2027-03-31", 90, 7600),
        (18100, "2027-01-15", "2027-06-30", 181, 16700),
        (700, "2027-01-15", "2027-01-17", 7, 300),
        (3100, "2027-02-01", "2027-02-15", 28, 1661),
        (3100, "2027-02-20", "2027-02-28", 28, 996),
    ],
)
def test_first_and_last_day_count_whole(amount_cents, first, last, whole_days, billed_cents):
    days = days_between(date.fromisoformat(first), date.fromisoformat(last))
    assert cents(Fraction(amount_cents * days, whole_days)) == billed_cents


def test_a_float_is_cut_off_after_sixteen_digits():
    assert like_a_float(3100 / 28 * 15) == Fraction("1660.714285714285")
