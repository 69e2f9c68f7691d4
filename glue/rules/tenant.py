"""What we ourselves know about a tenant: who asked for it, what was chosen, granted and blocked. Facts nobody else owns."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from glue.rules.facts import Address, Role
from glue.rules.names import TenantId
from glue.rules.standing import Standing


class IntentKind(StrEnum):
    """What a person wants to become true of the subscription; one at a time, the newest wins."""

    SUBSCRIBE = "subscribe"
    CHANGE = "change"
    CANCEL_NOW = "cancel_now"
    CANCEL_AT_END = "cancel_at_end"
    KEEP = "keep"
    ERASE = "erase"


@dataclass(frozen=True, slots=True)
class Intent:
    """``number`` grows with every intent of the tenant: only the one that was fulfilled is taken off."""

    kind: IntentKind
    tier: str = ""
    number: int = 0
    asked_at: datetime | None = None
    asked_by: str = ""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Explicit grants on top of the tier. A limit of None is unlimited; what is not named here stays with the tier."""

    features: dict[str, bool] = field(default_factory=dict)
    limits: dict[str, int | None] = field(default_factory=dict)
    seats: int | None = None
    machines: int | None = None
    programs: int | None = None


@dataclass(frozen=True, slots=True)
class Identities:
    """How the three systems call this tenant, as far as was ever seen."""

    organization_id: str = ""
    customer_id: str = ""
    subscription_id: str = ""
    license_id: str = ""


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """One tenant as our own database has it. ``blocked`` is the reason of a block, empty for none."""

    id: TenantId
    display_name: str
    currency: str
    created_at: datetime
    owner_user_id: str = ""
    owner_joined: bool = False
    email: str = ""
    legal_name: str = ""
    tax_id: str = ""
    address: Address = field(default_factory=Address)
    locale: str = "en"
    intent: Intent | None = None
    blocked: str = ""
    overrides: Overrides = field(default_factory=Overrides)
    spend_cap_cents: int | None = None  # on usage, in a billing period
    license_generation: int = 1
    identities: Identities = field(default_factory=Identities)
    standing: Standing = Standing.PENDING
    told: Standing = Standing.PENDING
    tier: str = ""
    erased_at: datetime | None = None
    promised_roles: dict[str, tuple[Role, ...]] = field(default_factory=dict)  # address in lower case → roles its invitation named

    @property
    def is_erasing(self) -> bool:
        return self.intent is not None and self.intent.kind == IntentKind.ERASE
