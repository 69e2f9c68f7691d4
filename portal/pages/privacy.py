"""What we hold, take it along, have it erased."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response
from starsessions import regenerate_session_id

from glue.actions.privacy import erase, export
from glue.errors import BadInput
from glue.rules.standing import Standing
from glue.wiring import Services
from portal.languages import Writer
from portal.pages.usage import usage_rows
from portal.people import Person
from portal.rendering import FormState
from portal.site import FormText, Site


@dataclass(frozen=True)
class PrivacyPage:
    """``holdings`` are (where, what, why, how long)."""

    holdings: tuple[tuple[str, str, str, str], ...]
    can_manage: bool
    erasable: bool
    form: FormState


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/privacy")

    def show(request: Request, person: Person, form: FormState, *, status: int = 200) -> Response:
        context = PrivacyPage(
            holdings=holdings(site.writer(request, person)),
            can_manage=person.may(),
            erasable=services.actions.record(person.tenant).standing in {Standing.CANCELED, Standing.PENDING},
            form=form,
        )
        return site.page(request, "privacy", context, title="Privacy", person=person, current="privacy", status=status)

    @router.get("")
    def page(request: Request) -> Response:
        return show(request, site.people.get(request), site.new_form())

    @router.get("/export")
    def take_along(request: Request) -> Response:
        person = site.people.get(request)
        person.must()
        archive = export(services.actions, person.tenant, usage=lambda: usage_rows(services, person.tenant))
        headers = {"Content-Disposition": f'attachment; filename="coditect-{person.tenant}.zip"', "Cache-Control": "no-store"}
        return Response(archive, media_type="application/zip", headers=headers)

    @router.post("/erase")
    def have_erased(request: Request, confirm: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()
        say = site.writer(request, person).text
        team = site.known.team(person.tenant).value
        try:
            erase(services.actions, person.tenant, confirm=confirm, by=person.email)
        except BadInput as error:
            return show(request, person, site.wrong({"confirm": confirm}, error, say=say), status=422)
        if not services.actions.wait_until_settled(person.tenant, seconds=15):
            site.tell_later(request)
            return RedirectResponse("/privacy", 303)
        site.known.forget(person.tenant)
        gone = {member.user_id for member in team.members if services.keycloak.find_user(member.user_id) is None} if team else set()
        for user_id in gone:  # a session knows the name of whoever signed in
            services.signins.end(subject=user_id)
        if person.subject in gone:
            request.session.clear()
            regenerate_session_id(request)
        else:
            data = request.session["person"]
            request.session["person"] = data | {"organizations": [one for one in data["organizations"] if one != person.tenant]}
            request.session.pop("tenant", None)
        services.database.forget_deleted()
        site.tell(request, say("Everything about the organization was erased."))
        return RedirectResponse("/", 303)

    return router


def holdings(writer: Writer) -> tuple[tuple[str, str, str, str], ...]:
    say = writer.text
    running = say("while you are a customer")
    return (
        ("Keycloak", say("Names, e-mail addresses and passwords (hashed) of members, invitations"), say("To sign in"), running),
        (
            "Lago",
            say("Company, address, VAT number, subscription, invoices, units used"),
            say("To bill"),
            say("invoices ten years, the rest while you are a customer"),
        ),
        ("Keygen", say("License, names and fingerprints of machines"), say("To let machines work"), running),
        ("Coditect", say("Usage, runs and their files, tickets, what was changed by whom"), say("To meter, to show, to help"), running),
        (say("Deliveries"), say("Messages between these systems, without secrets"), say("To find faults"), say("30 days")),
    )
