"""Which processes carry out runs, by leases on the real clock: one that stopped renewing is dead, and its runs are taken over."""

from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col, select

from glue.agents.tables import ExecutorLease
from glue.clock import Clock
from glue.db import Database, System

LEASE = timedelta(seconds=15)
_EXECUTORS = System("processes that carry out runs are nobody's in particular")


class Leases:
    """Taken again every few seconds. A process that only slept and finds its runs taken over does no harm: steps are done once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def take(self, executor_id: str) -> None:
        until = self._clock.wall() + LEASE
        with self._database.write(_EXECUTORS) as session:
            session.merge(ExecutorLease(id=executor_id, until_wall=until))

    def expired(self) -> list[str]:
        with self._database.read(_EXECUTORS) as session:
            return list(session.exec(select(ExecutorLease.id).where(col(ExecutorLease.until_wall) < self._clock.wall())))

    def drop(self, executor_id: str) -> None:
        with self._database.write(_EXECUTORS) as session:
            session.execute(sa.delete(ExecutorLease).where(col(ExecutorLease.id) == executor_id))
