"""Signing up: the intent row first, so that a form sent twice or a crash in between leads to one customer."""

import hashlib
from dataclasses import asdict, dataclass, field

from sqlmodel import select

from glue import dirty
from glue.clock import Clock
from glue.converge.tenants import Tenant, set_intent
from glue.converge.timeline import tell
from glue.db import Database, System
from glue.errors import BadInput
from glue.rules.facts import Address
from glue.rules.names import TenantId, new_tenant_id
from glue.rules.tenant import IntentKind
from glue.rules.tiers import Tiers

_SYSTEM = System("a registration makes the tenant that its session would need")
LONGEST_NAME = 80


@dataclass(frozen=True)
class Registration:
    """What the form said. ``nonce`` is the form's own; with the person's id it makes a repeat find the first."""

    user_id: str
    nonce: str
    display_name: str
    email: str
    tier: str
    currency: str = "USD"
    locale: str = "en"
    legal_name: str = ""
    tax_id: str = ""
    address: Address = field(default_factory=Address)


def register(database: Database, clock: Clock, tiers: Tiers, form: Registration) -> TenantId:
    """Keep the wish and mark the tenant; convergence makes organization, owner, customer, subscription and license."""
    name = " ".join(form.display_name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput("The organization needs a name.", field="display_name", expected=f"1 to {LONGEST_NAME} letters")
    if tiers.find(form.tier) is None:
        raise BadInput("There is no such plan.", field="tier", expected=", ".join(tier.code for tier in tiers))
    tiers.get(form.tier).plan_for(form.currency)
    key = hashlib.sha256(f"{form.user_id}\n{form.nonce}".encode()).hexdigest()
    now = clock.now()
    with database.write(_SYSTEM) as session:
        existing = session.exec(select(Tenant).where(Tenant.registration_key == key)).first()
        if existing is not None:
            return TenantId(existing.tenant_id)
        tenant = new_tenant_id(now)
        row = Tenant(
            tenant_id=tenant,
            registration_key=key,
            display_name=name,
            currency=form.currency,
            locale=form.locale,
            owner_user_id=form.user_id,
            email=form.email,
            legal_name=form.legal_name,
            tax_id=form.tax_id,
            address=asdict(form.address),
            created_at=now,
        )
        set_intent(row, IntentKind.SUBSCRIBE, tier=form.tier, now=now, by=form.email)
        session.add(row)
        tell(session, tenant, at=now, kind="asked", text=f"Registered for {form.tier}.", cause=f"Asked by {form.email}.")
        dirty.mark(session, tenant, why=f"Registration of {name}", now=now, priority=dirty.Priority.PERSON)
        return tenant
