"""Snapshots: published once, seen everywhere, bounded in memory."""

import time
from dataclasses import replace
from datetime import date, timedelta

import pytest

from glue.db import Database
from glue.errors import NotFound
from glue.meter.metering import Meter
from glue.meter.snapshots import Snapshots, license_digest

from .cast import LICENSE_KEYS, METERS, NOVEMBER, TENANTS, snapshot_of
from .conftest import NOON

ALICE, BOB = TENANTS["alice"], TENANTS["bob"]


def test_a_snapshot_survives_storing_whole(meter):
    published = meter.snapshots.get(ALICE)
    meter.snapshots._drop(ALICE)
    assert meter.snapshots.get(ALICE) == published
    assert replace(published, version=0, period=replace(published.period, quota_from=None)) == snapshot_of("alice")


def test_version_grows_with_what_changed_and_only_then(meter):
    first = meter.snapshots.get(ALICE).version
    later = NOON + timedelta(minutes=1)
    assert meter.publish(snapshot_of("alice", confirmed_at=later)).version == first
    assert meter.snapshots.get(ALICE).confirmed_at == later
    assert meter.publish(snapshot_of("alice", tier="team")).version == first + 1
    assert meter.snapshots.get(ALICE).confirmed_at == later


def test_where_limits_count_from_is_filled_in_and_kept(meter):
    assert meter.snapshots.get(ALICE).period.quota_from == date(2026, 11, 1)
    upgraded = replace(NOVEMBER, started_at=NOON, subscription_started_at=NOON)
    assert meter.publish(snapshot_of("alice", period=upgraded)).period.quota_from == date(2026, 11, 1)


def test_confirming_makes_fresh_in_memory_and_in_the_store(meter):
    later = NOON + timedelta(minutes=5)
    meter.confirm([ALICE, BOB], at=later)
    assert meter.snapshots.get(ALICE).confirmed_at == later
    meter.snapshots._drop(BOB)
    assert meter.snapshots.get(BOB).confirmed_at == later
    meter.confirm([ALICE], at=NOON)
    assert meter.snapshots.get(ALICE).confirmed_at == later


def test_a_forgotten_tenant_is_unknown_until_published_again(meter):
    version = meter.snapshots.get(ALICE).version
    meter.snapshots.forget(ALICE)
    with pytest.raises(NotFound):
        meter.snapshot_of(ALICE)
    assert meter.snapshots.tenant_by_license(license_digest(LICENSE_KEYS["alice"])) is None
    assert meter.publish(snapshot_of("alice")).version > version


def test_memory_is_bounded_and_the_rest_is_read(store, meter):
    snapshots = Snapshots(store, meter.committer, most_in_memory=1)
    snapshots.get(ALICE)
    snapshots.get(BOB)
    assert snapshots.in_memory(ALICE) is None
    assert snapshots.tenant_in_memory(license_digest(LICENSE_KEYS["alice"])) is None
    assert snapshots.get(ALICE).tenant == ALICE
    assert snapshots.all_tenants() == sorted([ALICE, BOB], key=snapshots.all_tenants().index)


@pytest.mark.postgres
def test_another_process_sees_a_publication_within_a_second(postgres_url, clock, lago):
    from .conftest import make_store

    here, there = make_store(postgres_url), Database(postgres_url, meter=True)
    ours, theirs = (Meter(database, clock=clock, meters=METERS, lago=lago) for database in (here, there))
    try:
        theirs.start(flush=False)
        ours.publish(snapshot_of("alice"))
        assert theirs.snapshot_of(ALICE).tier == "pro"
        ours.publish(snapshot_of("alice", tier="team"))
        ours.confirm([ALICE], at=NOON + timedelta(minutes=3))
        deadline = time.monotonic() + 1
        while theirs.snapshot_of(ALICE).tier != "team" or theirs.snapshot_of(ALICE).confirmed_at == NOON:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ours.snapshots.forget(ALICE)
        deadline = time.monotonic() + 1
        while theirs.snapshots.get(ALICE) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        ours.stop()
        theirs.stop()
        here.close()
        there.close()


def test_advice_follows_commits_and_expiry(meter, clock):
    assert meter.check(ALICE, "credits")["remaining"] == 50
    meter.hold(ALICE, "credits", 20, seconds=30)
    assert meter.check(ALICE, "credits")["remaining"] == 30
    clock.advance(seconds=31)
    meter.advice.refresh()
    assert meter.check(ALICE, "credits")["remaining"] == 50
