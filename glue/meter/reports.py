"""Reading what was metered: totals of the running period, charts, holds, and the way from an invoice line back to each fact."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import sqlalchemy as sa

from glue.clock import Clock
from glue.db import Database
from glue.errors import NotFound
from glue.meter.advice import read_books
from glue.meter.books import Books, Hold
from glue.meter.flush import transaction_id
from glue.meter.meters import Meters
from glue.meter.periods import from_micros, to_micros
from glue.meter.requests import Body, describe_hold
from glue.meter.tables import DAYS, FOLDS, HOLDS, JOURNAL
from glue.meter.units import as_decimal

MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class DayUsage:
    """Units of a meter on one day (UTC), for one value of a dimension when asked by one (empty: facts without it)."""

    day: str
    value: str
    units: Decimal
    events: int


@dataclass(frozen=True, slots=True)
class TracedFact:
    occurred_at: datetime
    recorded_at: datetime
    units: Decimal
    dimensions: dict[str, str]
    key: str | None
    hold_id: str | None
    flag: str


@dataclass(frozen=True, slots=True)
class TracedFold:
    """One event at Lago and the facts in it (at most a thousand are listed; ``events`` tells how many there are)."""

    id: str
    transaction_id: str
    units: Decimal
    events: int
    state: str
    billed_at: datetime | None
    facts: tuple[TracedFact, ...]


class Reports:
    """Reads the store; writes nothing."""

    def __init__(self, database: Database, *, clock: Clock, meters: Meters) -> None:
        self._database = database
        self._clock = clock
        self._meters = meters

    def books_of(self, tenant: str) -> Books:
        """The tenant's counters and open holds, exact at this moment."""
        return read_books(self._database, [tenant], now=to_micros(self._clock.now()))[tenant]

    def hold_of(self, tenant: str, hold_id: str) -> Body:
        """A hold as answers show it. Raises NotFound."""
        columns = [
            HOLDS.c[name] for name in ("id", "tenant_id", "meter", "units", "settled", "state", "created_at", "expires_at", "dimensions")
        ]
        with self._database.engine.connect() as connection:
            row = connection.execute(sa.select(*columns).where(HOLDS.c.id == hold_id, HOLDS.c.tenant_id == tenant)).one_or_none()
        if row is None:
            raise NotFound("There is no such hold.", remedy="Check its id.", hold=hold_id)
        return describe_hold(Hold(*row), to_micros(self._clock.now()))

    def usage_by_day(self, tenant: str, meter: str, *, since: datetime, dimension: str = "") -> list[DayUsage]:
        """Usage of each day from ``since`` on, oldest first; by the values of a dimension (member, program, agent) when named."""
        kind = self._meters.get(meter)
        query = sa.select(DAYS.c.day, DAYS.c.dimensions, DAYS.c.units, DAYS.c.events).where(
            DAYS.c.tenant_id == tenant, DAYS.c.meter == meter, DAYS.c.day >= since.date().isoformat()
        )
        totals: dict[tuple[str, str], tuple[int, int]] = {}
        with self._database.engine.connect() as connection:
            for day, dimensions, units, events in connection.execute(query):
                value = orjson.loads(dimensions).get(dimension, "") if dimension else ""
                before = totals.get((day, value), (0, 0))
                totals[day, value] = kind.combine(before[0], units), before[1] + events
        return [DayUsage(day, value, as_decimal(units), events) for (day, value), (units, events) in sorted(totals.items())]

    def trace_line(self, tenant: str, meter: str, *, from_at: datetime, to_at: datetime) -> list[TracedFold]:
        """What an invoice line of a meter and time span consists of: events sent to Lago, and the facts in each.

        Lago's spans end with their last second, so ``to_at`` counts whole.
        """
        query = (
            sa.select(FOLDS)
            .where(
                FOLDS.c.tenant_id == tenant, FOLDS.c.meter == meter, FOLDS.c.state == "sent",
                FOLDS.c.billed_at >= to_micros(from_at), FOLDS.c.billed_at < to_micros(to_at + timedelta(seconds=1)),
            )
            .order_by(FOLDS.c.billed_at)
        )  # fmt: skip
        with self._database.engine.connect() as connection:
            return [self._traced(connection, row) for row in connection.execute(query).all()]

    def _traced(self, connection: sa.Connection, fold: Any) -> TracedFold:
        rows = connection.execute(sa.select(JOURNAL).where(JOURNAL.c.fold_id == fold.id).order_by(JOURNAL.c.id).limit(MOST_ROWS))
        facts = tuple(
            TracedFact(
                occurred_at=from_micros(row.occurred_at),
                recorded_at=from_micros(row.recorded_at),
                units=as_decimal(row.units),
                dimensions=orjson.loads(row.dimensions),
                key=row.key,
                hold_id=row.hold_id,
                flag=row.flag,
            )
            for row in rows
        )
        return TracedFold(
            id=fold.id,
            transaction_id=transaction_id(fold.id),
            units=as_decimal(fold.units),
            events=fold.events,
            state=fold.state,
            billed_at=None if fold.billed_at is None else from_micros(fold.billed_at),
            facts=facts,
        )
