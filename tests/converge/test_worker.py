"""The loop goes on: over upstreams that fail, chores that fail, and our own mistakes."""

import threading

import pytest

from glue import dirty
from glue.converge.run import Outcome
from glue.converge.worker import Chore, Worker
from glue.errors import Unavailable
from glue.rules.names import TenantId
from tests.fakes.world import SYSTEM

ALICE, BOB = TenantId("talice"), TenantId("tbob")


def _mark(world, *tenants):
    with world.database.write(SYSTEM) as session:
        dirty.mark_all(session, list(tenants), why="hint", now=world.clock.now())


def test_failing_chore_does_not_stop_the_others(world):
    done = []

    def fails():
        raise Unavailable("not now")

    worker = Worker(world.database, world.clock, world.converge, chores=[Chore("a", 1, fails), Chore("b", 1, lambda: done.append("b"))])
    worker.run_chores()
    assert done == ["b"]


def test_chore_is_done_by_one_thread_at_a_time(world):
    entered, leave, count = threading.Event(), threading.Event(), []

    def slow():
        count.append(1)
        entered.set()
        leave.wait(5)

    worker = Worker(world.database, world.clock, world.converge, chores=[Chore("slow", 1, slow)])
    first = threading.Thread(target=worker.run_chores)
    first.start()
    entered.wait(5)
    worker.run_chores()
    leave.set()
    first.join()
    assert len(count) == 1


def test_background_chores_repeat_even_after_a_crash(world):
    runs = threading.Semaphore(0)

    def crashes():
        runs.release()
        raise ZeroDivisionError

    worker = Worker(world.database, world.clock, world.converge, chores=[Chore("crashes", 0.01, crashes)], threads=1)
    worker.start()
    try:
        assert runs.acquire(timeout=5)
        assert runs.acquire(timeout=5)
    finally:
        worker.stop()


def test_error_of_ours_makes_the_tenant_wait(world):
    def converge(tenant, *, hint):
        raise Unavailable("our own database", retry_after_seconds=7)

    worker = Worker(world.database, world.clock, converge)
    _mark(world, ALICE)
    (outcome,) = worker.run_until_empty()
    assert outcome.errors
    assert dirty.count_due(world.database, now=world.clock.now()) == 0
    assert not dirty.is_settled(world.database, ALICE, now=world.clock.now())


def test_bug_with_one_tenant_keeps_its_row_and_the_loop_serves_the_others(world):
    served = threading.Event()

    def converge(tenant, *, hint):
        if tenant == ALICE:
            raise ZeroDivisionError
        served.set()
        return Outcome(tenant)

    worker = Worker(world.database, world.clock, converge, threads=1)
    _mark(world, ALICE, BOB)
    worker.start()
    try:
        assert served.wait(10)
    finally:
        worker.stop()
    with world.database.read(SYSTEM) as session:
        row = session.get(dirty.Dirty, ALICE)
        assert (row.attempts, row.holder) == (1, "")


def test_bug_is_seen_by_who_drains(world):
    def converge(tenant, *, hint):
        raise ZeroDivisionError

    _mark(world, ALICE)
    with pytest.raises(ZeroDivisionError):
        Worker(world.database, world.clock, converge).run_until_empty()


def test_nothing_is_converged_while_paused(world):
    _mark(world, ALICE)
    assert Worker(world.database, world.clock, world.converge, paused=lambda: "a stranger").run_until_empty() == []
    assert dirty.count_due(world.database, now=world.clock.now()) == 1
