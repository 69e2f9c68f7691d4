"""The start page: a landing page for strangers, for customers how they stand, what is left and what needs attention."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.converge.timeline import read_timeline
from glue.rules.facts import Role
from glue.rules.names import TenantId
from glue.rules.standing import Standing, StandingFacts
from glue.wiring import Services
from portal.event_words import Event, in_words
from portal.languages import Writer
from portal.onboarding import ChecklistItem, checklist
from portal.people import Person
from portal.site import FormText, Site
from portal.usage_figures import MeterUse, read_meters

FRESH = 15.0


@dataclass(frozen=True)
class LandingPage:
    """``by_invitation``: who is not invited waits in a list."""

    by_invitation: bool


@dataclass(frozen=True)
class Attention:
    """Something to look at: ``tone`` good, warn, bad; ``href`` and ``action`` lead to the cure."""

    tone: str
    text: str
    href: str = ""
    action: str = ""


@dataclass(frozen=True)
class OverviewPage:
    """Counts of seats and machines are None while they are not known."""

    tenant: str
    lead: str
    can_ask: bool
    attention: tuple[Attention, ...]
    standing: str
    standing_hint: str
    plan_title: str
    plan_hint: str
    seats_used: int | None
    seats_limit: int
    machines_used: int | None
    machines_limit: int
    period_ends: datetime | None
    meters: tuple[MeterUse, ...]
    checklist: tuple[ChecklistItem, ...]
    lately: tuple[Event, ...]


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter()

    @router.get("/")
    def start(request: Request) -> Response:
        person = site.people.find(request)
        if person is None:
            return site.page(
                request, "landing", LandingPage(services.rollout.by_invitation or services.rollout.is_closed()), title="Welcome"
            )
        if not person.tenant:
            return RedirectResponse("/operator" if person.operator else "/welcome", 303)
        return site.page(
            request, "overview", _overview(site, services, request, person), title="Overview", person=person, current="overview"
        )

    @router.post("/switch")
    def switch(request: Request, tenant: FormText = "") -> Response:
        """Look at another of one's organizations."""
        person = site.people.get_signed_in(request)
        if any(choice.id == tenant for choice in person.organizations):
            request.session["tenant"] = tenant
        return RedirectResponse("/", 303)

    return router


def _overview(site: Site, services: Services, request: Request, person: Person) -> OverviewPage:
    writer, tenant = site.writer(request, person), person.tenant
    record, grants = services.actions.record(tenant), services.actions.grants(tenant)
    facts = site.known.standing(tenant, fresh_seconds=FRESH)
    snapshot = services.meter.snapshots.get(tenant)
    standing = snapshot.standing if snapshot else record.standing
    team, license_look = site.known.team(tenant, fresh_seconds=FRESH), site.known.license(tenant, fresh_seconds=FRESH)
    meters, period_ends = read_meters(services, tenant)
    tier = services.tiers.find(snapshot.tier if snapshot else record.tier)
    steps = checklist(site, services, tenant, writer)
    with services.database.read(tenant) as session:
        lately = in_words(read_timeline(session, tenant, limit=30), writer, services.tiers)[:6]
    return OverviewPage(
        tenant=tenant,
        lead=writer.text("Good to see you, %(name)s.", name=person.name.split(" ")[0]),
        can_ask=standing.may_use and person.may(Role.MEMBER, Role.BILLING),
        attention=_attention(site, services, tenant, writer, standing, facts, meters),
        standing=standing,
        standing_hint=_standing_hint(writer, standing, facts),
        plan_title=tier.title if tier else "–",
        plan_hint=tier.summary and writer.text(tier.summary) if tier else writer.text("Being set up"),
        seats_used=team.value.seats.used if team.value else None,
        seats_limit=grants.seats,
        machines_used=len(license_look.value.machines) if license_look.value else None if license_look.stale_since else 0,
        machines_limit=grants.machines,
        period_ends=period_ends,
        meters=meters,
        checklist=() if all(step.done for step in steps) else steps,
        lately=lately,
    )


def _standing_hint(writer: Writer, standing: Standing, facts: StandingFacts) -> str:
    match standing:
        case Standing.TRIALING if facts.trial_ends_at:
            return writer.text("Free until %(day)s", day=writer.day(facts.trial_ends_at))
        case Standing.PAST_DUE if facts.grace_ends_at:
            return writer.text("Usable until %(day)s", day=writer.day(facts.grace_ends_at))
        case Standing.ACTIVE:
            return writer.text("Everything is in order.")
        case Standing.PENDING:
            return writer.text("Ready in a moment")
        case _:
            return ""


def _attention(
    site: Site, services: Services, tenant: TenantId, writer: Writer, standing: Standing, facts: StandingFacts, meters: tuple[MeterUse, ...]
) -> tuple[Attention, ...]:
    say = writer.text
    found: list[Attention] = []
    money = site.known.money(tenant, fresh_seconds=FRESH)
    if standing == Standing.PENDING:
        found.append(Attention("", say("Your organization is being set up. Load this page again in a moment."), "/", say("Load again")))
    if standing == Standing.PAST_DUE:
        day = writer.day(facts.grace_ends_at)
        found.append(
            Attention(
                "warn", say("An invoice is overdue. Everything stays usable until %(day)s.", day=day), "/invoices", say("See invoices")
            )
        )
    if standing == Standing.SUSPENDED:
        record = services.actions.record(tenant)
        text = record.blocked or say("An invoice was not paid in time. Pay it and everything works again at once.")
        found.append(
            Attention("bad", text, "/help" if record.blocked else "/invoices", say("Get help") if record.blocked else say("See invoices"))
        )
    if standing == Standing.CANCELED:
        found.append(
            Attention(
                "warn", say("The subscription has ended. Your data is kept until you erase it."), "/privacy", say("Take your data along")
            )
        )
    active = money.value.active if money.value else None
    if active and active.ending_at:
        found.append(
            Attention("warn", say("The subscription ends on %(day)s.", day=writer.day(active.ending_at)), "/plan", say("See the plan"))
        )
    elif active and active.next_plan_code:
        following = services.tiers.of_plan(active.next_plan_code)
        name = following.title if following else active.next_plan_code
        found.append(
            Attention(
                "", say("%(plan)s begins on %(day)s.", plan=name, day=writer.day(active.downgrade_plan_date)), "/plan", say("See the plan")
            )
        )
    if any(meter.limit and meter.used + meter.held >= meter.limit * Decimal("0.8") for meter in meters):
        found.append(Attention("warn", say("A limit of your plan is nearly reached."), "/usage", say("See usage")))
    for upstream, name in (("keycloak", "Keycloak"), ("lago", "Lago"), ("keygen", "Keygen")):
        if since := site.known.failing_since(upstream):
            text = say("%(system)s has not answered since %(time)s. You see what was known then.", system=name, time=writer.moment(since))
            found.append(Attention("warn", text, "/status", say("Status")))
    return tuple(found)
