"""The first steps of a new customer, computed from facts: nothing is ticked off that did not happen."""

from dataclasses import dataclass

from glue.rules.names import TenantId
from glue.wiring import Services
from portal.languages import Writer
from portal.site import Site

FRESH = 15.0


@dataclass(frozen=True)
class ChecklistItem:
    text: str
    href: str
    done: bool


def checklist(site: Site, services: Services, tenant: TenantId, writer: Writer) -> tuple[ChecklistItem, ...]:
    """Organization, team, first machine, first call of a program, first run."""
    team, license_view = site.known.team(tenant, fresh_seconds=FRESH).value, site.known.license(tenant, fresh_seconds=FRESH).value
    say = writer.text
    return (
        ChecklistItem(say("Set up your organization"), "/welcome", done=True),
        ChecklistItem(say("Invite a colleague"), "/team", done=team is not None and team.seats.used > 1),
        ChecklistItem(say("Activate the first machine"), "/licenses", done=license_view is not None and bool(license_view.machines)),
        ChecklistItem(say("Make the first call from a program"), "/programs/first-call", done=program_has_called(services, tenant)),
        ChecklistItem(say("Ask for the first piece of work"), "/runs/new", done=bool(services.dispatcher.runs(tenant, limit=1))),
    )


def program_has_called(services: Services, tenant: TenantId) -> bool:
    """Whether usage of any meter came from a program."""
    since = services.actions.record(tenant).created_at
    return any(
        row.value
        for meter in services.meter.orders.meters
        for row in services.meter.usage_by_day(tenant, meter.code, since=since, dimension="program")
    )
