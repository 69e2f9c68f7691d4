"""The sweep finds what no hint told: it lists all three systems, compares digests, and marks only tenants that differ.

A list is never a fact: what is missing in one only makes us look. Identities of the upstreams are compared first.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import structlog
from sqlmodel import Field, SQLModel, col, select

from glue.clock import Clock
from glue.converge.digests import digest_customer, digest_license, digest_organization, digest_subscriptions
from glue.converge.systems import Ports, Systems
from glue.converge.tenants import Tenant
from glue.db import Database, System, Utc
from glue.dirty import Priority, mark_all
from glue.errors import Conflict
from glue.rules.facts import Subscription
from glue.rules.names import TenantId
from glue.rules.standing import Standing
from glue.upstream.calling import Page

T = TypeVar("T")
log = structlog.get_logger()

ORGANIZATIONS_A_PAGE, ROWS_A_PAGE, LICENSES_A_PAGE = 1000, 1000, 100
_SCOPE = System("the sweep compares all tenants with the lists of the three systems")
_LATE = {Standing.PAST_DUE.value, Standing.SUSPENDED.value}


class Pin(SQLModel, table=True):
    """An upstream's identity as it was when we first met it: another one under the same address stops the sweep."""

    __tablename__ = "pins"

    upstream: str = Field(primary_key=True)
    identity: str
    seen_at: datetime = Field(sa_type=Utc)


@dataclass
class Lists:
    """What the three systems list, as digests by tenant; ``overdue`` are tenants with an overdue invoice."""

    organization: dict[str, str] = field(default_factory=dict)
    customer: dict[str, str] = field(default_factory=dict)
    subscriptions: dict[str, str] = field(default_factory=dict)
    license: dict[str, str] = field(default_factory=dict)
    overdue: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Swept:
    """How many tenants were compared, and which differed and are looked at now."""

    tenants: int
    differing: tuple[TenantId, ...]


class Sweep:
    """Built once per process. ``paused`` is why convergence must not go on, empty when all is well."""

    def __init__(self, database: Database, clock: Clock, systems: Systems, *, pins: Mapping[str, Callable[[], str]], ports: Ports) -> None:
        self._database, self._clock, self._systems = database, clock, systems
        self._pins, self._ports = pins, ports
        self.paused = ""

    def __call__(self) -> Swept:
        """Compare everything once. Raises Conflict when an upstream is not the one we know, UpstreamUnavailable."""
        self.compare_pins()
        # Taken before the lists: a tenant converged meanwhile is newer than what they show.
        started = self._clock.now()
        with self._database.read(_SCOPE) as session:
            rows = list(session.exec(select(Tenant).where(col(Tenant.erased_at).is_(None))))
        lists = self._read({row.license_id: row.tenant_id for row in rows if row.license_id})
        differing = [
            TenantId(row.tenant_id) for row in rows if row.converged_at is not None and row.converged_at < started and _differs(row, lists)
        ]
        never = [TenantId(row.tenant_id) for row in rows if row.converged_at is None]
        with self._database.write(_SCOPE) as session:
            mark_all(session, differing + never, why="the sweep found a difference", now=self._clock.now(), priority=Priority.HINT)
        alike = [TenantId(row.tenant_id) for row in rows if row.converged_at is not None and row.tenant_id not in set(differing)]
        self._ports.confirm(alike, started)
        log.info("swept", tenants=len(rows), differing=len(differing))
        return Swept(len(rows), tuple(differing))

    def compare_pins(self) -> None:
        """Meet an upstream, or compare it with the one we met. Raises Conflict and pauses convergence for a stranger."""
        found = {name: read() for name, read in self._pins.items()}
        with self._database.write(_SCOPE) as session:
            for name, identity in found.items():
                pin = session.get(Pin, name)
                if pin is None:
                    session.add(Pin(upstream=name, identity=identity, seen_at=self._clock.now()))
                elif pin.identity != identity:
                    self.paused = f"{name} is not the one we know: {identity} instead of {pin.identity}."
                    raise Conflict(self.paused, remedy="Correct its address, or remove the pin if it was replaced on purpose.")
        self.paused = ""

    def _read(self, tenant_by_license: Mapping[str, str]) -> Lists:
        lists = Lists()
        for organization in _by_offset(lambda first: self._systems.keycloak.list_organizations(first=first, limit=ORGANIZATIONS_A_PAGE)):
            lists.organization[organization.alias] = digest_organization(organization)
        lago = self._systems.lago
        for customer in _by_page(lambda page: lago.list_customers(page=page, per_page=ROWS_A_PAGE)):
            lists.customer[customer.external_id] = digest_customer(customer)
        rows: dict[str, list[Subscription]] = defaultdict(list)
        for row in _by_page(lambda page: lago.list_subscriptions(page=page, per_page=ROWS_A_PAGE)):
            rows[row.customer_external_id].append(row)
        lists.subscriptions = {tenant: digest_subscriptions(own) for tenant, own in rows.items()}
        for invoice in _by_page(lambda page: lago.list_invoices(page=page, per_page=ROWS_A_PAGE, overdue=True)):
            if invoice.payment_overdue and invoice.is_open:
                lists.overdue.add(invoice.customer_external_id)
        for found in _by_page(lambda page: self._systems.keygen.list_licenses(page=page, per_page=LICENSES_A_PAGE)):
            if found.id in tenant_by_license:
                lists.license[tenant_by_license[found.id]] = digest_license(found)
        return lists


def _differs(row: Tenant, lists: Lists) -> bool:
    listed = {
        "organization": lists.organization.get(row.tenant_id, ""),
        "customer": lists.customer.get(row.tenant_id, ""),
        "subscriptions": lists.subscriptions.get(row.tenant_id, digest_subscriptions(())),
        "license": lists.license.get(row.tenant_id, ""),
    }
    late = row.standing in _LATE and not row.blocked
    return any(row.seen.get(part) != digest for part, digest in listed.items()) or (row.tenant_id in lists.overdue) != late


def _by_offset(fetch: Callable[[int], list[T]]) -> Iterator[T]:
    first = 0
    while page := fetch(first):
        yield from page
        first += len(page)
        if len(page) < ORGANIZATIONS_A_PAGE:
            return


def _by_page(fetch: Callable[[int], Page[T]]) -> Iterable[T]:
    number: int | None = 1
    while number is not None:
        page = fetch(number)
        yield from page.items
        number = page.next_page
