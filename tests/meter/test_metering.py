"""The meter over a real store: what is taken, refused, reserved, and told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from glue.errors import BadInput, Conflict, LimitReached, NotAllowed, NotFound, Unavailable
from glue.meter import tables
from glue.rules.snapshot import MeterGrant
from glue.rules.standing import Standing
from glue.rules.tiers import BlindAllowance

from .cast import DECEMBER, NOVEMBER, TENANTS, snapshot_of
from .conftest import NOON, make_store

ALICE, BOB = TENANTS["alice"], TENANTS["bob"]


def test_consume_stops_exactly_at_the_limit(meter):
    assert meter.consume(ALICE, "credits", "49.5")["remaining"] == 0.5
    with pytest.raises(LimitReached) as caught:
        meter.consume(ALICE, "credits", 1)
    fields = caught.value.fields
    assert fields == fields | {"limit": 50, "used": 49.5, "remaining": 0.5, "reason": "limit_reached", "resets_at": "2026-12-01T00:00:00Z"}
    assert meter.consume(ALICE, "credits", Decimal("0.5"))["remaining"] == 0
    assert meter.check(ALICE, "credits")["allowed"] is False


def test_another_tenant_has_its_own_count(meter):
    meter.consume(ALICE, "credits", 50)
    assert meter.consume(BOB, "credits", 50)["used"] == 50
    hold = meter.hold(ALICE, "api_calls", 1)
    with pytest.raises(NotFound):
        meter.settle(BOB, hold["id"], 1)
    with pytest.raises(NotFound):
        meter.hold_of(BOB, hold["id"])


def test_usage_is_never_refused_for_a_limit(meter):
    assert meter.record_usage(ALICE, "credits", 40)["over_limit"] is False
    answer = meter.record_usage(ALICE, "credits", 40)
    assert answer["over_limit"] is True
    assert answer["meters_over_limit"] == ["credits"]
    assert meter.usage_of(ALICE)["meters"]["credits"]["remaining"] == 0


def test_unlimited_meters_have_no_limit_to_show(meter):
    body = meter.consume(ALICE, "tokens", 10**6)
    assert body["limit"] is None
    assert body["remaining"] is None


def test_bad_standing_refuses_to_consume_but_keeps_facts(meter):
    meter.publish(snapshot_of("alice", standing=Standing.SUSPENDED, reason="Blocked."))
    with pytest.raises(NotAllowed, match="Blocked"):
        meter.consume(ALICE, "credits")
    assert meter.check(ALICE, "credits")["reason"] == "suspended"
    assert meter.record_usage(ALICE, "credits", 3)["accepted"] == 1


def test_an_unknown_tenant_has_no_meter(meter):
    with pytest.raises(NotFound):
        meter.consume("t00000000000000", "credits")


# --- holds ----------------------------------------------------------------------------------------------------------


def test_a_hold_reserves_and_its_settlement_frees_the_rest(meter):
    hold = meter.hold(ALICE, "credits", 30)
    assert hold["state"] == "open"
    with pytest.raises(LimitReached):
        meter.hold(ALICE, "credits", 21)
    settled = meter.settle(ALICE, hold["id"], 12)
    assert (settled["state"], settled["settled"], settled["used"], settled["held"]) == ("settled", 12, 12, 0)
    assert meter.settle(ALICE, hold["id"], 12)["settled"] == 12
    with pytest.raises(Conflict):
        meter.settle(ALICE, hold["id"], 13)
    assert meter.usage_of(ALICE)["meters"]["credits"]["used"] == 12


def test_an_expired_hold_returns_its_units_by_itself(meter, clock):
    hold = meter.hold(ALICE, "credits", 50, seconds=60)
    clock.advance(seconds=60)
    assert meter.hold_of(ALICE, hold["id"])["state"] == "expired"
    assert meter.consume(ALICE, "credits", 50)["remaining"] == 0


def test_a_settlement_after_expiry_is_taken_again_or_flagged_but_never_dropped(meter, clock):
    first, second = (meter.hold(ALICE, "credits", 20, seconds=10) for _ in range(2))
    clock.advance(seconds=11)
    late = meter.settle(ALICE, first["id"], 20)
    assert (late["late"], late["over_hold"]) == (True, False)
    meter.consume(ALICE, "credits", 25)
    flagged = meter.settle(ALICE, second["id"], 20)
    assert (flagged["over_hold"], flagged["used"], flagged["over_limit"]) == (True, 65, True)


def test_settling_more_than_held_takes_the_rest_if_it_is_there(meter):
    first = meter.hold(ALICE, "credits", 10)
    assert meter.settle(ALICE, first["id"], 30)["over_hold"] is False
    second = meter.hold(ALICE, "credits", 10)
    assert meter.settle(ALICE, second["id"], 25)["over_hold"] is True


def test_a_hold_may_be_settled_in_parts(meter):
    hold = meter.hold(ALICE, "credits", 30)
    part = meter.settle(ALICE, hold["id"], 10, close=False, key="step-1")
    assert (part["state"], part["units"], part["held"], part["used"]) == ("open", 20, 20, 10)
    assert meter.settle(ALICE, hold["id"], 10, close=False, key="step-1") == part
    last = meter.settle(ALICE, hold["id"], 5)
    assert (last["state"], last["settled"], last["used"], last["held"]) == ("settled", 15, 15, 0)


def test_renewing_keeps_or_takes_again(meter, clock):
    hold = meter.hold(ALICE, "credits", 30, seconds=10)
    clock.advance(seconds=5)
    assert meter.renew(ALICE, hold["id"], seconds=60)["expires_at"] == "2026-11-24T12:01:05Z"
    clock.advance(seconds=61)
    assert meter.renew(ALICE, hold["id"], seconds=10)["state"] == "open"
    clock.advance(seconds=11)
    meter.consume(ALICE, "credits", 40)
    with pytest.raises(LimitReached):
        meter.renew(ALICE, hold["id"])


def test_releasing_gives_back_once(meter):
    hold = meter.hold(ALICE, "credits", 50)
    assert meter.release(ALICE, hold["id"])["state"] == "released"
    assert meter.release(ALICE, hold["id"])["state"] == "released"
    assert meter.consume(ALICE, "credits", 50)["remaining"] == 0
    with pytest.raises(Conflict):
        meter.settle(ALICE, hold["id"], 1)
    with pytest.raises(Conflict):
        meter.renew(ALICE, hold["id"])


def test_only_meters_that_add_up_can_be_held(meter):
    with pytest.raises(BadInput, match="cannot be held"):
        meter.hold(ALICE, "disk", 1)


def test_holds_reach_over_the_end_of_a_period(meter, clock):
    clock.advance(days=6, hours=11, minutes=59)
    meter.publish(snapshot_of("alice", confirmed_at=clock.now()))
    hold = meter.hold(ALICE, "credits", 30, seconds=600)
    clock.advance(minutes=5)
    assert meter.check(ALICE, "credits")["used"] == 0
    with pytest.raises(LimitReached):
        meter.consume(ALICE, "credits", 21)
    assert meter.settle(ALICE, hold["id"], 30)["used"] == 30


# --- repetition -----------------------------------------------------------------------------------------------------


def test_the_same_key_gets_the_same_answer(meter):
    first = meter.consume(ALICE, "credits", 5, key="job-1")
    meter.consume(ALICE, "credits", 5)
    assert meter.consume(ALICE, "credits", 5, key="job-1") == first
    with pytest.raises(Conflict):
        meter.consume(ALICE, "credits", 6, key="job-1")
    assert meter.consume(BOB, "credits", 5, key="job-1")["used"] == 5
    assert meter.usage_of(ALICE)["meters"]["credits"]["used"] == 10


def test_a_fact_with_a_known_key_is_not_counted_again(meter):
    assert meter.record_usage(ALICE, "credits", 5, key="event-1")["accepted"] == 1
    assert meter.record_usage(ALICE, "credits", 5, key="event-1") == {
        "accepted": 0, "duplicates": 1, "over_limit": False, "meters_over_limit": [],
    }  # fmt: skip
    with pytest.raises(Conflict):
        meter.record_usage(ALICE, "credits", 6, key="event-1")
    assert meter.usage_of(ALICE)["meters"]["credits"]["used"] == 5


def test_answers_are_forgotten_after_three_days_and_not_before(meter, clock):
    first = meter.consume(ALICE, "credits", 5, key="job-1")
    clock.advance(hours=71)
    meter.forget_old()
    assert meter.consume(ALICE, "credits", 5, key="job-1") == first
    clock.advance(hours=2)
    meter.forget_old()
    meter.publish(snapshot_of("alice", confirmed_at=clock.now()))
    assert meter.consume(ALICE, "credits", 5, key="job-1")["used"] == 10


# --- plans ----------------------------------------------------------------------------------------------------------


def test_an_upgrade_in_mid_period_does_not_reset_the_count(meter, clock):
    meter.consume(ALICE, "credits", 40)
    upgraded_at = clock.now()
    row = replace(NOVEMBER, subscription_lago_id="lago-row-2", started_at=upgraded_at, subscription_started_at=upgraded_at)
    meter.publish(snapshot_of("alice", period=row, meters={"credits": MeterGrant(70, hard=True)}))
    assert meter.check(ALICE, "credits")["used"] == 40
    assert meter.consume(ALICE, "credits", 30)["remaining"] == 0


def test_a_new_period_starts_at_zero(meter, clock):
    meter.consume(ALICE, "credits", 50)
    clock.advance(days=8)
    meter.publish(snapshot_of("alice", period=DECEMBER, confirmed_at=clock.now()))
    assert meter.consume(ALICE, "credits", 50)["resets_at"] == "2027-01-01T00:00:00Z"


def test_prepaid_balance_covers_used_reserved_and_asked(meter):
    prepaid = {"prepaid_balance_cents": 1000, "unbilled_since": datetime(2026, 10, 1, tzinfo=UTC)}
    meter.publish(snapshot_of("alice", **prepaid))
    meter.consume(ALICE, "credits", 10)
    meter.hold(ALICE, "credits", 6)
    with pytest.raises(LimitReached) as caught:
        meter.consume(ALICE, "credits", 5)
    assert caught.value.fields["reason"] == "prepaid_exhausted"
    assert meter.consume(ALICE, "credits", 4)["used"] == 14
    assert meter.consume(ALICE, "api_calls", 100)["used"] == 100


def test_prepaid_balance_also_pays_what_was_used_before_and_is_not_invoiced(meter, clock):
    meter.consume(ALICE, "credits", 15)
    clock.advance(days=8)
    prepaid = {"prepaid_balance_cents": 1000, "period": DECEMBER, "confirmed_at": clock.now()}
    meter.publish(snapshot_of("alice", **prepaid, unbilled_since=datetime(2026, 11, 1, tzinfo=UTC)))
    with pytest.raises(LimitReached):
        meter.consume(ALICE, "credits", 6)
    meter.publish(snapshot_of("alice", **prepaid, unbilled_since=datetime(2026, 12, 1, tzinfo=UTC)))
    assert meter.consume(ALICE, "credits", 6)["used"] == 6


def test_blind_allowance_is_exact_and_ends(meter, clock):
    grant = MeterGrant(50, hard=True, blind=BlindAllowance(units=5, minutes=15))
    meter.publish(snapshot_of("alice", meters={"credits": grant}))
    meter.consume(ALICE, "credits", 20)
    clock.advance(minutes=11)
    meter.consume(ALICE, "credits", 5)
    with pytest.raises(Unavailable):
        meter.consume(ALICE, "credits", 1)
    meter.confirm([ALICE], at=clock.now())
    assert meter.consume(ALICE, "credits", 1)["used"] == 26


def test_blind_deny_answers_that_it_cannot_know(meter, clock):
    clock.advance(minutes=10)
    with pytest.raises(Unavailable):
        meter.consume(ALICE, "credits")
    assert meter.check(ALICE, "credits")["reason"] == "blind"
    assert meter.check(ALICE, "tokens")["allowed"] is True
    assert meter.record_usage(ALICE, "credits", 1)["accepted"] == 1


# --- reading --------------------------------------------------------------------------------------------------------


def test_charts_show_days_and_dimensions(meter, clock):
    meter.record_usage(ALICE, "credits", 3, dimensions={"agent": "writer"})
    meter.record_usage(ALICE, "credits", 4, dimensions={"agent": "tester"}, occurred_at=NOON - timedelta(days=1))
    meter.record_usage(ALICE, "credits", 5)
    meter.record_usage(BOB, "credits", 50)
    days = meter.usage_by_day(ALICE, "credits", since=NOON - timedelta(days=7))
    assert [(day.day, day.units, day.events) for day in days] == [("2026-11-23", 4, 1), ("2026-11-24", 8, 2)]
    by_agent = meter.usage_by_day(ALICE, "credits", since=NOON, dimension="agent")
    assert [(day.value, day.units) for day in by_agent] == [("", 5), ("writer", 3)]


def test_days_of_a_maximum_show_the_maximum(meter):
    for people in (3, 5, 4):
        meter.record_usage(ALICE, "seats", people)
    assert [day.units for day in meter.usage_by_day(ALICE, "seats", since=NOON)] == [5]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": "2026-11-24T12:00:00"}, "occurred_at"),
        ({"occurred_at": "2026-11-24T12:06:00Z"}, "occurred_at"),
        ({"occurred_at": "2024-11-24T12:06:00Z"}, "occurred_at"),
        ({"occurred_at": 1764000000}, "occurred_at"),
        ({"key": ""}, "key"),
        ({"key": "with space"}, "key"),
        ({"dimensions": []}, "dimensions"),
        ({"dimensions": {"a b": "x"}}, "dimensions.a b"),
        ({"dimensions": {"agent": ""}}, "dimensions.agent"),
        ({"dimensions": {"agent": "a\nb"}}, "dimensions.agent"),
        ({"dimensions": {"agent": {}}}, "dimensions.agent"),
        ({"dimensions": {f"d{n}": "x" for n in range(13)}}, "dimensions"),
        ({"unit": 1}, "unit"),
        ({"units": "1e3"}, "units"),
        ({"meter": "calls"}, "meter"),
        ({"meter": ["credits"]}, "meter"),
    ],
)
def test_unusable_facts_name_their_field(meter, body, field):
    snapshot = meter.snapshot_of(ALICE)
    with pytest.raises(BadInput) as caught:
        meter.orders.record(snapshot, [{"meter": "credits"} | body], who={})
    assert caught.value.fields["field"] == field
    with pytest.raises(BadInput) as caught:
        meter.orders.record(snapshot, [{"meter": "credits"}, {"meter": "credits"} | body], who={})
    assert caught.value.fields["field"] == f"1.{field}"


def test_what_was_said_of_a_hold_is_said_of_its_usage(meter):
    hold = meter.hold(ALICE, "tokens", 5, dimensions={"agent": "writer", "model": "small"})
    meter.settle(ALICE, hold["id"], 5, dimensions={"model": "large"})
    for dimension, value in (("agent", "writer"), ("model", "large")):
        assert [day.value for day in meter.usage_by_day(ALICE, "tokens", since=NOON, dimension=dimension)] == [value]
    assert meter.flush._read()[0].dimensions == '{"model":"large"}'


def test_an_erased_tenant_leaves_bare_units(meter, store):
    meter.record_usage(ALICE, "credits", 3, key="k", dimensions={"member": "anna"})
    meter.consume(ALICE, "credits", 1, key="r", dimensions={"member": "anna"})
    meter.hold(ALICE, "credits", 1, dimensions={"member": "anna"})
    meter.record_usage(BOB, "credits", 3, dimensions={"member": "bert"})
    meter.erase(ALICE)
    with pytest.raises(NotFound):
        meter.snapshot_of(ALICE)
    with store.engine.connect() as connection:
        for table in (tables.JOURNAL, tables.DAYS, tables.HOLDS, tables.ANSWERS, tables.SNAPSHOTS):
            assert not [row for row in connection.execute(sa.select(table)) if "anna" in str(row)]
        assert connection.scalar(sa.select(sa.func.sum(tables.JOURNAL.c.units)).where(tables.JOURNAL.c.tenant_id == ALICE)) == 4_000_000
    assert meter.usage_by_day(BOB, "credits", since=NOON, dimension="member")[0].value == "bert"


def test_old_holds_are_forgotten(meter, clock):
    hold = meter.hold(ALICE, "credits", 1)
    clock.advance(days=89)
    meter.forget_old()
    assert meter.hold_of(ALICE, hold["id"])["state"] == "expired"
    clock.advance(days=2)
    meter.forget_old()
    with pytest.raises(NotFound):
        meter.hold_of(ALICE, hold["id"])


def test_the_work_lists_are_found_by_their_index(sqlite_url):
    store = make_store(sqlite_url)
    queries = {
        "folds_open": sa.select(tables.FOLDS).where(tables.in_state(tables.FOLDS, "open")),
        "folds_sending": sa.select(tables.FOLDS).where(tables.in_state(tables.FOLDS, "sending")).order_by(tables.FOLDS.c.created_at),
        "folds_stranded": sa.select(tables.FOLDS).where(tables.in_state(tables.FOLDS, "stranded")),
        "holds_open": sa.select(tables.HOLDS.c.units).where(
            tables.in_state(tables.HOLDS, "open"), tables.HOLDS.c.expires_at > 1, tables.HOLDS.c.tenant_id.in_([ALICE, BOB])
        ),
        "journal_key": sa.select(tables.JOURNAL.c.units).where(tables.JOURNAL.c.key.in_(["a", "b"])),
    }
    with store.engine.connect() as connection:
        for index, query in queries.items():
            text = str(query.compile(store.engine, compile_kwargs={"render_postcompile": True})).replace("meter.", "")
            names = query.compile(store.engine, compile_kwargs={"render_postcompile": True}).positiontup or []
            plan = connection.exec_driver_sql(f"explain query plan {text}", tuple(1 for _ in names)).all()
            assert any(index in str(row) for row in plan), plan
    store.close()
