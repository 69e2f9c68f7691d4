"""What `check` answers from: each asked tenant's counters and open holds as last seen, in memory.

Commits of this process show at once; what others commit and what expires shows within a second. Advice, not a promise.
"""

import threading
from collections.abc import Iterable

import sqlalchemy as sa

from glue.clock import Clock
from glue.db import Database
from glue.meter.books import Books
from glue.meter.periods import to_micros
from glue.meter.tables import COUNTERS, HOLDS, in_state

MOST_IN_MEMORY = 20_000
_CHUNK = 500


class Advice:
    """Books of one tenant each, for reading only. Thread-safe."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._books: dict[str, Books] = {}
        self._asked: set[str] = set()
        self._lock = threading.Lock()

    def in_memory(self, tenant: str) -> Books | None:
        self._asked.add(tenant)
        return self._books.get(tenant)

    def get(self, tenant: str) -> Books:
        """From memory, else read now."""
        books = self.in_memory(tenant)
        if books is None:
            self._read([tenant])
            books = self._books[tenant]
        return books

    def refresh(self) -> None:
        """Read again what was asked for since the last time; called every second."""
        asked, self._asked = self._asked, set()
        self._read([tenant for tenant in asked if tenant in self._books])

    def committed(self, books: Books) -> None:
        """Take over what this process has just committed."""
        for tenant, meter, period in books.changed_counters:
            if (known := self._books.get(tenant)) is not None:
                known.counters[tenant, meter, period] = books.counters[tenant, meter, period]
        for (tenant, meter), held in books.held.items():
            if (known := self._books.get(tenant)) is not None:
                known.held[tenant, meter] = held

    def _read(self, tenants: Iterable[str]) -> None:
        waiting = list(tenants)
        for start in range(0, len(waiting), _CHUNK):
            fresh = read_books(self._database, waiting[start : start + _CHUNK], now=to_micros(self._clock.now()))
            with self._lock:
                self._books.update(fresh)
                while len(self._books) > MOST_IN_MEMORY:
                    self._books.pop(next(iter(self._books)))


def read_books(database: Database, tenants: list[str], *, now: int) -> dict[str, Books]:
    """Counters and open holds of some tenants as the store has them."""
    books = {tenant: Books(now) for tenant in tenants}
    open_holds = (
        sa.select(HOLDS.c.tenant_id, HOLDS.c.meter, sa.func.sum(HOLDS.c.units), sa.func.count())
        .where(in_state(HOLDS, "open"), HOLDS.c.expires_at > now, HOLDS.c.tenant_id.in_(tenants))
        .group_by(HOLDS.c.tenant_id, HOLDS.c.meter)
    )
    with database.engine.connect() as connection:
        for tenant, meter, period, used in connection.execute(sa.select(COUNTERS).where(COUNTERS.c.tenant_id.in_(tenants))):
            books[tenant].counters[tenant, meter, period] = used
        for tenant, meter, units, number in connection.execute(open_holds):
            books[tenant].held[tenant, meter] = int(units), number
    return books
