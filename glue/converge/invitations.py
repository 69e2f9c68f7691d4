"""Roles that invitations promised: Keycloak's invitation cannot carry them, so they are given when the person has joined."""

from sqlmodel import Field, Session, select

from glue.db import TenantScoped
from glue.rules.facts import Observed, Role
from glue.rules.names import TenantId


class PromisedRoles(TenantScoped, table=True):
    """Open until the person is a member with a role. ``roles`` are joined by commas."""

    __tablename__ = "promised_roles"

    tenant_id: str = Field(primary_key=True)
    email: str = Field(primary_key=True)
    roles: str


def promise_roles(session: Session, tenant: TenantId, email: str, roles: frozenset[Role]) -> None:
    row = session.get(PromisedRoles, (tenant, email.lower())) or PromisedRoles(tenant_id=tenant, email=email.lower(), roles="")
    row.roles = ",".join(sorted(roles))
    session.add(row)


def promised_roles(session: Session, tenant: TenantId) -> dict[str, tuple[Role, ...]]:
    rows = session.exec(select(PromisedRoles).where(PromisedRoles.tenant_id == tenant))
    return {row.email: tuple(Role(role) for role in row.roles.split(",")) for row in rows}


def keep_promises(session: Session, tenant: TenantId, observed: Observed) -> None:
    """Take off the promises that are kept."""
    joined = {member.email.lower() for member in observed.members if member.roles}
    for row in session.exec(select(PromisedRoles).where(PromisedRoles.tenant_id == tenant)):
        if row.email in joined:
            session.delete(row)


def withdraw_promise(session: Session, tenant: TenantId, email: str) -> None:
    row = session.get(PromisedRoles, (tenant, email.lower()))
    if row is not None:
        session.delete(row)


def scrub_promises(session: Session, tenant: TenantId) -> None:
    for row in session.exec(select(PromisedRoles).where(PromisedRoles.tenant_id == tenant)):
        session.delete(row)
