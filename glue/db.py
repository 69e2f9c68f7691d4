"""The database: engines, and sessions that always know for whom they read. May import rules, errors and clock.

Two stores: *main* (tenants, effects, runs, tickets) and *meter* (journal, counters, holds), so that background work
never delays a metered request. On SQLite two files, on PostgreSQL two schemas of one database.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.engine import Connection, Engine, make_url
from sqlmodel import Field, Session, SQLModel

from glue.errors import NotAllowed
from glue.rules.names import TenantId

METER_SCHEMA = "meter"


class Utc(sa.types.TypeDecorator[datetime]):
    """Instants: stored in UTC, read back in UTC, on both databases. Refuses naive ones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        if value is not None and value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


class TenantScoped(SQLModel):
    """Base of every table whose rows belong to a tenant: a tenant's session sees and writes only its own."""

    tenant_id: str = Field(index=True)


@dataclass(frozen=True)
class System:
    """Scope of work that is nobody's in particular; ``reason`` says why it may see all tenants (listed by a test)."""

    reason: str


Scope = TenantId | System


class Database:
    """One store. ``url`` is ``sqlite:///file`` or ``postgresql://…``; ``meter=True`` is the metering store beside it."""

    def __init__(self, url: str, *, meter: bool = False) -> None:
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            file = Path(parsed.database or "")
            if meter:
                file = file.with_name("meter.db")
            file.parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(
                f"sqlite:///{file}", connect_args={"timeout": 30}, execution_options={"schema_translate_map": {METER_SCHEMA: None}}
            )
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=10, max_overflow=10)
        self._writer: Engine = self.engine.execution_options(write=True)
        # What a failing store raises; drivers are used bare where speed matters.
        self.errors: tuple[type[Exception], ...] = (sa.exc.SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error)

    @contextmanager
    def read(self, scope: Scope) -> Iterator[Session]:
        """A session for reading; nothing is kept."""
        with _session(self.engine, scope) as session:
            yield session

    @contextmanager
    def write(self, scope: Scope) -> Iterator[Session]:
        """A session for writing: committed at the end, rolled back when an exception leaves the block."""
        with _session(self._writer, scope) as session:
            yield session
            session.commit()

    def forget_deleted(self) -> None:
        """Leave no trace of deleted rows in SQLite's log file (pages are overwritten as they are freed)."""
        if self.is_sqlite:
            for _ in range(20):
                with self.engine.connect() as connection:
                    busy = connection.exec_driver_sql("pragma wal_checkpoint(truncate)").scalar()
                if not busy:
                    return
                time.sleep(0.1)

    def close(self) -> None:
        """Close every connection; one that a thread still uses is closed when it is given back."""
        event.listen(self.engine, "checkin", lambda _connection, record: record.invalidate())
        self.engine.dispose()


@contextmanager
def _session(engine: Engine, scope: Scope) -> Iterator[Session]:
    if not scope or (isinstance(scope, System) and not scope.reason):
        raise NotAllowed("A database session needs a tenant, or a reason to see all of them.")
    with Session(engine, expire_on_commit=False) as session:
        if not isinstance(scope, System):
            _confine(session, scope)
        yield session


def _confine(session: Session, tenant_id: TenantId) -> None:
    @event.listens_for(session, "do_orm_execute")
    def _add_tenant(state: orm.ORMExecuteState) -> None:
        state.statement = state.statement.options(
            *(orm.with_loader_criteria(table, table.tenant_id == tenant_id, include_aliases=True) for table in _scoped_tables())  # type: ignore[arg-type]
        )

    @event.listens_for(session, "before_flush")
    def _refuse_others(flushed: orm.Session, _context: Any, _instances: Any) -> None:
        for row in [*flushed.new, *flushed.dirty, *flushed.deleted]:
            if isinstance(row, TenantScoped) and row.tenant_id != tenant_id:
                raise NotAllowed("A tenant's session may only write that tenant's rows.")


def _scoped_tables() -> list[type[TenantScoped]]:
    return [table for table in TenantScoped.__subclasses__() if hasattr(table, "__table__")]


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=wal", "synchronous=full", "foreign_keys=on", "busy_timeout=30000", "secure_delete=on"):
        connection.execute(f"pragma {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that turns into a writer can fail at once; one that means to write says so.
    connection.exec_driver_sql("begin immediate" if connection.get_execution_options().get("write") else "begin")
