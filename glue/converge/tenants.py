"""The tenants we keep: who they are, what was asked and granted, and how the three systems call them."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlmodel import JSON, Field, Session, col, select

from glue.db import TenantScoped, Utc
from glue.errors import Conflict, NotFound
from glue.rules.facts import Address
from glue.rules.names import TenantId
from glue.rules.standing import Standing
from glue.rules.tenant import Identities, Intent, IntentKind, Overrides, TenantRecord

_OVERRIDES = TypeAdapter(Overrides)
_ADDRESS = TypeAdapter(Address)


class Tenant(TenantScoped, table=True):
    """One customer of ours. Empty texts mean "not known" or "none"."""

    __tablename__ = "tenants"

    tenant_id: str = Field(primary_key=True)
    registration_key: str | None = Field(default=None, unique=True)  # of the form that was sent; a repeat finds its tenant
    display_name: str
    currency: str
    locale: str = "en"
    owner_user_id: str = ""
    owner_joined: bool = False
    email: str = ""
    legal_name: str = ""
    tax_id: str = ""
    address: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    created_at: datetime = Field(sa_type=Utc)
    # what was asked, and not yet done
    intent: str = ""
    intent_tier: str = ""
    intent_number: int = 0
    intent_at: datetime | None = Field(default=None, sa_type=Utc)
    intent_by: str = ""
    # what was granted or taken by hand
    blocked: str = ""
    overrides: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    license_generation: int = 1
    # what the customer set for its own usage: a cap in a period, and percentages at which it wants a mail ("80,100")
    spend_cap_cents: int | None = None
    alerts: str = Field(default="", index=True)
    # identity map
    organization_id: str = Field(default="", index=True)
    customer_id: str = ""
    subscription_id: str = Field(default="", index=True)
    license_id: str = Field(default="", index=True)
    # what convergence concluded last
    tier: str = ""
    plan_code: str = Field(default="", index=True)
    standing: str = Field(default=Standing.PENDING, index=True)
    reason: str = ""
    told: str = Standing.PENDING
    converged_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    absent_since: dict[str, str] = Field(default_factory=dict, sa_type=JSON)  # part → wall time of the first 404
    seen: dict[str, str] = Field(default_factory=dict, sa_type=JSON)  # list part → digest of what it showed when all was right
    snapshot: str = ""
    erased_at: datetime | None = Field(default=None, sa_type=Utc)


def find_tenant(session: Session, tenant: TenantId) -> Tenant | None:
    return session.get(Tenant, tenant)


def get_tenant(session: Session, tenant: TenantId) -> Tenant:
    """Raises NotFound, also for one that was erased."""
    row = session.get(Tenant, tenant)
    if row is None or row.erased_at is not None:
        raise NotFound("There is no such customer.")
    return row


def tenant_called(session: Session, text: str) -> TenantId:
    """The tenant that a person means: by its id, its organization's name or its mail address. Raises NotFound, Conflict (several)."""
    wanted = text.strip().lower()
    same = (
        (col(Tenant.tenant_id) == wanted)
        | (sa.func.lower(col(Tenant.display_name)) == wanted)
        | (sa.func.lower(col(Tenant.email)) == wanted)
    )
    found = session.exec(select(Tenant).where(same, col(Tenant.erased_at).is_(None)).limit(6)).all()
    if not found:
        raise NotFound(f"There is no customer called “{text}”.", remedy="Give its id, its name or its mail address: `glue tenants list`.")
    if len(found) > 1:
        names = ", ".join(f"{row.tenant_id} ({row.display_name})" for row in found)
        raise Conflict(f"Several customers are called “{text}”: {names}.", remedy="Give the id.")
    return TenantId(found[0].tenant_id)


def record_of(row: Tenant) -> TenantRecord:
    """The row as the rules want it."""
    intent = None
    if row.intent:
        intent = Intent(IntentKind(row.intent), row.intent_tier, row.intent_number, row.intent_at, row.intent_by)
    return TenantRecord(
        id=TenantId(row.tenant_id),
        display_name=row.display_name,
        currency=row.currency,
        created_at=row.created_at,
        owner_user_id=row.owner_user_id,
        owner_joined=row.owner_joined,
        email=row.email,
        legal_name=row.legal_name,
        tax_id=row.tax_id,
        address=_ADDRESS.validate_python(row.address),
        locale=row.locale,
        intent=intent,
        blocked=row.blocked,
        overrides=_OVERRIDES.validate_python(row.overrides),
        spend_cap_cents=row.spend_cap_cents,
        license_generation=row.license_generation,
        identities=Identities(row.organization_id, row.customer_id, row.subscription_id, row.license_id),
        standing=Standing(row.standing),
        told=Standing(row.told),
        tier=row.tier,
        erased_at=row.erased_at,
    )


def set_intent(row: Tenant, kind: IntentKind, *, tier: str = "", now: datetime, by: str) -> None:
    """What should become true of the subscription; the newest wish wins."""
    row.intent, row.intent_tier, row.intent_at, row.intent_by = kind, tier, now, by
    row.intent_number += 1


def overrides_document(overrides: Overrides) -> dict[str, Any]:
    """As the row keeps it: what is not granted is not named."""
    return {key: value for key, value in asdict(overrides).items() if value not in (None, {})}


# How webhooks and events name a tenant, and the column that knows it.
_BY_FOREIGN_ID: dict[str, Callable[[], Any]] = {
    "organization": lambda: Tenant.organization_id,
    "license": lambda: Tenant.license_id,
    "customer": lambda: Tenant.tenant_id,
    "customer_id": lambda: Tenant.customer_id,
}


def tenants_by(session: Session, kind: str, foreign_id: str) -> list[TenantId]:
    """Tenants that a foreign id stands for: organization, license, customer (external id), customer_id (Lago's own)."""
    if not foreign_id:
        return []
    found = session.exec(select(Tenant.tenant_id).where(sa.cast(_BY_FOREIGN_ID[kind](), sa.String) == foreign_id))
    return [TenantId(tenant) for tenant in found]


def tenants_on_plan(session: Session, plan_code: str) -> list[TenantId]:
    """Everybody on this plan; everybody at all for an empty code."""
    query = select(Tenant.tenant_id).where(col(Tenant.erased_at).is_(None))
    return [TenantId(tenant) for tenant in session.exec(query.where(Tenant.plan_code == plan_code) if plan_code else query)]
