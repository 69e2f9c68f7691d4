"""Kill switches: what was turned off by hand, seen by every process. Each turn is a row that stays: who, when, why.

Names are ``registration``, ``runs`` and ``flag:<feature>``. May import db, errors, clock.
"""

from datetime import datetime
from typing import Protocol

import sqlalchemy as sa
from sqlmodel import Field, SQLModel, col, select

from glue.clock import Clock
from glue.db import Database, System, Utc
from glue.errors import BadInput, NotAllowed

REGISTRATION, RUNS, FLAG = "registration", "runs", "flag:"
_SCOPE = System("a kill switch is for everybody at once")


class SwitchChange(SQLModel, table=True):
    """One turn of a switch; the newest of a name says how it stands."""

    __tablename__ = "switch_changes"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True)
    off: bool
    reason: str = ""
    by: str
    at: datetime = Field(sa_type=Utc)


class FollowsSwitches(Protocol):
    """What the hot path needs: features that are paused, as of the last ``refresh``."""

    @property
    def paused_features(self) -> frozenset[str]: ...

    def refresh(self) -> None: ...


class Switches:
    """Turns switches and tells how they stand: ``off`` from the database, ``paused_features`` from memory."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._paused: frozenset[str] = frozenset()

    @property
    def paused_features(self) -> frozenset[str]:
        """Features that are off for everybody; other processes' turns are seen after ``refresh``."""
        return self._paused

    def refresh(self) -> None:
        """Take over what other processes turned; called twice a second."""
        self._paused = frozenset(name.removeprefix(FLAG) for name in self.off() if name.startswith(FLAG))

    def off(self) -> dict[str, SwitchChange]:
        """What is off now, with the turn that did it."""
        newest = sa.select(sa.func.max(SwitchChange.id)).group_by(col(SwitchChange.name))
        with self._database.read(_SCOPE) as session:
            rows = session.exec(select(SwitchChange).where(col(SwitchChange.id).in_(newest), col(SwitchChange.off)))
            return {row.name: row for row in rows}

    def turn(self, name: str, *, off: bool, reason: str, by: str, features: frozenset[str] = frozenset()) -> None:
        """Turn a switch off or on again. Raises BadInput for an unknown name, or without a reason when it is turned off."""
        if name not in {REGISTRATION, RUNS, *(FLAG + feature for feature in features)}:
            known = ", ".join([REGISTRATION, RUNS, *(FLAG + feature for feature in sorted(features))])
            raise BadInput("There is no such switch.", field="name", expected=known)
        if off and not reason.strip():
            raise BadInput("Say why: it is kept.", field="reason")
        with self._database.write(_SCOPE) as session:
            session.add(SwitchChange(name=name, off=off, reason=reason.strip()[:300], by=by, at=self._clock.now()))
        self.refresh()

    def history(self, *, limit: int = 50) -> list[SwitchChange]:
        """Turns, newest first."""
        with self._database.read(_SCOPE) as session:
            return list(session.exec(select(SwitchChange).order_by(col(SwitchChange.id).desc()).limit(limit)))

    def demand_runs(self) -> None:
        """Raises NotAllowed while no new runs may begin."""
        if RUNS in self.off():
            raise NotAllowed(
                "New runs are paused for everybody at the moment.", remedy="Try again later; the quote stays.", reason="paused"
            )
