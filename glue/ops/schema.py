"""The tables of both stores: brought up to date at every start, and compared with the code."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from glue.db import METER_SCHEMA, Database
from glue.ops import tables

SCRIPTS = Path(__file__).parent.parent / "migrations"


def upgrade(database: Database, *, meter: bool = False) -> None:
    """Bring the store to the newest version; nothing to do is quick. Concurrent starts wait for each other."""
    with _connection(database, meter=meter) as connection:
        command.upgrade(_config(connection, meter=meter), "head")
        connection.commit()


def write_revision(database: Database, message: str, *, meter: bool = False) -> None:
    """Write a new script with what the code's tables have and the store's lack."""
    with _connection(database, meter=meter) as connection:
        command.revision(_config(connection, meter=meter), message, autogenerate=True, rev_id="0001")
        connection.commit()


def differences(database: Database, *, meter: bool = False) -> list[str]:
    """What the code's tables and the store's disagree about; empty when a script is not needed."""
    with _connection(database, meter=meter) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        return [str(difference) for difference in compare_metadata(context, _metadata(meter=meter))]


def _connection(database: Database, *, meter: bool) -> Connection:
    connection = database.engine.connect()
    if not database.is_sqlite:
        if meter:
            connection.execute(sa.text(f"create schema if not exists {METER_SCHEMA}"))
            connection.execute(sa.text(f"set search_path to {METER_SCHEMA}"))
        # Held until the transaction ends: two processes that start together must not both create tables.
        connection.execute(sa.text("select pg_advisory_xact_lock(7263549)"))
    return connection


def _config(connection: Connection, *, meter: bool) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS / ("meter" if meter else "main")))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = _metadata(meter=meter)
    return config


def _metadata(*, meter: bool) -> sa.MetaData:
    # The metering store's tables carry a schema in queries; scripts carry none, since SQLite has its own file for them.
    wanted = sa.MetaData()
    for table in SQLModel.metadata.sorted_tables:
        if (table.schema == METER_SCHEMA) == meter and table.name not in tables.FOREIGN:
            table.to_metadata(wanted, schema=None)  # type: ignore[arg-type]  # None: the target's own
    return wanted
