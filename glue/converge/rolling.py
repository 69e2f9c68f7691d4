"""The deep rolling pass: what no list shows (members, roles, machines, entitlements) is read again tenant by tenant."""

from dataclasses import dataclass

from sqlmodel import col, select

from glue.clock import Clock
from glue.converge.tenants import Tenant
from glue.db import Database, System
from glue.dirty import Priority, mark_all
from glue.rules.names import TenantId

REQUESTS_A_TENANT = 14  # what one look asks of the three systems
MOST_REQUESTS_A_SECOND = 12
_SCOPE = System("the rolling pass looks at everybody in turn")


@dataclass(frozen=True)
class Rolling:
    """Marks those who were not looked at for the longest time, as many as the pace allows. Call it every ``every_seconds``."""

    database: Database
    clock: Clock
    every_seconds: float = 10

    def __call__(self) -> list[TenantId]:
        share = max(int(self.every_seconds * MOST_REQUESTS_A_SECOND / REQUESTS_A_TENANT), 1)
        oldest = select(Tenant.tenant_id).where(col(Tenant.erased_at).is_(None), col(Tenant.converged_at).is_not(None))
        with self.database.write(_SCOPE) as session:
            tenants = [TenantId(tenant) for tenant in session.exec(oldest.order_by(col(Tenant.converged_at)).limit(share))]
            mark_all(session, tenants, why="The rolling pass looks at everybody in turn.", now=self.clock.now(), priority=Priority.FAN_OUT)
        return tenants
