"""Which tenants have to be looked at, and when: ``mark`` in the caller's transaction, ``claim``, ``finish`` or ``fail``.

A hint carries no state, it only names a tenant. Ten thousand hints for one tenant are one row. ``due_at`` is business
time (a trial's end); leases are wall time. May import db, rules, errors, clock.
"""

import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from importlib import import_module

import sqlalchemy as sa
from sqlalchemy import event
from sqlmodel import Field, Session, SQLModel, col

from glue.clock import Clock
from glue.db import Database, System, Utc
from glue.rules.names import TenantId

LEASE = timedelta(seconds=120)
LONGEST_WAIT = timedelta(minutes=5)
_SYSTEM = System("the work list names tenants, it holds nothing of theirs")


class Priority(IntEnum):
    """Who is waiting: a person's click is never delayed by a fan-out."""

    PERSON = 0
    HINT = 1
    TIME = 3
    FAN_OUT = 5


class Dirty(SQLModel, table=True):
    """One tenant to look at. ``generation`` grows with every hint; ``holder`` works on it until ``lease_until``."""

    __tablename__ = "dirty"

    tenant_id: str = Field(primary_key=True)
    generation: int = 1
    due_at: datetime = Field(sa_type=Utc, index=True)
    priority: int = Priority.HINT
    attempts: int = 0
    why: str = ""
    marked_at: datetime = Field(sa_type=Utc)
    holder: str = ""
    lease_until: datetime | None = Field(default=None, sa_type=Utc)


@dataclass(frozen=True)
class Claim:
    """The right to converge ``tenant`` until the lease ends. ``why`` is the newest hint in words."""

    tenant: TenantId
    generation: int
    holder: str
    why: str
    marked_at: datetime
    attempts: int


class Wake:
    """Wakes the workers of this process when something was marked; other processes find it at their next look."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._count = 0

    def notify(self) -> None:
        with self._condition:
            self._count += 1
            self._condition.notify_all()

    def wait(self, seen: int, timeout_seconds: float) -> int:
        """Until the count is no longer ``seen``, or the time is over. Returns the count."""
        with self._condition:
            self._condition.wait_for(lambda: self._count != seen, timeout_seconds)
            return self._count


wake = Wake()


def mark(
    session: Session, tenant: TenantId, *, why: str, now: datetime, due_at: datetime | None = None, priority: Priority = Priority.HINT
) -> None:
    """Someone should look at ``tenant``. Part of the caller's transaction; workers wake once it is committed."""
    mark_all(session, [tenant], why=why, now=now, due_at=due_at, priority=priority)


def mark_all(
    session: Session,
    tenants: list[TenantId],
    *,
    why: str,
    now: datetime,
    due_at: datetime | None = None,
    priority: Priority = Priority.FAN_OUT,
) -> None:
    """The same for many."""
    if not tenants:
        return
    row = {
        "generation": 1,
        "due_at": due_at or now,
        "priority": int(priority),
        "attempts": 0,
        "why": why[:500],
        "marked_at": now,
        "holder": "",
    }
    # Only the dialect in use is loaded: importing the other one costs every start a sixth of a second.
    insert = import_module(f"sqlalchemy.dialects.{session.get_bind().dialect.name}").insert(Dirty)
    new = insert.excluded
    earlier = sa.case((new.due_at < Dirty.due_at, new.due_at), else_=Dirty.due_at)
    # Hints do not shorten the wait of a tenant whose systems are failing; a person's click does.
    due = sa.case((sa.and_(col(Dirty.attempts) > 0, new.priority > int(Priority.PERSON)), Dirty.due_at), else_=earlier)
    upsert = insert.on_conflict_do_update(
        index_elements=["tenant_id"],
        set_={
            "generation": col(Dirty.generation) + 1,
            "due_at": due,
            "priority": sa.case((new.priority < Dirty.priority, new.priority), else_=Dirty.priority),
            "why": new.why,
            "marked_at": new.marked_at,
        },
    )
    session.connection().execute(upsert, [{**row, "tenant_id": tenant} for tenant in tenants])
    if not session.info.get("wakes"):
        session.info["wakes"] = True
        event.listen(session, "after_commit", _wake_up, once=True)


