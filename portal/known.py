"""What was last read of the three systems, so that pages answer while one of them does not: with what is known, and since when."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from glue.actions.asking import Actions
from glue.actions.machines import LicenseView, read_license
from glue.actions.team import read_team
from glue.errors import Unavailable, UpstreamError
from glue.rules.facts import Invitation, Invoice, Member, Observed, Subscription
from glue.rules.names import TenantId
from glue.rules.seats import SeatUse
from glue.rules.standing import StandingFacts, decide_standing

T = TypeVar("T")
MOST = 5_000
REST_SECONDS = 8.0  # so long an upstream that just failed is not asked again: nobody waits for its time-out twice


@dataclass(frozen=True)
class Look(Generic[T]):
    """``value`` as read now, or as it was at ``stale_since``; None when it was never seen and cannot be read."""

    value: T | None
    stale_since: datetime | None = None


@dataclass(frozen=True)
class Team:
    members: tuple[Member, ...]
    invitations: tuple[Invitation, ...]
    seats: SeatUse


@dataclass(frozen=True)
class Money:
    """Subscription rows of all times and invoices, newest first. ``by_card``: the customer is linked to a payment provider."""

    subscriptions: tuple[Subscription, ...]
    invoices: tuple[Invoice, ...]
    by_card: bool

    @property
    def active(self) -> Subscription | None:
        return next((row for row in self.subscriptions if row.status == "active"), None)


@dataclass
class _Entry:
    value: Any
    at: datetime
    read_at: float


class Known:
    """One per process, bounded. Thread-safe. ``fresh_seconds`` says how old an answer may be without asking again."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._resting: dict[str, float] = {}
        self._failed_at: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def team(self, tenant: TenantId, *, fresh_seconds: float = 0) -> Look[Team]:
        return self.look(tenant, "keycloak", "team", lambda: Team(*read_team(self._actions, tenant)), fresh_seconds=fresh_seconds)

    def license(self, tenant: TenantId, *, fresh_seconds: float = 0) -> Look[LicenseView]:
        """A value of None without ``stale_since``: the license is not made yet."""
        return self.look(tenant, "keygen", "license", lambda: read_license(self._actions, tenant), fresh_seconds=fresh_seconds)

    def money(self, tenant: TenantId, *, fresh_seconds: float = 0) -> Look[Money]:
        lago = self._actions.systems.lago

        def read() -> Money:
            customer = lago.find_customer(tenant)
            return Money(lago.subscriptions_of(tenant), lago.invoices_of(tenant), bool(customer and customer.payment_provider))

        return self.look(tenant, "lago", "money", read, fresh_seconds=fresh_seconds)

    def standing(self, tenant: TenantId, *, fresh_seconds: float = 0) -> StandingFacts:
        """How the tenant stands, as it is enforced now; with trial and grace ends while Lago can be (or could be) read."""
        record, money = self._actions.record(tenant), self.money(tenant, fresh_seconds=fresh_seconds).value
        if money is None:
            return StandingFacts(record.standing, "")
        now = self._actions.clock.now()
        observed = Observed(at=now, subscriptions=money.subscriptions, invoices=money.invoices)
        active = money.active
        tier = self._actions.tiers.of_plan(active.plan_code) if active else None
        facts = decide_standing(observed, tier, now=now, blocked=record.blocked)
        return facts if facts.standing == record.standing else replace(facts, standing=record.standing, reason="")

    def look(self, tenant: TenantId, upstream: str, part: str, read: Callable[[], T | None], *, fresh_seconds: float = 0) -> Look[T]:
        """Read now; when the upstream does not answer, what was read last."""
        entry = self._entries.get((tenant, part))
        now = time.monotonic()
        if entry is not None and now - entry.read_at < fresh_seconds:
            return Look(entry.value)
        if now >= self._resting.get(upstream, 0):
            try:
                value = read()
            except (UpstreamError, Unavailable) as error:
                if isinstance(error, UpstreamError):
                    self._resting[upstream] = time.monotonic() + REST_SECONDS
                    self._failed_at.setdefault(upstream, self._actions.clock.now())
            else:
                self._failed_at.pop(upstream, None)
                self._keep(tenant, part, value)
                return Look(value)
        if entry is None:
            return Look(None, self._failed_at.get(upstream, self._actions.clock.now()))
        return Look(entry.value, entry.at)

    def failing_since(self, upstream: str) -> datetime | None:
        """When a page first failed to read this upstream; None while it answers."""
        return self._failed_at.get(upstream)

    def forget(self, tenant: TenantId) -> None:
        """Nothing of this tenant stays in memory."""
        with self._lock:
            for key in [key for key in self._entries if key[0] == tenant]:
                del self._entries[key]

    def _keep(self, tenant: TenantId, part: str, value: Any) -> None:
        with self._lock:
            self._entries[tenant, part] = _Entry(value, self._actions.clock.now(), time.monotonic())
            self._entries.move_to_end((tenant, part))
            while len(self._entries) > MOST:
                self._entries.popitem(last=False)
