"""Tenants with search and filters; one tenant: its three systems side by side, what happened, what an operator may do."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from sqlmodel import col, select
from starlette.responses import RedirectResponse, Response

from glue.actions import privacy
from glue.converge.breaker import BreakerView, look_at_breaker
from glue.converge.drift import DriftLine, open_drift
from glue.converge.tenants import Tenant, find_tenant, get_tenant
from glue.converge.timeline import TimelineEntry, read_timeline, tell
from glue.dirty import Dirty
from glue.errors import BadInput, GlueError, NotFound, UpstreamError
from glue.rules.facts import Invoice
from glue.rules.names import parse_tenant_id
from glue.rules.standing import Standing
from glue.wiring import Services
from portal.pages.operator.shared import PAGE, SCOPE, Pager, pager_of, show
from portal.rendering import FormState
from portal.site import Site

MOST_SHOWN = 3  # of subscriptions and of invoices: Lago keeps the rest


@dataclass(frozen=True)
class TenantsPage:
    """``partly``: Keycloak did not answer, so addresses of members were not searched."""

    rows: tuple[Tenant, ...]
    pager: Pager
    query: str
    standing: str
    standings: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    waiting: int
    breaker: BreakerView
    partly: bool


@dataclass(frozen=True)
class Column:
    """One system's word about a tenant: facts as (name, value), or why it could not be read."""

    system: str
    facts: tuple[tuple[str, object], ...]
    problem: str


