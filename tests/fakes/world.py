"""Everything convergence needs, around fakes: for tests that tell a story."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from ruamel.yaml import YAML

from glue import dirty
from glue.actions.asking import Actions
from glue.actions.register import Registration, register
from glue.clock import FixedClock
from glue.converge.effects import Effects
from glue.converge.kinds import known_kinds
from glue.converge.mails import composer
from glue.converge.policies import PolicyBook
from glue.converge.run import Converge, Outcome
from glue.converge.systems import Ports, Systems
from glue.converge.tenants import Tenant
from glue.converge.timeline import read_timeline
from glue.converge.worker import Worker
from glue.db import Database, System
from glue.rules.names import TenantId
from glue.rules.snapshot import Snapshot
from glue.rules.terms import Terms
from glue.rules.tiers import Tier, Tiers, parse_tier
from tests.fakes import FakeKeycloak, FakeKeygen, FakeLago, FakeMail

CONFIG = Path(__file__).parents[2] / "config"
START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
SYSTEM = System("a test looks at everything")


def load_tiers() -> Tiers:
    yaml = YAML(typ="safe")
    return Tiers([parse_tier(yaml.load(file), file=file.name) for file in sorted((CONFIG / "tiers").glob("*.yaml"))])


def privileges(tier: Tier) -> dict:
    grants = {"seats": {"max": tier.seats}, "machines": {"max": tier.license.max_machines}, "programs": {"max": tier.programs}}
    grants |= {code: {"limit": meter.limit} for code, meter in tier.meters.items() if meter.limit is not None}
    return grants | {code: {"enabled": True} for code, on in tier.features.items() if on}


@dataclass
class Fence:
    """Remembers what it was asked; ``flushes`` says whether usage reaches Lago."""

    flushes: bool = True
    calls: list[str] = field(default_factory=list)

    def fence(self, tenant: TenantId) -> None:
        self.calls.append("fence")

    def flush_now(self, tenant: TenantId) -> bool:
        self.calls.append("flush")
        return self.flushes

    def unfence(self, tenant: TenantId) -> None:
        self.calls.append("unfence")


class World:
    def __init__(self, database: Database, *, scrub=()) -> None:
        self.database = database
        self.clock = FixedClock(START)
        self.tiers = load_tiers()
        plans = {plan.code: tier for tier in self.tiers for plan in tier.plans}
        self.keycloak = FakeKeycloak(self.clock)
        self.lago = FakeLago(
            self.clock,
            prices={code: tier.rank * 1000 for code, tier in plans.items()},
            entitlements={code: privileges(tier) for code, tier in plans.items()},
        )
        grants = {tier.license.policy: frozenset(code for code, on in tier.features.items() if on) for tier in self.tiers}
        self.keygen = FakeKeygen(self.clock, policies=grants)
        self.mail = FakeMail()
        self.systems = Systems(self.keycloak, self.lago, self.keygen, self.mail)
        self.snapshots: dict[str, Snapshot] = {}
        self.published: list[Snapshot] = []
        self.confirmed: list[tuple[frozenset[str], datetime]] = []
        self.seats: list[tuple[str, int]] = []
        self.fence = Fence()
        ports = Ports(
            publish=self._publish,
            confirm=lambda tenants, at: self.confirmed.append((frozenset(tenants), at)),
            record_seats=lambda tenant, seats, _at: self.seats.append((tenant, seats)),
            scrub=tuple(scrub),
            fence=self.fence,
        )
        self.ports = ports
        compose = composer(product="Coditect", portal_url="https://portal.example.test", support_address="help@example.test")
        self.effects = Effects(database, self.clock, known_kinds(self.systems, compose=compose))
        self.terms = Terms(
            self.tiers,
            product="coditect",
            redirect_url="https://portal.example.test/welcome",
            unit_prices={code: {"agent_credits": Decimal("0.04")} for code in plans},
        )
        self.policies = PolicyBook(self.keygen, product="coditect", expected=frozenset(grants))
        self.converge = Converge(
            database, self.clock, self.systems, terms=self.terms, policies=self.policies.ids, effects=self.effects, ports=ports
        )
        self.worker = Worker(database, self.clock, self.converge)
        self.actions = Actions(database, self.clock, self.systems, self.effects, self.tiers, product="coditect")

    def _publish(self, snapshot: Snapshot) -> None:
        self.snapshots[snapshot.tenant] = snapshot
        self.published.append(snapshot)

    # the cast

    def sign_up(self, name: str = "Alice", *, tier: str = "pro", nonce: str = "n1") -> TenantId:
        user = name.lower()
        self.keycloak.add_user(user, f"{user}@example.test")
        form = Registration(
            subject=user, nonce=nonce, display_name=f"{name}'s school", tier=tier, currency="USD", email=f"{user}@example.test"
        )
        return register(self.actions, form)

    def settled(self, name: str = "Alice", *, tier: str = "pro") -> TenantId:
        tenant = self.sign_up(name, tier=tier)
        self.drain()
        return tenant

    # time and work

    def drain(self) -> list[Outcome]:
        return self.worker.run_until_empty(limit=500)

    def mark(self, tenant: TenantId, why: str = "a test asks") -> None:
        with self.database.write(SYSTEM) as session:
            dirty.mark(session, tenant, why=why, now=self.clock.now(), priority=dirty.Priority.PERSON)

    def look(self, tenant: TenantId, why: str = "a test asks") -> list[Outcome]:
        self.mark(tenant, why)
        return self.drain()

    def pass_time(self, **by: float) -> list[Outcome]:
        self.clock.advance(**by)
        self.lago.tick()
        return self.drain()

    # looking

    def row(self, tenant: TenantId) -> Tenant:
        with self.database.read(SYSTEM) as session:
            return session.get_one(Tenant, tenant)

    def organization(self, tenant: TenantId):
        return next(one for one in self.keycloak.organizations.values() if one.alias == tenant)

    def license(self, tenant: TenantId):
        return self.keygen.licenses[self.row(tenant).license_id]

    def subscription(self, tenant: TenantId):
        rows = self.lago.subscriptions_of(tenant)
        return next((row for row in rows if row.status == "active"), None)

    def story(self, tenant: TenantId) -> list[str]:
        with self.database.read(tenant) as session:
            return [entry.text for entry in reversed(read_timeline(session, tenant, limit=500))]
