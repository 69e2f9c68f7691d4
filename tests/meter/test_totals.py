"""What Lago shows is compared with what was sent."""

import pytest

from .cast import NOVEMBER, TENANTS, snapshot_of
from .test_flush import at, rounds

ALICE, BOB = TENANTS["alice"], TENANTS["bob"]


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


def test_totals_are_compared_with_lago(meter, clock, lago):
    lago.span = (NOVEMBER.started_at, at("2026-11-30T23:59:59"))
    meter.record_usage(ALICE, "tokens", 10)
    rounds(meter, clock)
    assert meter.compare_with_lago(ALICE) == []
    event = next(iter(lago.events.values()))
    event.properties["units"] = "9"
    assert meter.compare_with_lago(ALICE) == []  # perhaps not digested yet
    clock.advance(minutes=3)
    (difference,) = meter.compare_with_lago(ALICE)
    assert (difference.meter, difference.ours, difference.theirs) == ("tokens", 10, 9)
    event.properties["units"] = "11"
    assert meter.compare_with_lago(ALICE)[0].theirs == 11
    assert meter.compare_with_lago("t00000000000000") == []


def test_everybody_is_looked_at_daily_and_in_the_last_hour(meter, clock, lago):
    lago.span = (NOVEMBER.started_at, at("2026-11-30T23:59:59"))
    looked = []
    lago.current_usage = lambda customer, _subscription: looked.append(customer)
    for _ in range(4):
        meter.totals.look_at_next()
    assert sorted(looked) == sorted([ALICE, BOB])
    clock.advance(days=1)
    for _ in range(4):
        meter.totals.look_at_next()
    assert len(looked) == 4
    clock.advance(days=5, hours=11, minutes=10)
    for _ in range(4):
        meter.totals.look_at_next()
    assert len(looked) == 6
    for name in ("alice", "bob"):
        meter.publish(snapshot_of(name, period=None, confirmed_at=clock.now()))
    clock.advance(hours=1)
    meter.totals.look_at_next()
    assert len(looked) == 6


def test_findings_stay_until_they_are_gone(meter, clock, lago):
    lago.span = (NOVEMBER.started_at, at("2026-11-30T23:59:59"))
    meter.record_usage(ALICE, "tokens", 10)
    rounds(meter, clock)
    event = next(iter(lago.events.values()))
    event.properties["units"] = "9"
    clock.advance(minutes=3)
    for _ in range(2):
        meter.totals.look_at_next()
    assert [one.theirs for one in meter.totals.differences[ALICE]] == [9]
    event.properties["units"] = "10"
    clock.advance(days=1)
    for _ in range(2):
        meter.totals.look_at_next()
    assert meter.totals.differences == {}


def test_nothing_is_compared_without_a_period_or_subscription(meter, lago):
    lago.current_usage = lambda _customer, _subscription: None
    assert meter.compare_with_lago(ALICE) == []
    meter.publish(snapshot_of("alice", period=None))
    assert meter.compare_with_lago(ALICE) == []
    assert meter.compare_with_lago("t00000000000000") == []


def test_a_lago_that_is_away_is_asked_again(meter, lago):
    from glue.errors import UpstreamUnavailable

    asked = []

    def down(customer, _subscription):
        asked.append(customer)
        raise UpstreamUnavailable("lago does not answer", upstream="lago", operation="current_usage")

    lago.current_usage = down
    for _ in range(4):
        meter.totals.look_at_next()
    assert len(asked) == 4
    assert meter.totals.differences == {}
