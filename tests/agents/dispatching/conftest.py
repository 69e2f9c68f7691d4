"""A dispatcher over a fresh store, tenants with a plan, and the real meter."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from glue.agents import tables  # noqa: F401
from glue.agents.dispatcher import Dispatcher
from glue.agents.registry import load_registry
from glue.agents.understanding import Analysis, Complexity, Details, TaskType
from glue.clock import FixedClock
from glue.db import METER_SCHEMA, Database
from glue.meter.metering import Meter
from glue.meter.meters import MeterKind, Meters
from glue.rules.names import TenantId
from glue.rules.snapshot import MeterGrant, Period, Snapshot
from glue.rules.standing import Standing

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ALICE, BOB = TenantId("t0000000000alce"), TenantId("t00000000000b0b")
ROOT = Path(__file__).parents[3]
METERS = Meters([MeterKind("agent_credits"), MeterKind("agent_tokens")])


class NoLago:
    """The flush is not started here; nothing may be sent."""

    def __getattr__(self, name):
        raise AssertionError(f"Lago was asked to {name}")


def understand(text):
    """Requests as tests mean them, whatever the understanding of the day."""
    content, quiz = TaskType.CONTENT_GENERATION, TaskType.ASSESSMENT_CREATION
    levels, language = ("beginner",), "de" if "über" in text else "en"
    if "curriculum" in text:
        details = Details((), 12, ("syllabus",), None, (), language)
        return Analysis(TaskType.CURRICULUM_PLANNING, Complexity.ENTERPRISE, (), details, 0.9, (), None)
    unclear = "Which?" if "unclear" in text else None
    return Analysis(content, Complexity.SIMPLE, (quiz,), Details(levels, None, ("lesson", "quiz"), None, (), language), 0.9, (), unclear)


def snapshot_of(tenant, **changes):
    snapshot = Snapshot(
        tenant=tenant, version=0, standing=Standing.ACTIVE, reason="Everything is in order.", tier="pro", confirmed_at=NOON,
        meters={"agent_credits": MeterGrant(500, hard=True, blind="allow"), "agent_tokens": MeterGrant(None, hard=False, blind="allow")},
        period=Period(f"sub-{tenant}", "row", "pro", datetime(2026, 10, 5, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        run_concurrency=2, max_credits_per_run=100,
    )  # fmt: skip
    return replace(snapshot, **changes)


def make_stores(url):
    main, store = Database(url), Database(url, meter=True)
    metered = [table for table in SQLModel.metadata.sorted_tables if table.schema == METER_SCHEMA]
    mine = [table for table in SQLModel.metadata.sorted_tables if table.name.startswith("agent_")]
    with store.engine.begin() as connection:
        if not store.is_sqlite:
            connection.execute(sa.text(f"create schema if not exists {METER_SCHEMA}"))
        SQLModel.metadata.create_all(connection, tables=metered)
    with main.engine.begin() as connection:
        SQLModel.metadata.create_all(connection, tables=mine)
    return main, store


class World:
    """``make`` builds another dispatcher over the same stores."""

    def __init__(self, url, folder, clock=None):
        self.url, self.folder, self.clock = url, folder, clock or FixedClock(NOON)
        self.main, self.store = make_stores(url)
        self.meter = Meter(self.store, clock=self.clock, meters=METERS, lago=NoLago())
        for tenant in (ALICE, BOB):
            self.meter.publish(snapshot_of(tenant, confirmed_at=self.clock.now()))
        self.registry = load_registry(ROOT)
        self.opened = []

    def make(self, *, executors=(), registry=None, understand=understand, second_opinion=""):
        dispatcher = Dispatcher(
            self.main, self.clock, self.meter, registry or self.registry, database_url=self.url, data_dir=self.folder / "artifacts",
            executors=executors, understand=understand, second_opinion=second_opinion,
        )  # fmt: skip
        self.opened.append(dispatcher)
        return dispatcher

    def figures(self, tenant=ALICE, meter="agent_credits"):
        return self.meter.usage_of(tenant)["meters"][meter]

    def close(self):
        for dispatcher in self.opened:
            dispatcher.stop()
        self.meter.stop()
        self.main.close()
        self.store.close()


@pytest.fixture
def world(database_url, tmp_path):
    world = World(database_url, tmp_path)
    yield world
    world.close()


@pytest.fixture
def light_world(sqlite_url, tmp_path):
    world = World(sqlite_url, tmp_path)
    yield world
    world.close()


def accept(dispatcher, text, *, key="k", tenant=ALICE):
    """Quote and accept at once."""
    quote = dispatcher.quote(tenant, text, asked_by="u")
    return dispatcher.accept(tenant, quote.id, asked_by="u", key=key)


def ended(dispatcher, run_id, *, states=("completed", "failed", "canceled"), seconds=30, tenant=ALICE):
    """The run, once it is in one of these states."""
    deadline = time.monotonic() + seconds
    while (run := dispatcher.run_of(tenant, run_id)).state not in states:
        assert time.monotonic() < deadline, run
        time.sleep(0.02)
    return run
