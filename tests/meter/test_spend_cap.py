"""A customer's own cap on what usage may cost in a period."""

from decimal import Decimal

import pytest

from glue.errors import LimitReached
from glue.meter.books import Books
from glue.meter.terms import terms_of
from glue.meter.units import ONE
from glue.rules.prices import free_units
from tests.meter.cast import METERS, NOVEMBER, snapshot_of

PRICES = {"credits": Decimal("0.5"), "api_calls": Decimal("0.1")}


def _asked(used_credits, units, *, meter="credits", cap=1000, held=0):
    snapshot = snapshot_of("alice", spend_cap_cents=cap, unit_prices=PRICES, free_units={"credits": 10})
    terms = terms_of(snapshot, METERS.get(meter), now=NOVEMBER.started_at)
    books = Books(now=0)
    books.counters[terms.tenant, "credits", terms.period] = used_credits * ONE
    books.held[terms.tenant, "credits"] = held * ONE, 1
    return books, terms, units * ONE


@pytest.mark.parametrize(
    ("used", "units", "held", "reason"),
    [
        (0, 30, 0, ""),
        (0, 31, 0, "spend_cap"),
        (29, 1, 0, ""),
        (29, 1, 1, "spend_cap"),
        (30, 1, 0, "spend_cap"),
        (49, 9, 0, "limit_reached"),
    ],
)
def test_work_that_would_cost_more_than_the_cap_is_refused(used, units, held, reason):
    books, terms, units = _asked(used, units, held=held)
    assert books.lacking(terms, units) == reason


def test_refusal_says_whose_cap_it_is_and_how_to_raise_it():
    books, terms, units = _asked(30, 1)
    with pytest.raises(LimitReached, match="spend cap on the usage page") as raised:
        books.demand(terms, units)
    assert raised.value.fields["reason"] == "spend_cap"


def test_other_meters_count_too_and_what_the_plan_includes_goes_on():
    books, terms, units = _asked(30, 1, meter="api_calls")
    assert books.lacking(terms, units) == "spend_cap", "ten dollars went into credits"
    books, terms, units = _asked(30, 1, meter="disk")
    assert books.lacking(terms, units) == "", "it costs nothing"
    books, terms, units = _asked(5, 5, cap=0)
    assert books.lacking(terms, units) == "", "it is included"


def test_free_units_of_declared_plans():
    charges = [
        {"billable_metric_code": "a", "charge_model": "package", "properties": {"package_size": 10, "free_units": 30, "amount": "1"}},
        {
            "billable_metric_code": "b",
            "charge_model": "graduated",
            "properties": {"graduated_ranges": [{"to_value": 100, "per_unit_amount": "0"}]},
        },
        {
            "billable_metric_code": "c",
            "charge_model": "graduated",
            "properties": {"graduated_ranges": [{"to_value": 9, "per_unit_amount": "1"}]},
        },
        {"billable_metric_code": "d", "charge_model": "standard", "properties": {"amount": "1"}},
    ]
    assert free_units({"charges": charges}) == {"a": 30, "b": 100}
