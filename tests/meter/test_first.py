from decimal import Decimal

import pytest

from glue.errors import LimitReached

from .cast import TENANTS

ALICE = TENANTS["alice"]


def test_consume_stops_at_the_limit(meter):
    assert meter.consume(ALICE, "credits", 30)["remaining"] == 20
    with pytest.raises(LimitReached):
        meter.consume(ALICE, "credits", 21)
    hold = meter.hold(ALICE, "credits", 20)
    with pytest.raises(LimitReached):
        meter.consume(ALICE, "credits", Decimal("0.5"))
    assert meter.check(ALICE, "credits")["remaining"] == 0
    settled = meter.settle(ALICE, hold["id"], 5)
    assert settled["used"] == 35
    assert meter.check(ALICE, "credits")["remaining"] == 15
    print(meter.usage_of(ALICE), meter.usage_by_day if 0 else "")
