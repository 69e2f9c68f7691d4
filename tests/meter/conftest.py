"""A meter over a fresh store, a cast of tenants, and a clock that tests move."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel

from glue.clock import FixedClock
from glue.db import METER_SCHEMA, Database
from glue.meter.metering import Meter

from .cast import METERS, snapshot_of
from .lago import StatefulLago

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def make_store(url):
    """The metering store with its tables."""
    database = Database(url, meter=True)
    wanted = [table for table in SQLModel.metadata.sorted_tables if table.schema == METER_SCHEMA]
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text(f"create schema if not exists {METER_SCHEMA}"))
        SQLModel.metadata.create_all(connection, tables=wanted)
    return database


@pytest.fixture
def clock():
    return FixedClock(NOON)


@pytest.fixture
def store(database_url):
    database = make_store(database_url)
    yield database
    database.close()


@pytest.fixture
def meter(store, clock, lago):
    meter = Meter(store, clock=clock, meters=METERS, lago=lago)
    meter.publish(snapshot_of("alice"))
    meter.publish(snapshot_of("bob"))
    yield meter
    meter.stop()


@pytest.fixture
def lago(clock):
    return StatefulLago(clock)
