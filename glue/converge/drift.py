"""Differences between the three systems and what we know: found, mended, or waiting for a person. The proof of one story."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import JSON, Field, Session, col, delete, select

from glue.converge.applied import accept_as_ours
from glue.converge.tenants import Tenant
from glue.db import TenantScoped, Utc
from glue.errors import NotFound
from glue.rules.changes import Change, Finding, FindingState
from glue.rules.names import TenantId

_EXISTS = {"organization": "organization_id", "customer": "customer_id", "subscription": "subscription_id", "license": "license_id"}


class Drift(TenantScoped, table=True):
    """One difference. ``hint`` is what made us look; ``closed_at`` when it was mended, decided or went by itself."""

    __tablename__ = "drift"

    id: int | None = Field(default=None, primary_key=True)
    field: str
    expected: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    found: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    cause: str
    hint: str = ""
    state: str = Field(index=True)
    found_at: datetime = Field(sa_type=Utc)
    closed_at: datetime | None = Field(default=None, sa_type=Utc)
    repair: str = ""


@dataclass(frozen=True)
class DriftLine:
    """A line of the report: what a person reads about one difference."""

    tenant: TenantId
    field: str
    expected: Any
    found: Any
    cause: str
    repair: str
    state: str
    found_at: datetime


def note_mended(session: Session, tenant: TenantId, changes: Iterable[Change], *, now: datetime, hint: str) -> None:
    """Somebody else's edits that were just written over."""
    for change in changes:
        row = _drift(tenant, change.name, change.after, change.before, change.cause, hint, FindingState.MENDED, now)
        row.closed_at, row.repair = now, "Written back."
        session.add(row)


def keep_findings(session: Session, tenant: TenantId, findings: Sequence[Finding], *, now: datetime, hint: str) -> list[Finding]:
    """Store what is open now and close what no longer is. Returns the findings that are new."""
    query = select(Drift).where(Drift.tenant_id == tenant, col(Drift.closed_at).is_(None))
    opened = {row.field: row for row in session.exec(query)}
    fresh = []
    for item in findings:
        row = opened.pop(item.name, None)
        if row is None:
            fresh.append(item)
            row = _drift(tenant, item.name, item.expected, item.found, item.cause, hint, item.state, now)
        row.expected, row.found, row.cause, row.state = {"v": item.expected}, {"v": item.found}, item.cause, item.state
        session.add(row)
    for row in opened.values():
        row.closed_at = now
        row.repair = row.repair or "No longer so."
        session.add(row)
    return fresh


def open_drift(session: Session, *, tenant: TenantId | None = None, offset: int = 0, limit: int | None = None) -> list[DriftLine]:
    """What waits: oldest first."""
    query = select(Drift).where(col(Drift.closed_at).is_(None)).order_by(col(Drift.found_at), col(Drift.id))
    query = query if tenant is None else query.where(Drift.tenant_id == tenant)
    return [_line(row) for row in session.exec(query.offset(offset).limit(limit))]


def mended_drift(session: Session, *, since: datetime, limit: int | None = None) -> list[DriftLine]:
    """What was found and put right, newest first."""
    query = select(Drift).where(col(Drift.closed_at) >= since, Drift.state == FindingState.MENDED).order_by(col(Drift.found_at).desc())
    return [_line(row) for row in session.exec(query.limit(limit))]


def decide_against(session: Session, tenant: TenantId, field: str, *, by: str) -> None:
    """A person decides that somebody's edit shall go: the next pass writes our value (or makes anew what is gone).

    Raises NotFound when nothing is open for the field. Mark the tenant afterwards.
    """
    row = session.exec(select(Drift).where(Drift.tenant_id == tenant, Drift.field == field, col(Drift.closed_at).is_(None))).first()
    if row is None:
        raise NotFound(f"Nothing waits for a decision about {field}.")
    part, _, rest = field.partition(".")
    if rest == "exists":
        tenant_row = session.get(Tenant, tenant)
        if tenant_row is not None:
            setattr(tenant_row, _EXISTS[part], "")
            session.add(tenant_row)
    else:
        accept_as_ours(session, tenant, field, row.found.get("v"))
    row.repair = f"{by} decided to restore it."
    session.add(row)


def scrub_drift(session: Session, tenant: TenantId) -> None:
    session.execute(delete(Drift).where(col(Drift.tenant_id) == tenant))


def _drift(tenant: TenantId, field: str, expected: Any, found: Any, cause: str, hint: str, state: FindingState, now: datetime) -> Drift:
    return Drift(
        tenant_id=tenant, field=field, expected={"v": expected}, found={"v": found}, cause=cause, hint=hint, state=state, found_at=now
    )


def _line(row: Drift) -> DriftLine:
    return DriftLine(
        TenantId(row.tenant_id), row.field, row.expected.get("v"), row.found.get("v"), row.cause, row.repair, row.state, row.found_at
    )
