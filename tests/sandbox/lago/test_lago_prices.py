"""Charge models and aggregations to the cent, with the amounts that real invoices had."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glue.sandbox.lago.aggregation import Units, Window, aggregate, measure
from glue.sandbox.lago.periods import Period
from glue.sandbox.lago.pricing import price
from glue.sandbox.lago.values import cents, end_of, instant, start_of

GRADUATED = {
    "graduated_ranges": [
        {"from_value": 0, "to_value": 10, "per_unit_amount": "1", "flat_amount": "0"},
        {"from_value": 11, "to_value": None, "per_unit_amount": "0.5", "flat_amount": "2"},
    ]
}
VOLUME = {
    "volume_ranges": [
        {"from_value": 0, "to_value": 100, "per_unit_amount": "1", "flat_amount": "10"},
        {"from_value": 101, "to_value": None, "per_unit_amount": "0.5", "flat_amount": "0"},
    ]
}
PACKAGE = {"package_size": 100, "amount": "5", "free_units": 50}
PERCENTAGE = {"rate": "1.5", "fixed_amount": "0.1", "free_units_per_events": 2}


def units(*values):
    total = sum((Fraction(str(value)) for value in values), Fraction(0))
    return Units(total, total, total, len(values), [Fraction(str(value)) for value in values])


@pytest.mark.parametrize(
    ("model", "properties", "values", "billed_cents"),
    [
        ("standard", {"amount": "0.0333"}, [100], 333),
        ("standard", {"amount": "0.0333"}, ["114.666"], 382),
        ("standard", {"amount": "1"}, [-4], 0),
        ("graduated", GRADUATED, [10], 1000),
        ("graduated", GRADUATED, [11], 1250),
        ("graduated", GRADUATED, [14], 1400),
        ("graduated", GRADUATED, ["114.666"], 6433),
        ("graduated", GRADUATED, [], 0),
        ("package", PACKAGE, [51], 500),
        ("package", PACKAGE, [50], 0),
        ("package", PACKAGE, [151], 1000),
        ("volume", VOLUME, [100], 11000),
        ("volume", VOLUME, ["114.666"], 5733),
        ("volume", VOLUME, [], 1000),
        ("percentage", PERCENTAGE, [10, "20.5", 30, "39.5"], 124),
        ("percentage", PERCENTAGE, [50, 50, 1, "0.333", "33.333", -20], 62),
    ],
)
def test_a_charge_costs(model, properties, values, billed_cents):
    assert cents(price(model, properties, units(*values)).amount * 100) == billed_cents


@given(st.lists(st.integers(0, 500), max_size=5), st.sampled_from(["standard", "graduated", "volume", "package", "percentage"]))
def test_more_units_of_a_model_never_make_its_price_negative(values, model):
    properties = {"standard": {"amount": "2"}, "graduated": GRADUATED, "volume": VOLUME, "package": PACKAGE, "percentage": PERCENTAGE}
    assert price(model, properties[model], units(*values)).amount >= 0


JANUARY = Period(date(2027, 1, 1), date(2027, 1, 31))
FEBRUARY = Period(date(2027, 2, 1), date(2027, 2, 28))
FROM_THE_15TH = Window(instant("2027-01-15T10:00:01Z"), end_of(date(2027, 1, 31)), JANUARY)
WHOLE_FEBRUARY = Window(start_of(date(2027, 2, 1)), end_of(date(2027, 2, 28)), FEBRUARY)
USED = [("2027-01-20T00:00:00Z", 10), ("2027-01-25T12:00:00Z", 4)]
USED_LATER = [*USED, ("2027-02-08T00:00:00Z", 7), ("2027-02-15T00:00:00Z", -3)]


def events(pairs, name="n"):
    return [{"timestamp": instant(at), "properties": {name: value}} for at, value in pairs]


def count(kind, pairs, window, *, recurring=False, prorated=False, rounding=(None, None)):
    metric = {"aggregation_type": kind, "recurring": recurring, "rounding_function": rounding[0], "rounding_precision": rounding[1]}
    return aggregate(metric, measure(kind, "n", events(pairs)), window, prorated=prorated)


@pytest.mark.parametrize(
    ("kind", "pairs", "window", "more", "shown"),
    [
        ("sum_agg", USED, FROM_THE_15TH, {}, 14),
        ("max_agg", USED, FROM_THE_15TH, {}, 10),
        ("latest_agg", USED, FROM_THE_15TH, {}, 4),
        ("latest_agg", USED_LATER, WHOLE_FEBRUARY, {}, 0),
        ("max_agg", [], FROM_THE_15TH, {}, 0),
        ("sum_agg", USED_LATER, WHOLE_FEBRUARY, {}, 4),
        ("sum_agg", USED_LATER, WHOLE_FEBRUARY, {"recurring": True}, 18),
        ("weighted_sum_agg", USED_LATER, WHOLE_FEBRUARY, {}, Fraction("3.75")),
        ("weighted_sum_agg", USED_LATER, WHOLE_FEBRUARY, {"recurring": True}, Fraction("17.75")),
        ("weighted_sum_agg", USED, FROM_THE_15TH, {}, Fraction("4.7096774193548387")),
        ("sum_agg", [("2027-01-20T00:00:00Z", "2.301")], FROM_THE_15TH, {"rounding": ("ceil", 1)}, Fraction("2.4")),
    ],
)
def test_events_become_units(kind, pairs, window, more, shown):
    assert count(kind, pairs, window, **more).shown == shown


@pytest.mark.parametrize(
    ("kind", "pairs", "window", "billed"),
    [
        ("sum_agg", USED, FROM_THE_15TH, "4.7742"),
        ("sum_agg", USED_LATER, WHOLE_FEBRUARY, "17.75"),
        ("unique_count_agg", [("2027-01-20T00:00:00Z", "x"), ("2027-01-20T00:00:00Z", "y")], FROM_THE_15TH, "0.7742"),
    ],
)
def test_prorated_units_count_from_their_day_on(kind, pairs, window, billed):
    assert count(kind, pairs, window, recurring=True, prorated=True).billed == Fraction(billed)


def test_a_removed_key_counts_for_its_last_day_too():
    rows = events([("2027-01-20T00:00:00Z", "x"), ("2027-01-20T00:00:00Z", "y"), ("2027-02-08T00:00:00Z", "z")])
    rows.append({"timestamp": instant("2027-02-14T00:00:00Z"), "properties": {"n": "y", "operation_type": "remove"}})
    metric = {"aggregation_type": "unique_count_agg", "recurring": True, "rounding_function": None, "rounding_precision": None}
    counted = aggregate(metric, measure("unique_count_agg", "n", rows), WHOLE_FEBRUARY, prorated=True)
    assert (counted.billed, counted.shown) == (Fraction("2.25"), 2)


def test_unreadable_values_are_no_events():
    pairs = [("2027-01-20T00:00:00Z", value) for value in ("1e3", None, "word", 5)]
    counted = count("sum_agg", pairs, FROM_THE_15TH)
    assert (counted.shown, counted.events_count) == (5, 1)
