"""Does Lago count what we sent? Every tenant is looked at once a day, and once more in the last hour of its period."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol

import sqlalchemy as sa
import structlog
from prometheus_client import Gauge

from glue.clock import Clock
from glue.db import Database
from glue.errors import UpstreamError
from glue.meter.meters import Meters
from glue.meter.periods import period_end, to_micros
from glue.meter.snapshots import Snapshots
from glue.meter.tables import FOLDS
from glue.meter.units import as_decimal
from glue.rules.facts import CurrentUsage
from glue.rules.names import TenantId

DIFFERENT = Gauge("glue_usage_differences", "Tenants whose usage Lago counts otherwise than we sent it.")

DIGESTION = timedelta(minutes=2)
LAST_HOUR = timedelta(hours=1)
log = structlog.get_logger()


class ShowsUsage(Protocol):
    """What we need of Lago."""

    def current_usage(self, external_customer_id: str, subscription_external_id: str) -> CurrentUsage | None: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """A meter that Lago counts otherwise than we do: ``ours`` was sent for the running period, ``theirs`` is what it shows."""

    meter: str
    ours: Decimal
    theirs: Decimal


class Totals:
    """Compares sums. ``differences`` are the last findings by tenant."""

    def __init__(self, database: Database, snapshots: Snapshots, *, meters: Meters, clock: Clock, lago: ShowsUsage) -> None:
        self._database = database
        self._snapshots = snapshots
        self._meters = meters
        self._clock = clock
        self._lago = lago
        self._turn: deque[str] = deque()
        self._looked_at: dict[str, datetime] = {}
        self.differences: dict[TenantId, list[Difference]] = {}

    def look_at_next(self) -> None:
        """Compare one tenant, if one is due."""
        now = self._clock.now()
        if not self._turn:
            self._turn.extend(self._snapshots.all_tenants())
        for _ in range(min(len(self._turn), 100)):
            tenant = TenantId(self._turn.popleft())
            if self._is_due(tenant, now):
                try:
                    found = self.compare(tenant)
                except UpstreamError as error:
                    self._turn.append(tenant)
                    log.warning("usage_not_compared", tenant=tenant, error=str(error))
                    return
                self._looked_at[tenant] = now
                self.differences.pop(tenant, None)
                if found:
                    self.differences[tenant] = found
                    log.warning(
                        "usage_differs", tenant=tenant, differences=[f"{one.meter}: {one.ours} sent, {one.theirs} shown" for one in found]
                    )
                DIFFERENT.set(len(self.differences))
                return

    def _is_due(self, tenant: TenantId, now: datetime) -> bool:
        looked_at = self._looked_at.get(tenant)
        if looked_at is None or now - looked_at >= timedelta(days=1):
            return True
        snapshot = self._snapshots.get(tenant)
        if snapshot is None or snapshot.period is None:
            return False
        last_hour = period_end(snapshot.period) - LAST_HOUR
        return looked_at < last_hour <= now

    def compare(self, tenant: TenantId) -> list[Difference]:
        """Meters that Lago's current usage shows otherwise than what we sent for it; empty when all agree.

        What is on its way, or was sent within the last two minutes and may not be digested, may be there or not. A meter
        that the plan does not charge is not shown and not compared.
        """
        snapshot = self._snapshots.get(tenant)
        if snapshot is None or snapshot.period is None:
            return []
        usage = self._lago.current_usage(tenant, snapshot.period.subscription_external_id)
        if usage is None:
            return []
        digested_at = to_micros(self._clock.now() - DIGESTION)
        least: dict[str, int] = {}
        most: dict[str, int] = {}
        query = sa.select(FOLDS).where(
            FOLDS.c.tenant_id == tenant,
            FOLDS.c.state.in_(("sending", "sent")),
            FOLDS.c.billed_at.between(to_micros(usage.from_at), to_micros(usage.to_at + timedelta(seconds=1)) - 1),
        )
        with self._database.engine.connect() as connection:
            folds = connection.execute(query.order_by(FOLDS.c.billed_at)).all()
        for fold in folds:
            kind = self._meters.get(fold.meter)
            if fold.state == "sent" and fold.sent_at <= digested_at:
                least[fold.meter] = kind.combine(least.get(fold.meter, 0), fold.units)
            most[fold.meter] = kind.combine(most.get(fold.meter, 0), fold.units)
        return [
            Difference(charge.meter, as_decimal(most.get(charge.meter, 0)), charge.units)
            for charge in sorted(usage.charges, key=lambda charge: charge.meter)
            if not as_decimal(least.get(charge.meter, 0)) <= charge.units <= as_decimal(most.get(charge.meter, 0))
        ]
