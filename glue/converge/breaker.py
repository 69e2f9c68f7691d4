"""The breaker: when many tenants would lose something at once, something is wrong with us or a system, not with them.

More than max(5, 2 %) of the tenants within ten minutes of business time: nothing restrictive that nobody asked for is
written until an operator confirms it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, delete

from glue.converge.tenants import Tenant
from glue.db import TenantScoped, Utc
from glue.rules.names import TenantId

WINDOW = timedelta(minutes=10)
AT_LEAST = 5
SHARE = 0.02


class Loss(TenantScoped, table=True):
    """A tenant that lost something, or would have."""

    __tablename__ = "losses"

    tenant_id: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Utc, index=True)


class BreakerState(SQLModel, table=True):
    """One row: open since when, and until when an operator lets losses happen."""

    __tablename__ = "breaker"

    id: int = Field(default=1, primary_key=True)
    open_since: datetime | None = Field(default=None, sa_type=Utc)
    confirmed_until: datetime | None = Field(default=None, sa_type=Utc)
    confirmed_by: str = ""


@dataclass(frozen=True)
class BreakerView:
    """What an operator sees: open since, how many tenants lose in the window, how many may."""

    open_since: datetime | None
    losing: int
    allowed: int


def may_lose(session: Session, tenant: TenantId, *, now: datetime) -> bool:
    """Count this tenant's loss; False when it has to wait for an operator."""
    state = session.get(BreakerState, 1) or BreakerState()
    loss = session.get(Loss, tenant) or Loss(tenant_id=tenant, at=now)
    loss.at = now
    session.add(loss)
    session.flush()
    if state.confirmed_until is not None and now < state.confirmed_until:
        return True
    view = look_at_breaker(session, now=now)
    if view.losing <= view.allowed:
        return state.open_since is None
    if state.open_since is None:
        state.open_since = now
        session.add(state)
    return False


def look_at_breaker(session: Session, *, now: datetime) -> BreakerView:
    state = session.get(BreakerState, 1)
    losing = session.scalar(sa.select(sa.func.count()).select_from(Loss).where(col(Loss.at) > now - WINDOW)) or 0
    tenants = session.scalar(sa.select(sa.func.count()).select_from(Tenant).where(col(Tenant.erased_at).is_(None))) or 0
    return BreakerView(state.open_since if state else None, losing, max(AT_LEAST, int(tenants * SHARE)))


def confirm_losses(session: Session, *, now: datetime, by: str) -> list[TenantId]:
    """The operator has looked: what waits may happen for one window. Returns the tenants to mark."""
    state = session.get(BreakerState, 1) or BreakerState()
    state.open_since, state.confirmed_until, state.confirmed_by = None, now + WINDOW, by
    session.add(state)
    waiting = [TenantId(tenant) for tenant in session.scalars(sa.select(col(Loss.tenant_id)))]
    session.execute(delete(Loss))
    return waiting
