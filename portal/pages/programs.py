"""Programs: service accounts with which a customer's own software calls us. Their secrets are shown once."""

from dataclasses import dataclass
from datetime import UTC, datetime, time

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.actions.programs import client_id_of, create_program, rotate_secret, switch_off
from glue.errors import BadInput, LimitReached
from glue.rules.facts import Member
from glue.rules.names import TenantId
from glue.wiring import Services
from portal.onboarding import program_has_called
from portal.people import Person
from portal.rendering import FormState
from portal.site import FormText, Site


@dataclass(frozen=True)
class Program:
    """``last_used_at`` is the day of its last usage; None: never."""

    name: str
    client_id: str
    enabled: bool
    last_used_at: datetime | None


@dataclass(frozen=True)
class ProgramsPage:
    """``secret`` and ``client_id`` are filled on the one page that shows them."""

    programs: tuple[Program, ...]
    limit: int
    form: FormState
    refusal: str
    client_id: str
    secret: str
    first_call: str
    stale_since: datetime | None


@dataclass(frozen=True)
class FirstCallPage:
    """Ready commands for a first call; ``arrived`` lights the page up."""

    arrived: bool
    python: str
    curl: str
    command: str


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/programs")
    identity = services.settings.keycloak
    token_url = f"{identity.issuer_url}/protocol/openid-connect/token"

    def show(
        request: Request, person: Person, form: FormState, *, refusal: str = "", status: int = 200, made: tuple[str, str] = ("", "")
    ) -> Response:
        look = site.known.team(person.tenant)
        found = [member for member in look.value.members if member.service_account and member.enabled] if look.value else []
        used = last_used(services, person.tenant)
        context = ProgramsPage(
            programs=tuple(_describe(member, used) for member in found),
            limit=services.actions.grants(person.tenant).programs,
            form=form,
            refusal=refusal,
            client_id=made[0],
            secret=made[1],
            first_call=curl_example(services.settings.public_url, token_url, *made) if made[1] else "",
            stale_since=look.stale_since,
        )
        return site.page(request, "programs", context, title="Programs", person=person, current="programs", status=status)

    @router.get("")
    def page(request: Request) -> Response:
        person = site.people.get(request)
        person.must_see()
        return show(request, person, site.new_form())

    @router.post("/create")
    def create(request: Request, name: FormText = "", nonce: FormText = "") -> Response:
        """The page with the secret is the answer itself: it must not be kept anywhere, also not for a redirect."""
        person = site.people.get(request)
        person.must()
        say = site.writer(request, person).text
        try:
            made = create_program(services.actions, person.tenant, name=name, by=person.email, nonce=nonce)
        except LimitReached as error:
            refusal = say("All %(limit)s programs of your plan exist. Switch one off or choose another plan.", limit=error.fields["limit"])
            return show(request, person, site.new_form(name=name), refusal=refusal, status=403)
        except BadInput as error:
            return show(request, person, site.wrong({"name": name}, error, say=say), status=422)
        return answer_once(request, person, made)

    @router.post("/rotate")
    def rotate(request: Request, client_id: FormText = "", nonce: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()
        return answer_once(
            request, person, (client_id, rotate_secret(services.actions, person.tenant, client_id, by=person.email, nonce=nonce))
        )

    def answer_once(request: Request, person: Person, made: tuple[str, str]) -> Response:
        if made[1]:
            return show(request, person, site.new_form(), made=made)
        site.tell(request, site.writer(request, person).text("This form was sent before; its secret is not shown a second time."), "warn")
        return RedirectResponse("/programs", 303)

    @router.post("/disable")
    def disable(request: Request, client_id: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()
        said = site.writer(request, person).text("The program was switched off.")
        return site.let_go(request, "/programs", lambda: switch_off(services.actions, person.tenant, client_id, by=person.email), said)

    @router.get("/first-call")
    def first_call(request: Request) -> Response:
        person = site.people.get(request)
        url = services.settings.public_url
        context = FirstCallPage(
            arrived=program_has_called(services, person.tenant),
            python=python_example(url, token_url),
            curl=curl_example(url, token_url, "YOUR-CLIENT-ID", "YOUR-CLIENT-SECRET"),
            command="coditect check api_calls",
        )
        return site.page(request, "first_call", context, title="Your first call", person=person, current="programs")

    return router


def last_used(services: Services, tenant: TenantId) -> dict[str, datetime]:
    """Program (user id or client id, as usage carries it) → the day of its last usage."""
    since = services.actions.record(tenant).created_at
    found: dict[str, datetime] = {}
    for meter in services.meter.orders.meters:
        for row in services.meter.usage_by_day(tenant, meter.code, since=since, dimension="program"):
            day = datetime.combine(datetime.fromisoformat(row.day).date(), time(), tzinfo=UTC)
            found[row.value] = max(found.get(row.value, day), day)
    return found


def curl_example(url: str, token_url: str, client_id: str, secret: str) -> str:
    return (
        f"TOKEN=$(curl -s {token_url} \\\n"
        f"  -d grant_type=client_credentials -d 'scope=organization:*' \\\n"
        f'  -d client_id={client_id} -d client_secret={secret} | sed \'s/.*"access_token":"\\([^"]*\\).*/\\1/\')\n'
        f'curl -s {url}/v1/consume -H "Authorization: Bearer $TOKEN" \\\n'
        f'  -H \'Content-Type: application/json\' -d \'{{"meter": "api_calls", "units": 1}}\''
    )


def python_example(url: str, token_url: str) -> str:
    return (
        "import httpx\n\n"
        f'token = httpx.post("{token_url}", data={{\n'
        '    "grant_type": "client_credentials", "scope": "organization:*",\n'
        '    "client_id": "YOUR-CLIENT-ID", "client_secret": "YOUR-CLIENT-SECRET",\n'
        '}).json()["access_token"]\n'
        f'answer = httpx.post("{url}/v1/consume", json={{"meter": "api_calls", "units": 1}},\n'
        '                    headers={"Authorization": f"Bearer {token}"})\n'
        "print(answer.json())"
    )


def _describe(member: Member, used: dict[str, datetime]) -> Program:
    client_id = client_id_of(member)
    name = f"{member.first_name} {member.last_name}".strip() or client_id
    return Program(name, client_id, member.enabled, used.get(member.user_id) or used.get(client_id))
