"""What the three systems say, in our own narrow types. Adapters make these; decisions read them.

Instants are UTC; money is integer cents of the invoice's or plan's currency; units and prices are Decimal.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


class Role(StrEnum):
    """A person's role in a tenant, kept as a group of the organization."""

    ADMIN = "admin"
    BILLING = "billing"
    MEMBER = "member"


# --- Keycloak ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    alias: str
    name: str
    enabled: bool
    description: str = ""
    redirect_url: str = ""
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """``managed`` members lose their account when they are removed. ``service_account`` members are programs."""

    user_id: str
    username: str
    email: str
    enabled: bool
    managed: bool
    roles: frozenset[Role] = frozenset()
    first_name: str = ""
    last_name: str = ""
    service_account: bool = False


@dataclass(frozen=True, slots=True)
class Invitation:
    id: str
    email: str
    status: str  # PENDING or EXPIRED
    sent_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    id: str
    username: str
    email: str
    email_verified: bool
    enabled: bool
    first_name: str = ""
    last_name: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class IdentityEvent:
    """One of Keycloak's admin or user events: ``organization_id`` and ``user_id`` as far as it names them."""

    id: str
    at: datetime
    kind: str  # for example ORGANIZATION_MEMBERSHIP.CREATE or INVITE_ORG
    organization_id: str | None
    user_id: str | None
    path: str = ""


# --- Lago -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    line1: str = ""
    line2: str = ""
    zipcode: str = ""
    city: str = ""
    state: str = ""
    country: str = ""  # ISO 3166 alpha-2


@dataclass(frozen=True, slots=True)
class Customer:
    external_id: str
    lago_id: str
    name: str
    email: str
    currency: str | None
    legal_name: str = ""
    tax_id: str = ""
    address: Address = field(default_factory=Address)
    net_payment_term_days: int | None = None
    payment_provider: str = ""
    payment_provider_code: str = ""
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One row of Lago; a tenant's subscription is several rows over time with one ``external_id``: key on ``lago_id``."""

    lago_id: str
    external_id: str
    customer_external_id: str
    plan_code: str
    status: str  # pending, active, terminated, canceled, incomplete
    started_at: datetime | None
    ending_at: datetime | None
    terminated_at: datetime | None
    canceled_at: datetime | None
    trial_ended_at: datetime | None
    previous_plan_code: str | None
    next_plan_code: str | None
    downgrade_plan_date: date | None
    created_at: datetime
    period_started_at: datetime | None = None  # current billing period
    period_ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """A fee. ``precise_units`` priced at ``precise_unit_price``; ``kind`` is subscription, charge, add_on, credit…"""

    lago_id: str
    kind: str
    name: str
    code: str
    units: Decimal
    unit_price: Decimal
    amount_cents: int
    taxes_cents: int
    subscription_external_id: str | None
    from_at: datetime | None
    to_at: datetime | None


class ReductionKind(StrEnum):
    """As Lago names the amounts."""

    PROGRESSIVE_BILLING = "progressive_billing_credit"
    COUPONS = "coupons"
    CREDIT_NOTES = "credit_notes"
    PREPAID = "prepaid_credit"


@dataclass(frozen=True, slots=True)
class Reduction:
    """What an invoice takes off its lines."""

    kind: ReductionKind
    cents: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """The lines' amounts, less ``reductions``, with ``taxes_cents`` are ``total_cents``."""

    lago_id: str
    number: str
    kind: str  # subscription, one_off, credit, …
    status: str  # draft, finalized, voided, failed, pending
    payment_status: str  # pending, succeeded, failed
    payment_overdue: bool
    currency: str
    total_cents: int
    total_due_cents: int
    issuing_date: date
    payment_due_date: date
    customer_external_id: str
    file_url: str = ""
    taxes_cents: int = 0
    reductions: tuple[Reduction, ...] = ()
    lines: tuple[InvoiceLine, ...] = ()

    @property
    def is_open(self) -> bool:
        """Still to be paid."""
        return self.status == "finalized" and self.payment_status != "succeeded" and self.total_cents > 0


@dataclass(frozen=True, slots=True)
class ChargeUsage:
    """Current usage of one meter as Lago counts it."""

    meter: str
    units: Decimal
    events_count: int
    amount_cents: int


@dataclass(frozen=True, slots=True)
class CurrentUsage:
    from_at: datetime
    to_at: datetime
    currency: str
    amount_cents: int
    charges: tuple[ChargeUsage, ...]


@dataclass(frozen=True, slots=True)
class Wallet:
    lago_id: str
    code: str
    name: str
    status: str
    currency: str
    balance_cents: int
    credits_balance: Decimal
    rate: Decimal
    expires_at: datetime | None


PrivilegeValue = str | int | bool
Entitlements = dict[str, dict[str, PrivilegeValue]]  # feature code → privilege code → value


# --- Keygen -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class License:
    id: str
    key: str
    policy_id: str
    expiry: datetime | None
    suspended: bool
    status: str
    max_machines: int | None
    metadata: dict[str, str] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """``last_seen_at`` is when it last sent a heartbeat or had its file signed anew."""

    id: str
    license_id: str
    fingerprint: str
    name: str
    platform: str
    created_at: datetime
    last_seen_at: datetime | None
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class LicenseFile:
    """A signed certificate (PEM-like text) and the instants it is good for."""

    certificate: str
    issued_at: datetime
    expires_at: datetime | None


# --- all together -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at a tenant's three systems. A name in ``failed`` means that part could not be read: unknown, not absent.

    ``None`` and empty tuples mean "read, and not there". Names of parts: organization, members, invitations,
    customer, subscriptions, invoices, wallets, entitlements, license, machines.
    """

    at: datetime
    organization: Organization | None = None
    members: tuple[Member, ...] = ()
    invitations: tuple[Invitation, ...] = ()
    customer: Customer | None = None
    subscriptions: tuple[Subscription, ...] = ()
    invoices: tuple[Invoice, ...] = ()
    wallets: tuple[Wallet, ...] = ()
    entitlements: Entitlements = field(default_factory=dict)
    license: License | None = None
    license_entitlements: frozenset[str] = frozenset()
    machines: tuple[Machine, ...] = ()
    failed: frozenset[str] = frozenset()

    @property
    def active_subscription(self) -> Subscription | None:
        return next((row for row in self.subscriptions if row.status == "active"), None)
