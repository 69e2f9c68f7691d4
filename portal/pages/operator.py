"""The operator's cockpit: tenants, one tenant's three systems side by side, drift, effects, deliveries, tickets, health."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from sqlmodel import col, select
from starlette.responses import RedirectResponse, Response

from glue.actions import privacy
from glue.converge.breaker import BreakerView, confirm_losses, look_at_breaker
from glue.converge.drift import DriftLine, decide_against, mended_drift, open_drift
from glue.converge.effects import Effect
from glue.converge.tenants import Tenant, get_tenant
from glue.converge.timeline import TimelineEntry, read_timeline, tell
from glue.db import System
from glue.dirty import Dirty, Priority, mark, mark_all
from glue.doors.deliveries import Delivery
from glue.errors import GlueError
from glue.meter.flush import Stranded
from glue.rules.names import TenantId, parse_tenant_id
from glue.rules.standing import Standing
from glue.support.answers import answer_ticket
from glue.support.tickets import State, Ticket, TicketView
from glue.wiring import Services
from portal.people import Person
from portal.rendering import FormState
from portal.site import Site

PAGE = 50
_SCOPE = System("operators look at all customers")


@dataclass(frozen=True)
class Pager:
    """Links to the pages before and after, and what is shown in words."""

    previous: str
    next: str
    label: str


@dataclass(frozen=True)
class TenantsPage:
    rows: tuple[Tenant, ...]
    pager: Pager
    query: str
    standing: str
    standings: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    waiting: int
    breaker: BreakerView


@dataclass(frozen=True)
class Column:
    """One system's word about a tenant: facts as (name, value), or why it could not be read."""

    system: str
    facts: tuple[tuple[str, str], ...]
    problem: str


@dataclass(frozen=True)
class TenantPage:
    tenant: Tenant
    columns: tuple[Column, ...]
    drift: tuple[DriftLine, ...]
    timeline: tuple[TimelineEntry, ...]
    dirty: Dirty | None
    form: FormState


@dataclass(frozen=True)
class DriftPage:
    waiting: tuple[DriftLine, ...]
    mended: tuple[DriftLine, ...]
    names: Mapping[str, str]
    breaker: BreakerView


@dataclass(frozen=True)
class EffectsPage:
    effects: tuple[Effect, ...]
    names: Mapping[str, str]


@dataclass(frozen=True)
class DeliveriesPage:
    rows: tuple[Delivery, ...]
    pager: Pager
    source: str
    state: str


@dataclass(frozen=True)
class StrandedPage:
    rows: tuple[Stranded, ...]


@dataclass(frozen=True)
class RunsPage:
    rows: tuple[Any, ...]
    names: Mapping[str, str]
    pager: Pager


@dataclass(frozen=True)
class TicketsPage:
    rows: tuple[Ticket, ...]
    names: Mapping[str, str]
    pager: Pager
    state: str
    now: datetime
    themes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class TicketPage:
    view: TicketView
    name: str
    states: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    form: FormState


@dataclass(frozen=True)
class HealthPage:
    """``parts`` are (name, state, detail)."""

    parts: tuple[tuple[str, str, str], ...]
    due: int
    stuck: tuple[DriftLine, ...]
    paused: str


CANNED = (
    ("Thank you", "Thank you for writing. We are looking into this and will answer within the time of your plan."),
    ("More details", "To find the cause we need the exact time, the page or command, and what you expected to happen instead."),
    ("Solved", "This works again. Please tell us if you see it once more."),
)


