"""How an action is done: write down what was asked, mark the tenant, do at once what a person waits for."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from glue.clock import Clock
from glue.converge.effects import SENDING_LASTS, Effects, plan_effect
from glue.converge.systems import Systems
from glue.converge.tenants import get_tenant, set_intent
from glue.converge.timeline import tell
from glue.db import Database
from glue.dirty import Priority, mark, wait_until_settled
from glue.rules.entitlements import Grants, decide_grants
from glue.rules.names import TenantId
from glue.rules.tenant import IntentKind, TenantRecord
from glue.rules.tiers import Tier, Tiers


@dataclass(frozen=True)
class Actions:
    """What every action needs. One per process."""

    database: Database
    clock: Clock
    systems: Systems
    effects: Effects
    tiers: Tiers
    product: str
    locks: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def record(self, tenant: TenantId) -> TenantRecord:
        """What we know about the tenant. Raises NotFound."""
        from glue.converge.tenants import record_of

        with self.database.read(tenant) as session:
            return record_of(get_tenant(session, tenant))

    def tier(self, tenant: TenantId) -> Tier | None:
        """The tier it is on; None before the first subscription and for a plan that the files do not know."""
        with self.database.read(tenant) as session:
            return self.tiers.find(get_tenant(session, tenant).tier)

    def grants(self, tenant: TenantId) -> Grants:
        """What it was granted."""
        return decide_grants(self.tier(tenant), self.record(tenant).overrides)

    def ask(self, tenant: TenantId, kind: IntentKind, *, by: str, text: str, tier: str = "") -> None:
        """Write down what should become true of the subscription; the newest wish wins."""
        now = self.clock.now()
        with self.database.write(tenant) as session:
            row = get_tenant(session, tenant)
            set_intent(row, kind, tier=tier, now=now, by=by)
            session.add(row)
            tell(session, tenant, at=now, kind="asked", text=text, cause=f"Asked by {by}.")
            mark(session, tenant, why=text, now=now, priority=Priority.PERSON)

    def change(self, tenant: TenantId, *, by: str, text: str, **fields: Any) -> None:
        """Set fields of our own record of the tenant."""
        now = self.clock.now()
        with self.database.write(tenant) as session:
            row = get_tenant(session, tenant)
            for name, value in fields.items():
                setattr(row, name, value)
            session.add(row)
            tell(session, tenant, at=now, kind="asked", text=text, cause=f"Asked by {by}.")
            mark(session, tenant, why=text, now=now, priority=Priority.PERSON)

    def do(self, tenant: TenantId, kind: str, payload: dict[str, Any], *, key: str, by: str, text: str) -> Any:
        """Plan an effect and perform it now; its answer, None when the same ``key`` was done before.

        What an upstream cannot do now stays planned or in doubt and is taken up by convergence; the error is raised all the same.
        """
        now, wall = self.clock.now(), self.clock.wall()
        with self.database.write(tenant) as session:
            get_tenant(session, tenant)
            planned = plan_effect(session, tenant, key=key, kind=kind, payload=payload, now=now, taken_at=wall)
            if planned:
                tell(session, tenant, at=now, kind="asked", text=text, cause=f"Asked by {by}.")
                # Should this process end in between, the worker finds it after the time that a call may take.
                mark(session, tenant, why=text, now=now, due_at=now + SENDING_LASTS, priority=Priority.HINT)
        try:
            return self.effects.perform(key, taken=True) if planned else None
        finally:
            with self.database.write(tenant) as session:
                mark(session, tenant, why=text, now=self.clock.now(), priority=Priority.PERSON)

    def wait_until_settled(self, tenant: TenantId, *, seconds: float) -> bool:
        """Wait until nothing is due for the tenant; False when it takes longer."""
        return wait_until_settled(self.database, self.clock, tenant, timeout_seconds=seconds)

    @contextmanager
    def one_at_a_time(self, name: str) -> Iterator[None]:
        """Among all processes: a real Keygen lets parallel activations take more machines than there are."""
        with self.locks[name]:
            if self.database.is_sqlite:
                yield
                return
            with self.database.engine.connect() as connection:
                connection.execute(sa.text("select pg_advisory_lock(hashtext(:name))"), {"name": name})
                try:
                    yield
                finally:
                    connection.execute(sa.text("select pg_advisory_unlock(hashtext(:name))"), {"name": name})
