"""What happened to a tenant, in order, with why and which hint told: the page that answers "what was that?"."""

from datetime import datetime
from typing import Any

from sqlmodel import JSON, Field, Session, col, delete, select

from glue.db import TenantScoped, Utc
from glue.rules.names import TenantId


class TimelineEntry(TenantScoped, table=True):
    """``kind`` is what did it (change, standing, finding, effect, asked, note); ``hint`` what made us look."""

    __tablename__ = "timeline"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=Utc)
    kind: str
    text: str
    cause: str = ""
    hint: str = ""
    data: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


def tell(session: Session, tenant: TenantId, *, at: datetime, kind: str, text: str, cause: str = "", hint: str = "", **data: Any) -> None:
    """Add one entry in the caller's transaction."""
    session.add(TimelineEntry(tenant_id=tenant, at=at, kind=kind, text=text, cause=cause, hint=hint, data=data))


def read_timeline(session: Session, tenant: TenantId, *, limit: int = 100, before: int | None = None) -> list[TimelineEntry]:
    """Newest first; ``before`` an entry's id gives the next page."""
    query = select(TimelineEntry).where(TimelineEntry.tenant_id == tenant).order_by(col(TimelineEntry.id).desc()).limit(limit)
    return list(session.exec(query if before is None else query.where(col(TimelineEntry.id) < before)))


def scrub_timeline(session: Session, tenant: TenantId) -> None:
    session.execute(delete(TimelineEntry).where(col(TimelineEntry.tenant_id) == tenant))