def routes(site: Site, services: Services) -> APIRouter:
    """Everything below ``/operator``; each needs the realm role `operator`."""
    router = APIRouter(prefix="/operator")
    database, clock = services.database, services.clock

    def page(request: Request, person: Person, name: str, context: Any, title: str, current: str) -> Response:
        return site.page(request, name, context, title=title, person=person, current=current, operator=True)

    @router.get("")
    def tenants(request: Request, q: str = "", standing: str = "", offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        query = select(Tenant)
        if q:
            like = f"%{q.lower()}%"
            query = query.where(
                sa.or_(sa.func.lower(Tenant.display_name).like(like), sa.func.lower(Tenant.email).like(like), col(Tenant.tenant_id) == q)
            )
        if standing in set(Standing):
            query = query.where(Tenant.standing == standing)
        with database.read(_SCOPE) as session:
            total = session.exec(select(sa.func.count()).select_from(query.subquery())).one()
            rows = tuple(session.exec(query.order_by(col(Tenant.tenant_id).desc()).offset(max(offset, 0)).limit(PAGE)))
            counts = tuple(
                (str(row[0]), int(row[1])) for row in session.exec(select(Tenant.standing, sa.func.count()).group_by(Tenant.standing))
            )
            waiting = session.exec(select(sa.func.count()).select_from(Dirty).where(col(Dirty.due_at) <= clock.now())).one()
            breaker = look_at_breaker(session, now=clock.now())
        pager = _pager("/operator", offset, total, q=q, standing=standing)
        context = TenantsPage(rows, pager, q, standing, tuple(Standing), counts, waiting, breaker)
        return page(request, person, "operator_tenants", context, "Tenants", "tenants")

    @router.get("/tenants/{tenant}")
    def tenant_page(request: Request, tenant: str) -> Response:
        person = site.people.get_operator(request)
        tenant_id = parse_tenant_id(tenant)
        with database.read(tenant_id) as session:
            row = session.get_one(Tenant, tenant_id)
            drift, timeline = tuple(open_drift(session, tenant=tenant_id)), tuple(read_timeline(session, tenant_id, limit=40))
        with database.read(_SCOPE) as session:
            dirty = session.get(Dirty, tenant_id)
        context = TenantPage(row, _columns(services, row), drift, timeline, dirty, site.new_form())
        return page(request, person, "operator_tenant", context, row.display_name or tenant, "tenants")

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
        privacy.block(services.actions, parse_tenant_id(tenant), reason=reason, by=person.email)
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

    @router.get("/drift")
    def drift_page(request: Request) -> Response:
        person = site.people.get_operator(request)
        with database.read(_SCOPE) as session:
            waiting, mended = open_drift(session), mended_drift(session, since=clock.now() - timedelta(days=7))
            names = _names(session, [line.tenant for line in [*waiting, *mended]])
            breaker = look_at_breaker(session, now=clock.now())
        context = DriftPage(tuple(waiting), tuple(mended[:200]), names, breaker)
        return page(request, person, "operator_drift", context, "Drift", "drift")

    @router.post("/drift/restore")
    def restore(request: Request, tenant: Annotated[str, Form()], field: Annotated[str, Form()]) -> Response:
        person = site.people.get_operator(request)
        tenant_id = parse_tenant_id(tenant)
        with database.write(tenant_id) as session:
            decide_against(session, tenant_id, field, by=person.email)
            mark(session, tenant_id, why=f"{person.email} decided to restore {field}", now=clock.now(), priority=Priority.PERSON)
        services.actions.wait_until_settled(tenant_id, seconds=10)
        return RedirectResponse("/operator/drift", 303)

    @router.post("/breaker/confirm")
    def confirm(request: Request) -> Response:
        person = site.people.get_operator(request)
        with database.write(_SCOPE) as session:
            tenants = confirm_losses(session, now=clock.now(), by=person.email)
            mark_all(session, tenants, why=f"{person.email} confirmed the losses", now=clock.now(), priority=Priority.HINT)
        return RedirectResponse("/operator/drift", 303)

    @router.get("/effects")
    def effects(request: Request) -> Response:
        person = site.people.get_operator(request)
        rows = services.effects.list_unclear()
        with database.read(_SCOPE) as session:
            names = _names(session, [TenantId(row.tenant_id) for row in rows])
        return page(request, person, "operator_effects", EffectsPage(tuple(rows), names), "Effects", "effects")

    @router.post("/effects/again")
    def send_again(request: Request, key: Annotated[str, Form()]) -> Response:
        person = site.people.get_operator(request)
        tenant = services.effects.send_again(key)
        services.look_at(tenant, why=f"{person.email} sent {key} again")
        return RedirectResponse("/operator/effects", 303)

    @router.get("/deliveries")
    def deliveries(request: Request, source: str = "", state: str = "", offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        rows, total = services.deliveries.page(source=source, state=state, offset=max(offset, 0), limit=PAGE)
        pager = _pager("/operator/deliveries", offset, total, source=source, state=state)
        return page(request, person, "operator_deliveries", DeliveriesPage(tuple(rows), pager, source, state), "Deliveries", "deliveries")

    @router.post("/deliveries/replay")
    def replay(request: Request, delivery: Annotated[int, Form()]) -> Response:
        site.people.get_operator(request)
        services.deliveries.replay(delivery)
        return RedirectResponse("/operator/deliveries", 303)

    @router.get("/stranded")
    def stranded(request: Request) -> Response:
        person = site.people.get_operator(request)
        return page(
            request, person, "operator_stranded", StrandedPage(tuple(services.meter.flush.stranded())), "Stranded usage", "stranded"
        )

    @router.get("/runs")
    def runs(request: Request, offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        rows = services.dispatcher.runs(None, offset=max(offset, 0), limit=PAGE)
        with database.read(_SCOPE) as session:
            names = _names(session, [TenantId(row.tenant) for row in rows])
        pager = _pager("/operator/runs", offset, offset + len(rows) + (1 if len(rows) == PAGE else 0))
        return page(request, person, "operator_runs", RunsPage(tuple(rows), names, pager), "Runs", "runs-all")

    @router.get("/tickets")
    def tickets(request: Request, state: str = "", offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        rows, total = services.tickets.page(state=state if state in set(State) else "", offset=max(offset, 0), limit=PAGE)
        with database.read(_SCOPE) as session:
            names = _names(session, [TenantId(row.tenant_id) for row in rows])
        context = TicketsPage(
            tuple(rows),
            names,
            _pager("/operator/tickets", offset, total, state=state),
            state,
            clock.now(),
            tuple(services.feedback.themes()),
        )
        return page(request, person, "operator_tickets", context, "Tickets", "tickets")

    @router.get("/tickets/{ticket}")
    def ticket_page(request: Request, ticket: str) -> Response:
        person = site.people.get_operator(request)
        view = services.tickets.view(ticket)
        with database.read(_SCOPE) as session:
            name = _names(session, [TenantId(view.ticket.tenant_id)]).get(view.ticket.tenant_id, "")
        return page(
            request,
            person,
            "operator_ticket",
            TicketPage(view, name, tuple(State), CANNED, site.new_form()),
            view.ticket.subject,
            "tickets",
        )

    @router.post("/tickets/{ticket}/reply")
    def reply(request: Request, ticket: str, text: Annotated[str, Form()] = "", nonce: Annotated[str, Form()] = "") -> Response:
        person = site.people.get_operator(request)

        def answer() -> str:
            answer_ticket(services.tickets, database, clock, ticket, author=person.name, text=text, key=nonce)
            return f"/operator/tickets/{ticket}"

        return site.once(request, nonce, answer)

    @router.post("/tickets/{ticket}/state")
    def set_state(request: Request, ticket: str, state: Annotated[str, Form()] = "") -> Response:
        site.people.get_operator(request)
        services.tickets.set_state(ticket, state)
        return RedirectResponse(f"/operator/tickets/{ticket}", 303)

    @router.get("/health")
    def health(request: Request) -> Response:
        person = site.people.get_operator(request)
        parts = []
        for name, read in services.pins().items():
            try:
                parts.append((name, "good", read()))
            except GlueError as error:
                parts.append((name, "bad", error.detail))
        with database.read(_SCOPE) as session:
            due = session.exec(select(sa.func.count()).select_from(Dirty).where(col(Dirty.due_at) <= clock.now())).one()
            stuck = tuple(line for line in open_drift(session) if line.state == "stuck")
        return page(request, person, "operator_health", HealthPage(tuple(parts), due, stuck, services.sweep.paused), "Health", "health")

    return router


def _pager(path: str, offset: int, total: int, **filters: str) -> Pager:
    extra = "".join(f"&{name}={value}" for name, value in filters.items() if value)
    offset = max(offset, 0)
    last = min(offset + PAGE, total)
    return Pager(
        previous=f"{path}?offset={max(offset - PAGE, 0)}{extra}" if offset else "",
        next=f"{path}?offset={offset + PAGE}{extra}" if last < total else "",
        label=f"{min(offset + 1, total)}–{last} / {total}",
    )


def _names(session: Any, tenants: list[TenantId]) -> dict[str, str]:
    if not tenants:
        return {}
    rows = session.exec(select(Tenant.tenant_id, Tenant.display_name).where(col(Tenant.tenant_id).in_(set(tenants))))
    return {tenant: name or tenant for tenant, name in rows}


def _columns(services: Services, row: Tenant) -> tuple[Column, ...]:
    return (
        _column("Keycloak", lambda: _keycloak_facts(services, row)),
        _column("Lago", lambda: _lago_facts(services, row)),
        _column("Keygen", lambda: _keygen_facts(services, row)),
    )


def _column(system: str, read: Any) -> Column:
    try:
        return Column(system, tuple((name, str(value)) for name, value in read()), "")
    except GlueError as error:
        return Column(system, (), error.detail)


def _keycloak_facts(services: Services, row: Tenant) -> list[tuple[str, object]]:
    found = services.keycloak.find_organization(row.tenant_id)
    if found is None:
        return [("organization", "none")]
    members = services.keycloak.list_members(found.id)
    shown = {name: ", ".join(values) for name, values in found.attributes.items()}
    people = ", ".join(f"{member.email or member.username} ({'/'.join(sorted(member.roles)) or 'no role'})" for member in members)
    return [("organization", found.name), ("enabled", found.enabled), *shown.items(), ("members", people or "none")]


def _lago_facts(services: Services, row: Tenant) -> list[tuple[str, object]]:
    customer = services.lago.find_customer(row.tenant_id)
    rows = services.lago.subscriptions_of(row.tenant_id) if customer else ()
    invoices = services.lago.invoices_of(row.tenant_id) if customer else ()
    facts: list[tuple[str, object]] = [("customer", f"{customer.name}, {customer.email}" if customer else "none")]
    facts += [(f"subscription {item.status}", f"{item.plan_code} since {item.started_at or item.created_at:%Y-%m-%d}") for item in rows]
    facts += [
        (f"invoice {item.number}", f"{item.total_cents / 100:.2f} {item.currency}, {item.payment_status}, due {item.payment_due_date}")
        for item in invoices[:6]
    ]
    return facts


def _keygen_facts(services: Services, row: Tenant) -> list[tuple[str, object]]:
    found = services.keygen.find_license(row.license_id) if row.license_id else None
    if found is None:
        return [("license", "none")]
    machines = services.keygen.list_machines(found.id)
    facts: list[tuple[str, object]] = [
        ("license", found.name),
        ("status", found.status),
        ("suspended", found.suspended),
        ("expiry", found.expiry or "none"),
    ]
    return [*facts, ("machines", f"{len(machines)} of {found.max_machines}: {', '.join(machine.name for machine in machines)}")]
