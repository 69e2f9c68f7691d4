"""What we last wrote to each field of a tenant: one side of the three-way merge, and the memory of writes without effect."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import JSON, Field, Session, col, delete, select

from glue.db import TenantScoped, Utc
from glue.rules.changes import Applied, Change, Plain
from glue.rules.names import TenantId


class AppliedField(TenantScoped, table=True):
    """``value`` was read back; ``writing`` is on its way. Both are JSON documents ``{"v": …}``, empty when there is none."""

    __tablename__ = "applied"

    tenant_id: str = Field(primary_key=True)
    field: str = Field(primary_key=True)
    value: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    written: bool = False
    writing: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    attempts: int = 0
    tried_at: datetime | None = Field(default=None, sa_type=Utc)
    error: str = ""


def load_applied(session: Session, tenant: TenantId) -> dict[str, Applied]:
    table = AppliedField.__table__  # type: ignore[attr-defined]
    rows = session.connection().execute(sa.select(table).where(table.c.tenant_id == tenant))  # as rows: there are thirty of them each time
    return {
        row.field: Applied(
            value=row.value.get("v"),
            known=bool(row.value),
            written=row.written,
            writing=row.writing.get("v"),
            is_writing=bool(row.writing),
            attempts=row.attempts,
            tried_at=row.tried_at,
            error=row.error,
        )
        for row in rows
    }


def announce_writes(session: Session, tenant: TenantId, changes: Iterable[Change], *, now: datetime) -> None:
    """Before writing: a crash between writing and reading back must not make our own value look like somebody else's."""
    values = _values(changes)
    for name, row in _rows(session, tenant, values).items():
        document = {"v": values[name]}
        row.attempts = row.attempts + 1 if row.writing == document else 1
        row.writing, row.tried_at, row.error = document, now, ""


def note_refusal(session: Session, tenant: TenantId, changes: Iterable[Change], error: str) -> None:
    for row in _rows(session, tenant, _values(changes)).values():
        row.error = error[:500]


def settle(session: Session, tenant: TenantId, settled: Mapping[str, Plain], applied: Mapping[str, Applied]) -> None:
    """Fields that were read back as wanted. ``applied`` is what was remembered before: mostly the same."""
    news = {name: value for name, value in settled.items() if not _is_remembered(applied.get(name), value)}
    for name, row in _rows(session, tenant, news).items():
        row.written = row.written or bool(row.writing)
        row.value, row.writing, row.attempts, row.error = {"v": news[name]}, {}, 0, ""


def _is_remembered(base: Applied | None, value: Plain) -> bool:
    return base is not None and base.known and base.value == value and not base.is_writing


def forget(session: Session, tenant: TenantId, field: str | None = None) -> None:
    """Of one field, or of all: the next pass looks at it as for the first time."""
    query = delete(AppliedField).where(col(AppliedField.tenant_id) == tenant)
    session.execute(query if field is None else query.where(col(AppliedField.field) == field))


def accept_as_ours(session: Session, tenant: TenantId, field: str, found: Plain) -> None:
    """A person decided against somebody's edit: treat what was found as our own value, so that the wanted one replaces it."""
    for row in _rows(session, tenant, [field]).values():
        row.value, row.written, row.writing, row.attempts, row.error = {"v": found}, True, {}, 0, ""


def _values(changes: Iterable[Change]) -> dict[str, Plain]:
    values: dict[str, Plain] = {}
    for change in changes:
        if change.field == "exists" and isinstance(change.after, dict):
            values |= {f"{change.part}.{field}": value for field, value in change.after.items()}
        values[change.name] = change.after
    return values


def _rows(session: Session, tenant: TenantId, names: Iterable[str]) -> dict[str, AppliedField]:
    """Rows of these fields, new ones where there are none; all known ones are read at once."""
    names = list(names)
    if not names:
        return {}
    known = {row.field: row for row in session.exec(select(AppliedField).where(AppliedField.tenant_id == tenant))}
    rows = {name: known.get(name) or AppliedField(tenant_id=tenant, field=name) for name in names}
    session.add_all(rows.values())
    return rows
