"""What the hot path knows about a tenant: everything that `check` needs, decided beforehand by convergence."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from glue.rules.facts import Role
from glue.rules.names import TenantId
from glue.rules.standing import Standing
from glue.rules.tiers import BlindAllowance


@dataclass(frozen=True, slots=True)
class MeterGrant:
    """Limit per billing period in units (None: unlimited). ``blind``: deny, allow, or an allowance."""

    limit: int | None
    hard: bool
    blind: str | BlindAllowance = "deny"


@dataclass(frozen=True, slots=True)
class LicenseGrant:
    """A license as the hot path sees it, found by the SHA-256 of its key (hex)."""

    id: str
    key_digest: str
    usable: bool
    reason: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """The running billing period and the subscription row usage is sent to. Half-open: [started_at, ends_at).

    ``downgrade_waiting``: another row takes over soon after this period's end. ``quota_from`` is filled in at publication:
    the first day that limits count from, which an upgrade in mid-period does not move.
    """

    subscription_external_id: str
    subscription_lago_id: str
    plan_code: str
    subscription_started_at: datetime
    started_at: datetime
    ends_at: datetime
    downgrade_waiting: bool = False
    quota_from: date | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One tenant at one instant. ``version`` grows with every publication; ``confirmed_at`` is when it was last seen true.

    ``unbilled_since``: start of the oldest period whose invoice we have not seen; prepaid balances pay from there on.
    """

    tenant: TenantId
    version: int
    standing: Standing
    reason: str
    tier: str
    confirmed_at: datetime
    features: dict[str, bool] = field(default_factory=dict)
    meters: dict[str, MeterGrant] = field(default_factory=dict)
    period: Period | None = None
    members: dict[str, frozenset[Role]] = field(default_factory=dict)  # user id (token `sub`) → roles; programs are members too
    licenses: tuple[LicenseGrant, ...] = ()
    prepaid_balance_cents: int | None = None
    unit_prices: dict[str, Decimal] = field(default_factory=dict)  # meter → highest price of a unit, for prepaid checks
    free_units: dict[str, int] = field(default_factory=dict)  # meter → units of a period that the plan includes
    spend_cap_cents: int | None = None  # what the customer wants to spend on usage in a period at most
    run_concurrency: int = 1
    max_credits_per_run: int = 0
    unbilled_since: datetime | None = None
