"""What a customer set for its own usage: a cap on spending, and mails at percentages of the cap and of the plan's limits."""

from collections.abc import Iterator
from decimal import Decimal

import sqlalchemy as sa
from sqlmodel import col

from glue.clock import Clock
from glue.converge.effects import plan_effect
from glue.converge.tenants import Tenant, get_tenant
from glue.converge.timeline import tell
from glue.db import Database, System
from glue.dirty import Priority, mark
from glue.errors import BadInput
from glue.meter.metering import Meter
from glue.rules.names import TenantId

LARGEST_CAP_CENTS = 10_000_000
_SCOPE = System("customers with alerts are looked at by time")


class Alerts:
    """Keeps the settings and writes the mails: each threshold once in a billing period."""

    def __init__(self, database: Database, clock: Clock, meter: Meter, *, portal_url: str) -> None:
        self._database, self._clock, self._meter, self._portal_url = database, clock, meter, portal_url

    def read(self, tenant: TenantId) -> tuple[int | None, tuple[int, ...]]:
        """The cap in cents (None: no cap) and the percentages."""
        with self._database.read(tenant) as session:
            row = get_tenant(session, tenant)
            return row.spend_cap_cents, _numbers(row.alerts)

    def set(self, tenant: TenantId, *, cap: str, percentages: str, by: str) -> None:
        """From words as typed: ``cap`` in whole currency with at most two decimals, or empty; ``percentages`` like "80, 100". Raises BadInput."""
        cap_cents, alerts = parse_cap(cap), parse_percentages(percentages)
        now = self._clock.now()
        with self._database.write(tenant) as session:
            row = get_tenant(session, tenant)
            row.spend_cap_cents, row.alerts = cap_cents, alerts
            session.add(row)
            tell(session, tenant, at=now, kind="asked", text="Changed the spend cap and alerts.", cause=f"Asked by {by}.")
            mark(session, tenant, why="the spend cap changed", now=now, priority=Priority.PERSON)

    def write_due(self) -> int:
        """Write what is due, for every customer that wants alerts; answers how many mails."""
        with self._database.read(_SCOPE) as session:
            tenants = session.scalars(sa.select(col(Tenant.tenant_id)).where(col(Tenant.alerts) != "", col(Tenant.erased_at).is_(None)))
            names = [TenantId(tenant) for tenant in tenants]
        return sum(self.write_for(tenant) for tenant in names)

    def write_for(self, tenant: TenantId) -> int:
        """The same for one customer."""
        snapshot = self._meter.snapshots.get(tenant)
        if snapshot is None or snapshot.period is None:
            return 0
        written, now = 0, self._clock.now()
        with self._database.write(tenant) as session:
            row = get_tenant(session, tenant)
            for what, share in self._shares(tenant):
                # Only the highest of those reached: nobody wants three mails at once.
                reached = max((percent for percent in _numbers(row.alerts) if share >= percent), default=0)
                if not reached or not row.email:
                    continue
                key = f"alert/{tenant}/{snapshot.period.started_at:%Y-%m-%d}/{what.replace(' ', '-')}/{reached}"
                text = f"{row.display_name} has used {reached} % of the {what} of this period.\n\n"
                text += f"Look at the usage, or change cap and alerts:\n{self._portal_url}/usage\n"
                payload = {"to": row.email, "subject": f"{reached} % of the {what} used", "text": text}
                if plan_effect(session, tenant, key=key, kind="mail", payload=payload, now=now):
                    mark(session, tenant, why=f"{reached} % of the {what} is used", now=now, priority=Priority.TIME)
                    written += 1
        return written

    def _shares(self, tenant: TenantId) -> Iterator[tuple[str, Decimal]]:
        snapshot = self._meter.snapshot_of(tenant)
        spend = self._meter.spend_of(snapshot)
        if spend is not None and spend[1]:
            yield "spend cap", spend[0] * 100 / spend[1]
        for code, figures in self._meter.usage_of_snapshot(snapshot)["meters"].items():
            if figures["limit"]:
                yield f"limit of {code.replace('_', ' ')}", Decimal(str(figures["used"])) * 100 / Decimal(str(figures["limit"]))


def parse_cap(text: str) -> int | None:
    """Cents; None for no cap. Raises BadInput."""
    text = text.strip().replace(",", ".")
    if not text:
        return None
    whole, _, part = text.partition(".")
    if not (whole.isascii() and whole.isdecimal() and len(part) <= 2 and (not part or (part.isascii() and part.isdecimal()))):
        raise BadInput("Please give an amount like 50 or 49.90, or nothing.", field="cap", expected="an amount")
    cents = int(whole) * 100 + int(part.ljust(2, "0") or 0)
    if cents > LARGEST_CAP_CENTS:
        raise BadInput("This amount is too large.", field="cap", expected=f"at most {LARGEST_CAP_CENTS // 100}")
    return cents


def parse_percentages(text: str) -> str:
    """As the row keeps them: at most five whole numbers from 1 to 100, ascending. Raises BadInput."""
    words = text.replace("%", " ").replace(",", " ").split()
    if len(words) > 5 or not all(word.isascii() and word.isdecimal() and 1 <= int(word) <= 100 for word in words):
        raise BadInput("Please give up to five numbers from 1 to 100, like 80, 100.", field="percentages", expected="80, 100")
    return ",".join(str(number) for number in sorted({int(word) for word in words}))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word)
