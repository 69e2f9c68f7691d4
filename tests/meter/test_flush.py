"""Usage on its way to Lago: nothing lost, nothing doubled, nothing where Lago would not bill it."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from glue.clock import FixedClock
from glue.meter.flush import EVENTS_PER_SECOND
from glue.meter.metering import Meter
from glue.rules.standing import Standing

from .cast import DECEMBER, METERS, NOVEMBER, TENANTS, snapshot_of
from .conftest import NOON, make_store
from .lago import Row, StatefulLago

ALICE, BOB = TENANTS["alice"], TENANTS["bob"]
SUB = f"sub-{ALICE}"


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def rounds(meter, clock, number=3):
    """Let the regular sending run as in so many seconds."""
    sent = 0
    for _ in range(number):
        clock.advance(seconds=1)
        meter.flush._budget = 100
        sent += meter.flush.step()
    return sent


def test_many_facts_become_one_event_with_their_sum(meter, clock, lago):
    for number in range(20):
        meter.record_usage(ALICE, "tokens", "0.1", dimensions={"agent": f"a{number}"})
    meter.record_usage(BOB, "tokens", 7)
    assert rounds(meter, clock) == 2
    event = next(event for event in lago.events.values() if event.subscription_external_id == SUB)
    assert event.properties == {"units": "2"}
    assert (event.code, event.timestamp) == ("tokens", NOON)
    assert rounds(meter, clock) == 0


def test_priced_dimensions_stay_apart(meter, clock, lago):
    for model in ("small", "large", "small"):
        meter.record_usage(ALICE, "tokens", 5, dimensions={"model": model, "agent": "writer"})
    rounds(meter, clock)
    assert sorted((event.properties["model"], event.properties["units"]) for event in lago.events.values()) == [
        ("large", "5"),
        ("small", "10"),
    ]


def test_maxima_and_latest_are_sent_as_one_value_in_their_own_field(meter, clock, lago):
    for value in (3, 9, 4):
        meter.record_usage(ALICE, "seats", value)
        meter.record_usage(ALICE, "disk", value)
    rounds(meter, clock)
    assert {event.code: event.properties for event in lago.events.values()} == {"seats": {"units": "9"}, "disk": {"gigabytes": "4"}}


def test_usage_waits_for_its_window_and_the_window_grows_with_the_load(meter, clock, lago):
    meter.record_usage(ALICE, "tokens", 1)
    meter.flush.step()
    assert not lago.events
    for number in range(EVENTS_PER_SECOND * 3):
        meter.record_usage(ALICE, "tokens", 1, dimensions={"model": f"m{number}"})
    clock.advance(seconds=2)
    meter.flush.step()
    assert not lago.events  # 121 folds waiting: three seconds until each is sent
    clock.advance(seconds=2)
    meter.flush.step()
    assert sum(lago.batches) == 100


def test_lago_gets_no_more_than_it_digests(meter, clock, lago):
    for number in range(300):
        meter.record_usage(ALICE, "tokens", 1, dimensions={"model": f"m{number}"})
    clock.advance(seconds=30)
    started = meter.flush._budget_at = time.monotonic()
    meter.flush._budget = 0
    while time.monotonic() < started + 0.5:
        meter.flush.step()
    assert 1 <= sum(lago.batches) <= EVENTS_PER_SECOND * (time.monotonic() - started) + 1


def test_a_lost_answer_is_repeated_under_the_same_id(meter, clock, lago):
    meter.record_usage(ALICE, "tokens", 5)
    lago.troubles = ["cut", "down"]
    rounds(meter, clock, 2)
    assert len(lago.events) == 1
    meter.record_usage(ALICE, "tokens", 7)
    meter.flush._silent_until = 0
    rounds(meter, clock, 1)
    meter.flush._silent_until = 0
    rounds(meter, clock, 2)
    assert lago.total("tokens") == 12
    assert meter.flush_now(ALICE)


@pytest.mark.parametrize("point", ["frozen", "sent"])
def test_a_crash_at_any_point_neither_loses_nor_doubles(database_url, clock, lago, point):
    store = make_store(database_url)
    before = Meter(store, clock=clock, meters=METERS, lago=lago)
    before.publish(snapshot_of("alice"))
    before.record_usage(ALICE, "tokens", 5)
    clock.advance(seconds=2)
    due = before.flush._due()
    before.flush._freeze(due)
    if point == "sent":  # the answer came, and the process died before it wrote that down
        lago.send_events([before.flush._event(fold) for fold in before.flush._read()])
    before.stop()
    after = Meter(store, clock=clock, meters=METERS, lago=lago)
    after.record_usage(ALICE, "tokens", 7)
    rounds(after, clock)
    assert lago.total("tokens") == 12
    assert after.flush_now(ALICE)
    after.stop()
    store.close()


def test_an_event_that_lago_cannot_take_does_not_stop_the_others(meter, clock, lago):
    lago.refuses = {"seats"}
    for code in ("tokens", "seats", "disk", "credits"):
        meter.record_usage(ALICE, code, 1)
    rounds(meter, clock)
    assert {event.code for event in lago.events.values()} == {"tokens", "disk", "credits"}
    (stranded,) = meter.flush.stranded(ALICE)
    assert (stranded.meter, stranded.units, stranded.events) == ("seats", 1, 1)
    assert "refused" in stranded.reason
    meter.flush.bill_stranded(stranded.fold_id, reference="INV-1")
    assert meter.flush.stranded() == []


def test_a_wrong_key_strands_nothing(meter, clock, lago):
    lago.troubles = ["key"]
    meter.record_usage(ALICE, "tokens", 1)
    rounds(meter, clock)
    assert meter.flush.stranded() == []
    meter.flush._silent_until = 0
    assert rounds(meter, clock) == 1


# --- plan changes ---------------------------------------------------------------------------------------------------


def test_an_upgrade_loses_no_usage_around_it(meter, clock, lago):
    lago.rows[SUB] = [Row(NOVEMBER.subscription_started_at)]
    meter.record_usage(ALICE, "tokens", 1)
    meter.fence(ALICE)
    clock.advance(seconds=1)
    meter.record_usage(ALICE, "tokens", 2)
    assert meter.flush_now(ALICE)
    meter.record_usage(ALICE, "tokens", 4)
    assert rounds(meter, clock) == 0
    clock.advance(seconds=1)
    changed_at = clock.now() + timedelta(milliseconds=117)
    lago.rows[SUB][0].ended_at = changed_at
    lago.rows[SUB].append(Row(changed_at))
    meter.unfence(ALICE)
    assert rounds(meter, clock) == 0  # the snapshot does not know the new row yet
    row = replace(NOVEMBER, subscription_external_id=SUB, subscription_started_at=changed_at, started_at=changed_at)
    meter.publish(snapshot_of("alice", period=row, confirmed_at=clock.now()))
    meter.record_usage(ALICE, "tokens", 8)
    rounds(meter, clock)
    assert lago.total("tokens") == 15
    assert lago.lost == []


def test_a_fence_of_a_dead_process_ends(meter, clock, lago):
    meter.fence(ALICE)
    meter.record_usage(ALICE, "tokens", 1)
    clock.advance(minutes=15, seconds=1)
    assert rounds(meter, clock) == 0
    meter.confirm([ALICE], at=clock.now())
    assert rounds(meter, clock) == 1


def test_flush_now_says_no_when_lago_is_down(meter, clock, lago):
    meter.record_usage(ALICE, "tokens", 1)
    lago.troubles = ["down"]
    assert not meter.flush_now(ALICE)
    assert meter.flush_now(ALICE)
    assert meter.flush_now(BOB)


def test_usage_after_the_end_is_stranded_not_lost(meter, clock, lago):
    meter.record_usage(ALICE, "tokens", 3)
    meter.publish(snapshot_of("alice", standing=Standing.CANCELED, period=None, confirmed_at=clock.now()))
    rounds(meter, clock)
    assert [(entry.units, entry.tenant) for entry in meter.flush.stranded()] == [(3, ALICE)]
    assert not lago.events


def test_a_doubtful_event_of_an_invoiced_period_is_looked_up_before_it_moves(meter, clock, lago):
    meter.record_usage(ALICE, "tokens", 3)
    meter.record_usage(BOB, "tokens", 5)
    clock.advance(seconds=2)
    meter.flush._freeze(meter.flush._due())
    ours = next(fold for fold in meter.flush._read() if fold.tenant_id == ALICE)
    lago.send_events([meter.flush._event(ours)])
    now = clock.now()
    for row_start in (now + timedelta(seconds=5),):  # meanwhile both were upgraded
        for name in ("alice", "bob"):
            row = replace(
                NOVEMBER, subscription_external_id=f"sub-{TENANTS[name]}", subscription_started_at=row_start, started_at=row_start
            )
            meter.publish(snapshot_of(name, period=row, confirmed_at=row_start))
    clock.advance(seconds=10)
    rounds(meter, clock)
    assert lago.total("tokens") == 8
    bobs = next(event for event in lago.events.values() if event.subscription_external_id == f"sub-{BOB}")
    assert bobs.timestamp == now + timedelta(seconds=5)


# --- the end of a period --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("swap_at", "announced", "lag_seconds", "late_seconds"),
    [
        (None, False, 0, 0),
        (None, False, 600, 240),
        (None, False, 0, 660),
        ("2026-12-01T00:10:02.5", False, 0, 0),
        ("2026-12-01T00:10:02.5", True, 90, 45),
        ("2026-12-01T00:10:02.5", True, 600, 900),
        ("2026-12-01T00:24:00", True, 0, 45),
    ],
)
def test_usage_around_a_periods_end_is_all_billed(sqlite_url, swap_at, announced, lag_seconds, late_seconds):
    """A fact every half minute around midnight, some reported late, snapshots that lag, with or without a swap of rows."""
    clock = FixedClock(at("2026-11-30T23:56:00"))
    lago = StatefulLago(clock)
    lago.rows[SUB] = [Row(NOVEMBER.subscription_started_at)]
    store = make_store(sqlite_url)
    meter = Meter(store, clock=clock, meters=METERS, lago=lago)
    midnight, swap = at("2026-12-01T00:00:00"), at(swap_at or "2027-01-01T00:00:00")
    november = replace(NOVEMBER, subscription_external_id=SUB, downgrade_waiting=announced)
    december = replace(DECEMBER, subscription_external_id=SUB, downgrade_waiting=announced)
    swapped = replace(december, subscription_started_at=swap, started_at=swap, downgrade_waiting=False)
    meter.publish(snapshot_of("alice", period=november, confirmed_at=clock.now()))
    facts, unreported = 0, []
    while clock.now() < at("2026-12-01T01:30:00"):
        clock.advance(seconds=30 if clock.now() < at("2026-12-01T00:30:00") else 300)
        now = clock.now()
        if now >= midnight + timedelta(minutes=10):
            lago.invoiced_until[SUB] = midnight
        if now >= swap and len(lago.rows[SUB]) == 1:
            lago.rows[SUB] = [Row(NOVEMBER.subscription_started_at, midnight), Row(swap)]
            lago.lost += [event.transaction_id for event in lago.events.values() if midnight <= event.timestamp < swap]
        seen = now - timedelta(seconds=lag_seconds)
        if now.second == 0:
            period = november if seen < midnight else swapped if seen >= swap else december
            meter.publish(snapshot_of("alice", period=period, confirmed_at=seen))
        if now < at("2026-12-01T00:30:00"):
            unreported.append(now)
        while unreported and unreported[0] + timedelta(seconds=late_seconds) <= now:
            meter.record_usage(ALICE, "tokens", "0.000001", occurred_at=unreported.pop(0))
            facts += 1
        meter.flush._budget = 100
        meter.flush.step()
    meter.stop()
    store.close()
    assert not unreported
    assert lago.total("tokens") == Decimal(facts) / 1_000_000
    assert lago.lost == []
    assert not [event for event in lago.events.values() if midnight <= event.timestamp < midnight + timedelta(minutes=10)]
    assert all(re.fullmatch(r"\d+(\.\d+)?", event.properties["units"]) for event in lago.events.values())


def test_the_last_minutes_of_a_period_do_not_wait_for_a_window(meter, clock, lago):
    clock.advance(days=6, hours=11, minutes=57)
    meter.publish(snapshot_of("alice", confirmed_at=clock.now()))
    for number in range(90):
        meter.record_usage(ALICE, "tokens", 1, dimensions={"model": f"m{number}"})
    clock.advance(seconds=1)
    meter.flush.step()
    assert sum(lago.batches) == 90


# --- proof ----------------------------------------------------------------------------------------------------------


def test_an_invoice_line_leads_back_to_every_fact(meter, clock, lago):
    hold = meter.hold(ALICE, "credits", 10)
    meter.settle(ALICE, hold["id"], 4, dimensions={"agent": "writer"})
    meter.record_usage(ALICE, "credits", 2, key="fact-2")
    rounds(meter, clock)
    meter.record_usage(ALICE, "credits", 50)
    rounds(meter, clock)
    folds = meter.trace_line(ALICE, "credits", from_at=NOVEMBER.started_at, to_at=at("2026-11-30T23:59:59"))
    assert sum(fold.units for fold in folds) == 56
    assert {fold.transaction_id for fold in folds} == set(lago.events)
    first = folds[0]
    assert [(fact.units, fact.hold_id, fact.key) for fact in first.facts] == [(4, hold["id"], None), (2, None, "fact-2")]
    assert first.facts[0].dimensions == {"agent": "writer"}
    assert folds[1].facts[0].flag == "over_limit"
    assert meter.trace_line(BOB, "credits", from_at=NOVEMBER.started_at, to_at=NOON) == []


def test_it_runs_by_itself(meter, lago, clock):
    meter.record_usage(ALICE, "tokens", 5)
    clock.advance(seconds=5)
    meter.start()
    deadline = time.monotonic() + 5
    while not lago.events:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    meter.stop()
    assert lago.total("tokens") == 5


@pytest.mark.postgres
def test_only_one_process_does_the_regular_sending(postgres_url, clock, lago):
    import sqlalchemy as sa

    store = make_store(postgres_url)
    meter = Meter(store, clock=clock, meters=METERS, lago=lago)
    meter.publish(snapshot_of("alice"))
    meter.record_usage(ALICE, "tokens", 5)
    with store.engine.connect() as other:
        assert other.scalar(sa.text("select pg_try_advisory_xact_lock(7265)"))
        assert rounds(meter, clock) == 0
    assert rounds(meter, clock) == 1
    meter.stop()
    store.close()
