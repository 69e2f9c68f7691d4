"""The tables of both stores: brought up to date at every start, and compared with the code."""

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import SQLModel

from glue.db import METER_SCHEMA, Database
from glue.ops import tables

if TYPE_CHECKING:  # Alembic is loaded when there is something to migrate: most starts have nothing.
    from alembic.config import Config

SCRIPTS = Path(__file__).parent.parent / "migrations"


def upgrade(database: Database, *, meter: bool = False) -> None:
    """Bring the store to the newest version; nothing to do is quick. Concurrent starts wait for each other."""
    with _connection(database, meter=meter) as connection:
        if _version(connection) == _newest(meter=meter):
            return
        from alembic import command

        command.upgrade(_config(connection, meter=meter), "head")
        connection.commit()


def write_revision(database: Database, message: str, *, meter: bool = False) -> None:
    """Write a new script with what the code's tables have and the store's lack."""
    from alembic import command

    with _connection(database, meter=meter) as connection:
        command.revision(_config(connection, meter=meter), message, autogenerate=True, rev_id="0001")
        connection.commit()


def differences(database: Database, *, meter: bool = False) -> list[str]:
    """What the code's tables and the store's disagree about; empty when a script is not needed."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with _connection(database, meter=meter) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        return [str(difference) for difference in compare_metadata(context, _metadata(meter=meter))]


def _version(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return str(connection.execute(sa.text("select version_num from alembic_version")).scalar())


def _newest(*, meter: bool) -> str:
    """The last script's number, by which they are named."""
    return max(script.name.partition("_")[0] for script in (_scripts(meter=meter) / "versions").glob("[0-9]*.py"))


def _scripts(*, meter: bool) -> Path:
    return SCRIPTS / ("meter" if meter else "main")


def _connection(database: Database, *, meter: bool) -> Connection:
    connection = database.engine.connect()
    if not database.is_sqlite:
        # Held until the transaction ends: processes that start together must not all create tables ("if not exists" races, too).
        connection.execute(sa.text("select pg_advisory_xact_lock(7263549)"))
        if meter:
            connection.execute(sa.text(f"create schema if not exists {METER_SCHEMA}"))
            connection.execute(sa.text(f"set search_path to {METER_SCHEMA}"))
    return connection


def _config(connection: Connection, *, meter: bool) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_scripts(meter=meter)))
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
