"""What was used: per meter against its limit, day by day, by who used it, and where it is heading; as CSV too."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.actions.privacy import as_csv
from glue.errors import BadInput
from glue.rules.facts import Role
from glue.rules.names import TenantId
from glue.wiring import Services
from portal.languages import Writer
from portal.people import Person
from portal.rendering import FormState
from portal.site import FormText, Site
from portal.usage_figures import DIMENSIONS, read_history, read_meters


@dataclass(frozen=True)
class MeterSection:
    """One meter; ``used`` is plain decimal text, ``units`` the same for drawing. ``splits`` are (title, rows of (who, units))."""

    code: str
    used: str
    units: float
    limit: float | None
    held: float
    points: tuple[tuple[float, float], ...]
    days: tuple[tuple[str, float], ...]
    splits: tuple[tuple[str, tuple[tuple[str, Decimal], ...]], ...]
    forecast: float | None


@dataclass(frozen=True)
class UsagePage:
    """``starts`` and ``ends`` of the running billing period; None before the first one."""

    meters: tuple[MeterSection, ...]
    starts: datetime | None
    ends: datetime | None
    kept_for_lago: bool
    currency: str
    spent_cents: int | None
    cap_cents: int | None
    form: FormState
    may_change: bool


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter()

    def show(request: Request, person: Person, form: FormState | None = None, *, status: int = 200) -> Response:
        writer = site.writer(request, person)
        snapshot = services.meter.snapshots.get(person.tenant)
        period = snapshot.period if snapshot else None
        sections = []
        if period is not None:
            names = names_of(site, person.tenant)
            now = services.clock.now()
            for meter in read_meters(services, person.tenant)[0]:
                history = read_history(services, person.tenant, meter, starts=period.started_at, ends=period.ends_at, now=now)
                sections.append(
                    MeterSection(
                        code=meter.code,
                        used=f"{meter.used:f}",
                        units=float(meter.used),
                        limit=None if meter.limit is None else float(meter.limit),
                        held=float(meter.held),
                        points=tuple((share, float(units)) for share, units in history.points),
                        days=tuple((writer.short_day(day), float(units)) for day, units in history.days),
                        splits=_splits(writer, history.splits, names),
                        forecast=None if history.forecast is None else float(history.forecast),
                    )
                )
        spend = services.meter.spend_of(snapshot) if snapshot else None
        cap_cents, percentages = services.alerts.read(person.tenant)
        cap = "" if cap_cents is None else f"{cap_cents // 100}.{cap_cents % 100:02}"
        context = UsagePage(
            meters=tuple(sections),
            starts=period.started_at if period else None,
            ends=period.ends_at if period else None,
            kept_for_lago=site.known.money(person.tenant, fresh_seconds=15).stale_since is not None,
            currency=services.actions.record(person.tenant).currency,
            spent_cents=None if spend is None else int(spend[0]),
            cap_cents=cap_cents,
            form=form or site.new_form(cap=cap, percentages=", ".join(map(str, percentages))),
            may_change=person.may(Role.BILLING),
        )
        return site.page(request, "usage", context, title="Usage", person=person, current="usage", status=status)

    @router.get("/usage")
    def page(request: Request) -> Response:
        return show(request, site.people.get(request))

    @router.post("/usage")
    def limit_spending(request: Request, cap: FormText = "", percentages: FormText = "") -> Response:
        """Set the cap and the alerts; the same form again changes nothing."""
        person = site.people.get(request)
        person.must(Role.BILLING)
        say = site.writer(request, person).text
        try:
            services.alerts.set(person.tenant, cap=cap, percentages=percentages, by=person.email)
        except BadInput as error:
            return show(request, person, site.wrong({"cap": cap, "percentages": percentages}, error, say=say), status=422)
        services.actions.wait_until_settled(person.tenant, seconds=5)
        site.tell(request, say("Your cap and alerts are set."))
        return RedirectResponse("/usage", 303)

    @router.get("/usage.csv")
    def table(request: Request) -> Response:
        """Units by day, meter and who used them, from the first day on."""
        person = site.people.get(request)
        rows = list(usage_rows(services, person.tenant))
        headers = {"Content-Disposition": 'attachment; filename="usage.csv"', "Cache-Control": "no-store"}
        return Response(as_csv(rows) or "day,meter,by,who,units,events\n", media_type="text/csv; charset=utf-8", headers=headers)

    return router


def usage_rows(services: Services, tenant: TenantId) -> list[Mapping[str, str]]:
    """Every day of every meter, as rows for a spreadsheet: ``by`` says which kind of user ``who`` is (empty: all)."""
    since = services.actions.record(tenant).created_at
    rows: list[Mapping[str, str]] = []
    for meter in services.meter.orders.meters:
        for dimension in ("", *DIMENSIONS):
            for row in services.meter.usage_by_day(tenant, meter.code, since=since, dimension=dimension):
                if row.value or not dimension:
                    rows.append(
                        {
                            "day": row.day,
                            "meter": meter.code,
                            "by": dimension,
                            "who": row.value,
                            "units": f"{row.units:f}",
                            "events": str(row.events),
                        }
                    )
    return rows


def names_of(site: Site, tenant: TenantId) -> dict[str, str]:
    """Names of members and programs by the ids that usage carries."""
    team = site.known.team(tenant, fresh_seconds=15).value
    names = {}
    for member in team.members if team else ():
        full = f"{member.first_name} {member.last_name}".strip()
        names[member.user_id] = full or member.email or member.username
        names[member.username.removeprefix("service-account-")] = full or member.username.removeprefix("service-account-")
    return names


def _splits(
    writer: Writer, splits: Mapping[str, tuple[tuple[str, Decimal], ...]], names: Mapping[str, str]
) -> tuple[tuple[str, tuple[tuple[str, Decimal], ...]], ...]:
    say = writer.text
    titles = {"member": say("By member"), "program": say("By program"), "license": say("By license"), "agent": say("By agent")}
    return tuple((titles[name], tuple((names.get(who, who), units) for who, units in rows)) for name, rows in splits.items())
