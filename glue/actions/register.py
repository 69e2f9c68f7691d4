"""Becoming a customer: an intent first, then convergence makes organization, member, customer, subscription and license."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from sqlmodel import Session, select

from glue.actions.asking import Actions
from glue.converge.tenants import Tenant, set_intent
from glue.converge.timeline import tell
from glue.db import System
from glue.dirty import Priority, mark
from glue.errors import BadInput
from glue.rules.facts import Address
from glue.rules.names import TenantId, new_tenant_id
from glue.rules.tenant import IntentKind

_SCOPE = System("a person who registers has no tenant yet")


@dataclass(frozen=True)
class Registration:
    """What a new customer gave. ``subject`` is the person's id in Keycloak; ``nonce`` that of the form they sent."""

    subject: str
    nonce: str
    display_name: str
    tier: str
    currency: str
    email: str
    legal_name: str = ""
    tax_id: str = ""
    address: Address = field(default_factory=Address)
    locale: str = "en"


def register(actions: Actions, registration: Registration, *, joining: Callable[[Session, Tenant], None] | None = None) -> TenantId:
    """Write the customer down and mark it; the same form sent again gives the same tenant. Raises BadInput, ConfigInvalid.

    ``joining`` happens in the same transaction for a new customer: what it raises, undoes the registration.
    """
    if not registration.display_name.strip() or len(registration.display_name) > 80:
        raise BadInput("Please give a name of at most 80 characters.", field="name")
    actions.tiers.get(registration.tier).plan_for(registration.currency)
    key, now = f"{registration.subject}:{registration.nonce}", actions.clock.now()
    with actions.database.write(_SCOPE) as session:
        known = session.exec(select(Tenant).where(Tenant.registration_key == key)).first()
        if known is not None:
            return TenantId(known.tenant_id)
        tenant = new_tenant_id(now)
        row = Tenant(
            tenant_id=tenant,
            registration_key=key,
            display_name=registration.display_name.strip(),
            currency=registration.currency,
            locale=registration.locale,
            owner_user_id=registration.subject,
            email=registration.email,
            legal_name=registration.legal_name,
            tax_id=registration.tax_id,
            address=asdict(registration.address),
            created_at=now,
        )
        set_intent(row, IntentKind.SUBSCRIBE, tier=registration.tier, now=now, by=registration.email)
        session.add(row)
        if joining is not None:
            joining(session, row)
        tell(session, tenant, at=now, kind="asked", text=f"Registered for {registration.tier}.", cause=f"Asked by {registration.email}.")
        mark(session, tenant, why="a new customer registered", now=now, priority=Priority.PERSON)
    return tenant