def _wake_up(session: Session) -> None:
    session.info.pop("wakes", None)
    wake.notify()


def forget_leases(database: Database) -> None:
    """For a process that is the only one (SQLite): leases of one that ended without a word mean nothing."""
    with database.write(_SYSTEM) as session:
        session.execute(sa.update(Dirty).values(holder="", lease_until=None))


def claim(database: Database, clock: Clock) -> Claim | None:
    """The most urgent tenant that is due and that nobody works on; None when there is none."""
    now, wall = clock.now(), clock.wall()
    free = sa.or_(col(Dirty.lease_until).is_(None), col(Dirty.lease_until) < wall)
    candidates = (
        sa.select(Dirty).where(col(Dirty.due_at) <= now, free).order_by(col(Dirty.priority), col(Dirty.due_at)).limit(1)
    ).with_for_update(skip_locked=True)
    with database.read(_SYSTEM) as session:  # without a writer's lock: looking for work is cheap
        if session.scalar(sa.select(sa.exists().where(col(Dirty.due_at) <= now, free))) is False:
            return None
    with database.write(_SYSTEM) as session:
        row = session.scalar(candidates)
        if row is None:
            return None
        row.holder, row.lease_until = secrets.token_hex(8), wall + LEASE
        return Claim(TenantId(row.tenant_id), row.generation, row.holder, row.why, row.marked_at, row.attempts)


def finish(database: Database, claim: Claim, *, next_look: datetime | None = None) -> None:
    """Done. Without newer hints the row goes, or waits for ``next_look``; with newer ones it stays due."""
    mine = sa.and_(col(Dirty.tenant_id) == claim.tenant, col(Dirty.holder) == claim.holder)
    same = sa.and_(mine, col(Dirty.generation) == claim.generation)
    released = {"holder": "", "lease_until": None, "attempts": 0}
    with database.write(_SYSTEM) as session:
        if next_look is None:
            session.execute(sa.delete(Dirty).where(same))
        else:
            later = {"due_at": next_look, "priority": int(Priority.TIME), "why": "The time has come to look again."}
            session.execute(sa.update(Dirty).where(same).values(**released, **later))
        session.execute(sa.update(Dirty).where(mine).values(**released))


def fail(database: Database, claim: Claim, *, now: datetime, retry_after_seconds: float = 0) -> datetime:
    """Not done: try again later, each time later (2, 4, 8 … seconds up to five minutes, with jitter). Returns when."""
    seconds = min(2.0 ** min(claim.attempts + 1, 12), LONGEST_WAIT.total_seconds())
    jitter = 0.75 + secrets.randbelow(500) / 1000
    due_at = now + timedelta(seconds=max(seconds * jitter, retry_after_seconds))
    mine = sa.and_(col(Dirty.tenant_id) == claim.tenant, col(Dirty.holder) == claim.holder)
    values = {"holder": "", "lease_until": None, "attempts": claim.attempts + 1, "due_at": due_at}
    with database.write(_SYSTEM) as session:
        session.execute(sa.update(Dirty).where(mine).values(**values))
    return due_at


def is_settled(database: Database, tenant: TenantId, *, now: datetime) -> bool:
    """Nothing is due for the tenant and nobody works on it."""
    with database.read(_SYSTEM) as session:
        row = session.get(Dirty, tenant)
        return row is None or (row.due_at > now and not row.holder and not row.attempts)


def wait_until_settled(database: Database, clock: Clock, tenant: TenantId, *, timeout_seconds: float) -> bool:
    """True once nothing is due for the tenant; False when the time is over. For callers that want to show the result."""
    deadline = time.monotonic() + timeout_seconds
    while not is_settled(database, tenant, now=clock.now()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def count_due(database: Database, *, now: datetime) -> int:
    """How many tenants are waiting for a worker."""
    with database.read(_SYSTEM) as session:
        return session.scalar(sa.select(sa.func.count()).select_from(Dirty).where(col(Dirty.due_at) <= now)) or 0