@dataclass(frozen=True)
class TenantPage:
    tenant: Tenant
    columns: tuple[Column, ...]
    drift: tuple[DriftLine, ...]
    timeline: tuple[TimelineEntry, ...]
    dirty: Dirty | None
    form: FormState


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/operator")
    database, clock = services.database, services.clock

    @router.get("")
    def tenants(request: Request, q: str = "", standing: str = "", offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        query, members_of = select(Tenant), _tenants_of(services, q)
        if q:
            like = f"%{q.lower()}%"
            named = [sa.func.lower(Tenant.display_name).like(like), sa.func.lower(Tenant.email).like(like)]
            query = query.where(sa.or_(*named, col(Tenant.tenant_id).in_([q, *(members_of or ())])))
        if standing in set(Standing):
            query = query.where(Tenant.standing == standing)
        with database.read(SCOPE) as session:
            total = session.exec(select(sa.func.count()).select_from(query.subquery())).one()
            rows = tuple(session.exec(query.order_by(col(Tenant.tenant_id).desc()).offset(max(offset, 0)).limit(PAGE)))
            counts = tuple(
                (str(row[0]), int(row[1])) for row in session.exec(select(Tenant.standing, sa.func.count()).group_by(Tenant.standing))
            )
            waiting = session.exec(select(sa.func.count()).select_from(Dirty).where(col(Dirty.due_at) <= clock.now())).one()
            breaker = look_at_breaker(session, now=clock.now())
        pager = pager_of("/operator", offset, total, q=q, standing=standing)
        context = TenantsPage(rows, pager, q, standing, tuple(Standing), counts, waiting, breaker, partly=members_of is None)
        return show(site, request, person, "operator_tenants", context, "Tenants", "tenants")

    @router.get("/tenants/{tenant}")
    def tenant_page(request: Request, tenant: str) -> Response:
        return show_tenant(request, tenant, site.new_form())

    def show_tenant(request: Request, tenant: str, form: FormState, *, status: int = 200) -> Response:
        person = site.people.get_operator(request)
        tenant_id = parse_tenant_id(tenant)
        with database.read(tenant_id) as session:
            row = find_tenant(session, tenant_id)
            if row is None:
                raise NotFound("There is no such customer.")
            drift, timeline = tuple(open_drift(session, tenant=tenant_id)), tuple(read_timeline(session, tenant_id, limit=40))
        with database.read(SCOPE) as session:
            dirty = session.get(Dirty, tenant_id)
        context = TenantPage(row, _columns(services, row), drift, timeline, dirty, form)
        page = show(site, request, person, "operator_tenant", context, row.display_name or tenant, "tenants")
        page.status_code = status
        return page

    @router.post("/tenants/{tenant}/look")
    def look_now(request: Request, tenant: str) -> Response:
        site.people.get_operator(request)
        tenant_id = parse_tenant_id(tenant)
        services.look_at(tenant_id, why="an operator asked")
        services.actions.wait_until_settled(tenant_id, seconds=10)
        return RedirectResponse(f"/operator/tenants/{tenant_id}", 303)

    @router.post("/tenants/{tenant}/block")
    def block(request: Request, tenant: str, reason: Annotated[str, Form()] = "") -> Response:
        person = site.people.get_operator(request)
        try:
            privacy.block(services.actions, parse_tenant_id(tenant), reason=reason, by=person.email)
        except BadInput as error:
            return show_tenant(request, tenant, site.wrong({"reason": reason}, error, say=site.writer(request, person).text), status=422)
        return RedirectResponse(f"/operator/tenants/{tenant}", 303)

    @router.post("/tenants/{tenant}/unblock")
    def unblock(request: Request, tenant: str) -> Response:
        person = site.people.get_operator(request)
        privacy.unblock(services.actions, parse_tenant_id(tenant), by=person.email)
        return RedirectResponse(f"/operator/tenants/{tenant}", 303)

    @router.post("/tenants/{tenant}/see-as")
    def see_as(request: Request, tenant: str) -> Response:
        """Look at the portal as this tenant does; nothing can be changed, and it is written down."""
        person = site.people.get_operator(request)
        tenant_id = parse_tenant_id(tenant)
        with database.write(tenant_id) as session:
            get_tenant(session, tenant_id)
            tell(
                session,
                tenant_id,
                at=clock.now(),
                kind="note",
                text="An operator looked at the portal as this customer.",
                cause=person.email,
            )
        request.session["acting_as"] = tenant_id
        return RedirectResponse("/", 303)

    @router.post("/see-as/stop")
    def stop_seeing(request: Request) -> Response:
        site.people.get_operator(request)
        request.session.pop("acting_as", None)
        return RedirectResponse("/operator", 303)

    return router


def _tenants_of(services: Services, email: str) -> tuple[str, ...] | None:
    """Whose member a person with this address is; None while Keycloak does not answer."""
    if "@" not in email:
        return ()
    try:
        person = services.keycloak.find_user_by_email(email.strip())
        return tuple(one.alias for one in services.keycloak.organizations_of_user(person.id)) if person else ()
    except UpstreamError:
        return None


def _columns(services: Services, row: Tenant) -> tuple[Column, ...]:
    return (
        _column("Keycloak", lambda: _keycloak_facts(services, row)),
        _column("Lago", lambda: _lago_facts(services, row)),
        _column("Keygen", lambda: _keygen_facts(services, row)),
    )


def _column(system: str, read: Any) -> Column:
    try:
        return Column(system, tuple(read()), "")
    except GlueError as error:
        return Column(system, (), error.detail)


def _keycloak_facts(services: Services, row: Tenant) -> list[tuple[str, object]]:
    found = services.keycloak.find_organization(row.tenant_id)
    if found is None:
        return [("organization", "none")]
    members = services.keycloak.list_members(found.id)
    shown = {name.replace("_", " "): ", ".join(values) for name, values in found.attributes.items()}
    people = ", ".join(f"{member.email or member.username} ({'/'.join(sorted(member.roles)) or 'no role'})" for member in members)
    return [("organization", found.name), ("enabled", found.enabled), *shown.items(), ("members", people or "none")]


def _lago_facts(services: Services, row: Tenant) -> list[tuple[str, object]]:
    customer = services.lago.find_customer(row.tenant_id)
    rows = services.lago.subscriptions_of(row.tenant_id) if customer else ()
    invoices = services.lago.invoices_of(row.tenant_id) if customer else ()
    facts: list[tuple[str, object]] = [("customer", f"{customer.name}, {customer.email}" if customer else "none")]
    for item in sorted(rows, key=lambda item: item.status != "active")[:MOST_SHOWN]:
        facts += [(f"{item.status} subscription", item.plan_code), ("since", item.started_at or item.created_at)]
    for invoice in invoices[:MOST_SHOWN]:
        facts += [(f"invoice {invoice.number}", f"{_money(invoice)}, {invoice.payment_status}"), ("due", invoice.payment_due_date)]
    return facts


def _money(invoice: Invoice) -> str:
    return f"{Decimal(invoice.total_cents) / 100:.2f} {invoice.currency}"


def _keygen_facts(services: Services, row: Tenant) -> list[tuple[str, object]]:
    found = services.keygen.find_license(row.license_id) if row.license_id else None
    if found is None:
        return [("license", "none")]
    machines = services.keygen.list_machines(found.id)
    facts: list[tuple[str, object]] = [
        ("license", found.name),
        ("status", found.status),
        ("suspended", found.suspended),
        ("expiry", found.expiry),
    ]
    return [*facts, ("machines", f"{len(machines)} of {found.max_machines}: {', '.join(machine.name for machine in machines)}")]
