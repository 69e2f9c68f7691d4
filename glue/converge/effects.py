"""Writes that must happen once: mails, invitations, activations, payments noted. planned → sending → done | refused | doubt.

``sending`` is committed before the call and ``done`` after it. A crash or a time-out in between leaves ``doubt``: only
finding the thing upstream resolves it. What cannot be looked up is sent at most once; a person may send it again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import JSON, Field, Session, SQLModel, col, delete, select

from glue.clock import Clock
from glue.db import Database, System, TenantScoped, Utc
from glue.errors import Conflict, GlueError, NotFound, UpstreamUnavailable
from glue.rules.names import TenantId

SENDING_LASTS = timedelta(seconds=90)  # longer than any call may take: after that its process is gone
_SYSTEM = System("effects of all tenants are listed and resolved by operators")

Payload = dict[str, Any]


class EffectState(StrEnum):
    PLANNED = "planned"
    SENDING = "sending"
    DONE = "done"
    DOUBT = "doubt"
    REFUSED = "refused"


class Effect(TenantScoped, table=True):
    """``key`` says what it is once and for ever. ``epoch`` is that of the database: a restored one repeats nothing by itself."""

    __tablename__ = "effects"

    key: str = Field(primary_key=True)
    kind: str
    state: str = Field(default=EffectState.PLANNED, index=True)
    payload: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    marker: str = ""
    epoch: int = 0
    planned_at: datetime = Field(sa_type=Utc)
    sent_at: datetime | None = Field(default=None, sa_type=Utc)  # wall time
    done_at: datetime | None = Field(default=None, sa_type=Utc)
    error: str = ""


class Epoch(SQLModel, table=True):
    """One row for each restore of the database; the newest number is the running epoch."""

    __tablename__ = "epochs"

    number: int = Field(primary_key=True)
    began_at: datetime = Field(sa_type=Utc)
    why: str


@dataclass(frozen=True)
class EffectKind:
    """How one kind is done. ``is_done`` finds it upstream (None: cannot be looked up).

    ``not_sent`` tells of a failure that surely nothing was sent, so that it may be tried again.
    """

    run: Callable[[Payload], Any]
    is_done: Callable[[Payload], bool] | None = None
    not_sent: Callable[[UpstreamUnavailable], bool] = lambda _error: False


def current_epoch(session: Session) -> int:
    return session.scalar(sa.select(sa.func.max(Epoch.number))) or 0


def begin_epoch(session: Session, *, now: datetime, why: str) -> int:
    """After a restore: what was planned or being sent before is in doubt, for it may have happened since the backup."""
    number = current_epoch(session) + 1
    session.add(Epoch(number=number, began_at=now, why=why))
    unfinished = col(Effect.state).in_([EffectState.PLANNED, EffectState.SENDING])
    session.execute(sa.update(Effect).where(unfinished).values(state=EffectState.DOUBT, error=why))
    return number


def plan_effect(
    session: Session, tenant: TenantId, *, key: str, kind: str, payload: Payload, now: datetime, taken_at: datetime | None = None
) -> bool:
    """Plan it in the caller's transaction. False when this key was planned before: nothing changes then.

    ``taken_at`` (wall time) keeps it for the caller, who performs it at once: no worker takes it meanwhile.
    """
    if session.get(Effect, key) is not None:
        return False
    session.add(
        Effect(
            key=key,
            tenant_id=tenant,
            kind=kind,
            payload=payload,
            planned_at=now,
            epoch=current_epoch(session),
            state=EffectState.SENDING if taken_at else EffectState.PLANNED,
            sent_at=taken_at,
        )
    )
    return True


def scrub_effects(session: Session, tenant: TenantId) -> None:
    session.execute(delete(Effect).where(col(Effect.tenant_id) == tenant))


class Effects:
    """Performs planned effects with the kinds it was given."""

    def __init__(self, database: Database, clock: Clock, kinds: Mapping[str, EffectKind]) -> None:
        self._database = database
        self._clock = clock
        self._kinds = kinds

    def perform(self, key: str, *, taken: bool = False) -> Any:
        """Do a planned effect now and return what it gave. Raises what the call raised, Conflict when it is not waiting.

        ``taken``: the caller planned it with ``taken_at``.
        """
        effect = self._get(key) if taken else self._take(key)
        kind = self._kinds[effect.kind]
        payload = {**effect.payload, "key": key, "planned_at": effect.planned_at.isoformat()}
        try:
            result = kind.run(payload)
        except UpstreamUnavailable as error:
            self._set(key, EffectState.PLANNED if kind.not_sent(error) else EffectState.DOUBT, error=str(error))
            raise
        except GlueError as error:
            # A refusal is no proof that nothing was done: look before believing it.
            if kind.is_done is not None and kind.is_done(payload):
                self._set(key, EffectState.DONE)
                return None
            self._set(key, EffectState.REFUSED, error=str(error))
            raise
        self._set(key, EffectState.DONE)
        return result

    def run_for(self, tenant: TenantId) -> list[tuple[Effect, GlueError | None]]:
        """Resolve what is in doubt, then do what is planned, oldest first. Returns what was tried and how it went."""
        tried: list[tuple[Effect, GlueError | None]] = []
        for effect in self._open(tenant):
            try:
                if effect.state != EffectState.PLANNED and not self._resolve(effect):
                    continue
                self.perform(effect.key)
            except GlueError as error:
                tried.append((effect, error))
            else:
                tried.append((effect, None))
        return tried

    def send_again(self, key: str) -> TenantId:
        """A person decides that a doubtful or refused effect may happen (again). Returns its tenant, to be marked."""
        with self._database.write(_SYSTEM) as session:
            effect = session.get(Effect, key)
            if effect is None:
                raise NotFound("There is no such effect.")
            if effect.state not in {EffectState.DOUBT, EffectState.REFUSED}:
                raise Conflict(f"This is {effect.state}; only what is in doubt or was refused can be sent again.")
            effect.state, effect.error, effect.epoch = EffectState.PLANNED, "", current_epoch(session)
            return TenantId(effect.tenant_id)

    def list_unclear(self, *, offset: int = 0, limit: int | None = None) -> list[Effect]:
        """What waits for a person, oldest first: in doubt without a way to look it up, or refused."""
        with self._database.read(_SYSTEM) as session:
            query = select(Effect).where(col(Effect.state).in_([EffectState.DOUBT, EffectState.REFUSED])).order_by(col(Effect.planned_at))
            return list(session.exec(query.offset(offset).limit(limit)))

    def _open(self, tenant: TenantId) -> list[Effect]:
        unfinished = col(Effect.state).in_([EffectState.PLANNED, EffectState.SENDING, EffectState.DOUBT])
        with self._database.read(tenant) as session:
            return list(session.exec(select(Effect).where(unfinished).order_by(col(Effect.planned_at), col(Effect.key))))

    def _resolve(self, effect: Effect) -> bool:
        """True when the effect may be performed (again): it was looked for and is not there."""
        sending = effect.state == EffectState.SENDING
        if sending and effect.sent_at is not None and self._clock.wall() < effect.sent_at + SENDING_LASTS:
            return False
        look = self._kinds[effect.kind].is_done
        if look is None:
            if sending:
                self._set(effect.key, EffectState.DOUBT, error="The process that was sending it ended in between.")
            return False
        done = look({**effect.payload, "key": effect.key, "planned_at": effect.planned_at.isoformat()})
        self._set(effect.key, EffectState.DONE if done else EffectState.PLANNED)
        return not done

    def _get(self, key: str) -> Effect:
        with self._database.read(_SYSTEM) as session:
            return session.get_one(Effect, key)

    def _take(self, key: str) -> Effect:
        with self._database.write(_SYSTEM) as session:
            waiting = sa.and_(col(Effect.key) == key, col(Effect.state) == EffectState.PLANNED)
            taken = session.execute(sa.update(Effect).where(waiting).values(state=EffectState.SENDING, sent_at=self._clock.wall()))
            effect = session.get(Effect, key)
            if effect is None or taken.rowcount != 1:  # type: ignore[attr-defined]
                raise Conflict("This is being done already, or was.")
            return effect

    def _set(self, key: str, state: EffectState, *, error: str = "") -> None:
        done_at = self._clock.now() if state == EffectState.DONE else None
        with self._database.write(_SYSTEM) as session:
            session.execute(sa.update(Effect).where(col(Effect.key) == key).values(state=state, error=error[:500], done_at=done_at))
