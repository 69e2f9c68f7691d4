"""One's own account: language, appearance, where password and passkeys are changed; the organization's name for admins."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.actions.privacy import rename
from glue.errors import BadInput
from glue.wiring import Services
from portal.people import Person
from portal.rendering import Choice, FormState
from portal.site import FormText, Site

THEMES = ("", "light", "dark")


@dataclass(frozen=True)
class AccountPage:
    """``console`` is Keycloak's own page for password, passkeys and devices."""

    name: str
    email: str
    roles: tuple[str, ...]
    organizations: tuple[Choice, ...]
    tenant: str
    languages: tuple[tuple[str, str], ...]
    language: str
    themes: tuple[str, ...]
    theme: str
    console: str
    can_rename: bool
    form: FormState


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/account")

    def show(request: Request, person: Person, form: FormState, *, status: int = 200) -> Response:
        context = AccountPage(
            name=person.name,
            email=person.email,
            roles=tuple(sorted(person.roles)),
            organizations=person.organizations,
            tenant=person.tenant,
            languages=tuple(site.languages().items()),
            language=site.locale(request, person),
            themes=THEMES,
            theme=request.session.get("theme", ""),
            console=f"{services.settings.keycloak.issuer_url}/account",
            can_rename=bool(person.tenant) and person.may(),
            form=form,
        )
        return site.page(request, "account", context, title="Your account", person=person, status=status)

    @router.get("")
    def page(request: Request) -> Response:
        person = site.people.get_signed_in(request)
        return show(request, person, site.new_form(name=person.tenant_name))

    @router.post("")
    def choose(request: Request, language: FormText = "", theme: FormText = "") -> Response:
        site.people.get_signed_in(request)
        if language in site.languages():
            request.session["language"] = language
        if theme in THEMES:
            request.session["theme"] = theme
        return RedirectResponse("/account", 303)

    @router.post("/organization")
    def rename_organization(request: Request, name: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()
        say = site.writer(request, person).text
        try:
            rename(services.actions, person.tenant, name=name, by=person.email)
        except BadInput as error:
            return show(request, person, site.wrong({"name": name}, error, say=say), status=422)
        site.tell(request, say("The name was changed; it reaches all systems in a moment."))
        return RedirectResponse("/account", 303)

    return router
