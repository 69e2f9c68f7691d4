"""The log of what came in: kept redacted for thirty days, once per delivery, so that it can be explained and played again."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from prometheus_client import Counter
from sqlmodel import Field, Session, SQLModel, col, select

from glue.clock import Clock
from glue.db import Database, System, Utc
from glue.dirty import Priority, mark_all
from glue.errors import NotFound
from glue.rules.names import TenantId

KEPT = timedelta(days=30)
LARGEST_BODY = 2 * 2**20
RECEIVED = Counter("glue_deliveries_total", "Webhooks and events taken in, by source and outcome.", ["source", "outcome"])
_SCOPE = System("a delivery names its tenants, it is not read as one of them")
_SECRET = re.compile(r"(?i)^(key|secret|token|password|hmac_key|api_key|certificate)$")
_PERSONAL = re.compile(
    r"(?i)^(name|display_?name|first_?name|last_?name|username|hostname|email|phone|legal_name|tax_identification_number|address_line\d|zipcode)$"
)


class State(StrEnum):
    """understood: its tenants were marked; parked: genuine, but nobody we know."""

    UNDERSTOOD = "understood"
    PARKED = "parked"


class Delivery(SQLModel, table=True):
    __tablename__ = "deliveries"
    __table_args__ = (sa.UniqueConstraint("source", "delivery_id"),)

    id: int | None = Field(default=None, primary_key=True)
    source: str
    delivery_id: str
    kind: str
    tenants: str = ""
    state: str = Field(index=True)
    body: str
    received_at: datetime = Field(sa_type=Utc, index=True)


@dataclass(frozen=True)
class Outcome:
    """``new`` is False for a delivery that was taken before; ``tenants`` were marked."""

    new: bool
    kind: str
    tenants: tuple[TenantId, ...]


@dataclass(frozen=True)
class IdentityMap:
    """Who a foreign id stands for; convergence keeps it, wired by the process.

    ``tenants_by`` takes organization, customer, customer_id or license and an id; ``on_plan`` a plan's code, empty for everybody.
    """

    tenants_by: Callable[[Session, str, str], list[TenantId]]
    on_plan: Callable[[Session, str], list[TenantId]]


Resolve = Callable[[Session, IdentityMap], Iterable[TenantId]]


class Deliveries:
    """Keeps deliveries and marks their tenants, in one transaction."""

    def __init__(self, database: Database, clock: Clock, identities: IdentityMap) -> None:
        self._database, self._clock, self._identities = database, clock, identities

    def take(self, source: str, delivery_id: str, *, kind: str, body: Any, resolve: Resolve) -> Outcome:
        """Store what was verified; a repeat changes nothing. What names nobody is parked for a person."""
        now = self._clock.now()
        with self._database.write(_SCOPE) as session:
            if session.exec(select(Delivery.id).where(Delivery.source == source, Delivery.delivery_id == delivery_id)).first() is not None:
                RECEIVED.labels(source, "repeated").inc()
                return Outcome(new=False, kind=kind, tenants=())
            tenants = tuple(dict.fromkeys(resolve(session, self._identities)))
            state = State.UNDERSTOOD if tenants else State.PARKED
            session.add(
                Delivery(
                    source=source,
                    delivery_id=delivery_id,
                    kind=kind,
                    tenants=",".join(tenants[:20]),
                    state=state,
                    body=json.dumps(redact(body), ensure_ascii=False)[:20_000],
                    received_at=self._clock.wall(),
                )
            )
            priority = Priority.HINT if len(tenants) <= 3 else Priority.FAN_OUT
            mark_all(session, list(tenants), why=f"{source} said {kind}", now=now, priority=priority)
        RECEIVED.labels(source, state).inc()
        return Outcome(new=True, kind=kind, tenants=tenants)

    def page(
        self,
        *,
        source: str = "",
        state: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> tuple[list[Delivery], int]:
        """Newest first, and the whole number; those received in [since, until) when given."""
        query = select(Delivery)
        query = query.where(Delivery.source == source) if source else query
        query = query.where(Delivery.state == state) if state else query
        query = query.where(Delivery.received_at >= since) if since else query
        query = query.where(Delivery.received_at < until) if until else query
        with self._database.read(_SCOPE) as session:
            total = session.exec(select(sa.func.count()).select_from(query.subquery())).one()
            return list(session.exec(query.order_by(col(Delivery.id).desc()).offset(offset).limit(limit))), total

    def replay(self, delivery: int) -> tuple[TenantId, ...]:
        """Look again at the tenants a delivery named. Raises NotFound."""
        with self._database.write(_SCOPE) as session:
            row = session.get(Delivery, delivery)
            if row is None:
                raise NotFound("There is no such delivery.")
            tenants = [TenantId(tenant) for tenant in row.tenants.split(",") if tenant]
            mark_all(session, tenants, why=f"{row.source} said {row.kind}, played again", now=self._clock.now(), priority=Priority.HINT)
            return tuple(tenants)

    def last_received(self, source: str) -> datetime | None:
        """Wall time of the newest delivery from ``source``; None when there is none."""
        with self._database.read(_SCOPE) as session:
            newest = select(Delivery.received_at).where(Delivery.source == source).order_by(col(Delivery.received_at).desc())
            return session.exec(newest).first()

    def forget_old(self) -> None:
        """Remove what is older than thirty days."""
        with self._database.write(_SCOPE) as session:
            session.execute(sa.delete(Delivery).where(col(Delivery.received_at) < self._clock.wall() - KEPT))


def redact(value: Any) -> Any:
    """Without secrets and personal data: a delivery is a hint, what it says is read again where it belongs."""
    if isinstance(value, dict):
        return {key: "[redacted]" if _SECRET.match(key) or _PERSONAL.match(key) else redact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [redact(item) for item in value[:50]]
    return value


def scrub_deliveries(session: Session, tenant: TenantId) -> None:
    """Forget what came in about a tenant, in the caller's transaction."""
    session.execute(sa.delete(Delivery).where(col(Delivery.tenants).contains(tenant)))
