"""The work list: one row a tenant, nobody works twice, nothing is lost."""

import threading
from datetime import timedelta

from glue import dirty
from glue.rules.names import TenantId
from tests.fakes.world import SYSTEM

ALICE, BOB = TenantId("talice"), TenantId("tbob")


def _mark(world, tenant, why="hint", **options):
    with world.database.write(SYSTEM) as session:
        dirty.mark(session, tenant, why=why, now=world.clock.now(), **options)


def _claim(world):
    return dirty.claim(world.database, world.clock)


def test_many_hints_are_one_claim(both_worlds):
    for number in range(30):
        _mark(both_worlds, ALICE, f"hint {number}")
    claim = _claim(both_worlds)
    assert (claim.tenant, claim.generation, claim.why) == (ALICE, 30, "hint 29")
    assert _claim(both_worlds) is None
    dirty.finish(both_worlds.database, claim)
    assert _claim(both_worlds) is None
    assert dirty.count_due(both_worlds.database, now=both_worlds.clock.now()) == 0


def test_hint_during_the_work_keeps_the_tenant_due(both_worlds):
    _mark(both_worlds, ALICE)
    claim = _claim(both_worlds)
    _mark(both_worlds, ALICE, "newer")
    dirty.finish(both_worlds.database, claim, next_look=both_worlds.clock.now() + timedelta(days=9))
    assert _claim(both_worlds).why == "newer"


def test_mark_belongs_to_the_callers_transaction(both_worlds):
    class Crash(Exception):
        pass

    try:
        with both_worlds.database.write(SYSTEM) as session:
            dirty.mark(session, ALICE, why="never", now=both_worlds.clock.now())
            raise Crash
    except Crash:
        assert _claim(both_worlds) is None


def test_person_goes_before_a_fan_out(both_worlds):
    with both_worlds.database.write(SYSTEM) as session:
        dirty.mark_all(session, [TenantId(f"t{number:03}") for number in range(50)], why="plan.updated", now=both_worlds.clock.now())
    _mark(both_worlds, BOB, "a click", priority=dirty.Priority.PERSON)
    assert _claim(both_worlds).tenant == BOB


def test_lease_of_a_dead_worker_runs_out(both_worlds):
    _mark(both_worlds, ALICE)
    dead = _claim(both_worlds)
    both_worlds.clock.advance(seconds=121)
    alive = _claim(both_worlds)
    assert alive.tenant == ALICE
    dirty.finish(both_worlds.database, dead)
    assert dirty.count_due(both_worlds.database, now=both_worlds.clock.now()) == 1, "the dead one's word no longer counts"
    dirty.finish(both_worlds.database, alive)
    assert dirty.count_due(both_worlds.database, now=both_worlds.clock.now()) == 0


def test_failures_wait_longer_and_hints_do_not_hurry_them(world):
    waits = []
    for _ in range(5):
        _mark(world, ALICE, priority=dirty.Priority.PERSON)
        claim = _claim(world)
        due = dirty.fail(world.database, claim, now=world.clock.now())
        waits.append((due - world.clock.now()).total_seconds())
        _mark(world, ALICE, "another webhook")
        assert _claim(world) is None
    assert waits[-1] > 4 * waits[0]
    _mark(world, ALICE, "a click", priority=dirty.Priority.PERSON)
    assert _claim(world) is not None


def test_next_look_comes_by_time_alone(world):
    _mark(world, ALICE)
    dirty.finish(world.database, _claim(world), next_look=world.clock.now() + timedelta(hours=3))
    assert _claim(world) is None
    assert dirty.is_settled(world.database, ALICE, now=world.clock.now())
    world.clock.advance(hours=3)
    assert _claim(world).tenant == ALICE


def test_parallel_workers_never_share_a_tenant(both_worlds):
    names = [TenantId(f"t{number:03}") for number in range(24)]
    with both_worlds.database.write(SYSTEM) as session:
        dirty.mark_all(session, names, why="all", now=both_worlds.clock.now())
    taken, errors = [], []

    def work():
        try:
            while (claim := _claim(both_worlds)) is not None:
                taken.append(claim.tenant)
                dirty.finish(both_worlds.database, claim)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(taken) == names


def test_commit_wakes_a_waiting_worker(world):
    before = dirty.wake.wait(-1, 0)
    woken = []
    waiter = threading.Thread(target=lambda: woken.append(dirty.wake.wait(before, 5)))
    waiter.start()
    _mark(world, ALICE)
    waiter.join(2)
    assert woken == [before + 1]


def test_background_workers_converge_and_stop(world):
    tenant = world.sign_up()
    world.worker.start()
    try:
        assert dirty.wait_until_settled(world.database, world.clock, tenant, timeout_seconds=20)
    finally:
        world.worker.stop()
    assert world.snapshots[tenant].licenses[0].usable
