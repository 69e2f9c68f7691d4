"""Fixtures of the rooms that converge: a database, and the world around it."""

import shutil

import pytest
from sqlmodel import SQLModel

from glue.db import Database
from tests.fakes.world import World


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A file with all tables, to be copied: making them takes longer than most tests."""
    file = tmp_path_factory.mktemp("store") / "empty.db"
    store = Database(f"sqlite:///{file}")
    SQLModel.metadata.create_all(store.engine)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("pragma wal_checkpoint(truncate)")
    store.close()
    return file


@pytest.fixture
def database(tmp_path, empty_store):
    shutil.copy(empty_store, tmp_path / "glue.db")
    store = Database(f"sqlite:///{tmp_path / 'glue.db'}")
    yield store
    store.close()


@pytest.fixture
def world(database):
    return World(database)


@pytest.fixture
def both_worlds(database_url):
    """The same on SQLite and PostgreSQL."""
    store = Database(database_url)
    # The metering store's tables live in a schema of their own, which this store lacks.
    SQLModel.metadata.create_all(store.engine, tables=[table for table in SQLModel.metadata.sorted_tables if table.schema is None])
    yield World(store)
    store.close()
