"""People's and programs' ways through the real Keycloak with this repository's realm."""

import re
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from json import loads
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from glue.ops.keycloak_server import Running
from glue.sandbox.visitor import Lost, Visitor, log_in, register, wait_for_mail

pytestmark = [pytest.mark.keycloak, pytest.mark.timeout(300)]

PORTAL = "http://localhost:8300"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636, appendix B
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
PASSWORD = "correct-horse-battery"


def openid(keycloak: Running, endpoint: str) -> str:
    return f"{keycloak.issuer}/protocol/openid-connect/{endpoint}"


def login_url(keycloak: Running, **more: str) -> str:
    params = {"client_id": "glue-portal", "redirect_uri": f"{PORTAL}/auth/callback", "response_type": "code", "state": "s"}
    params |= {"scope": "openid organization:*", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    return str(httpx.URL(openid(keycloak, "auth"), params=params | more))


def redeem(keycloak: Running, url: str) -> dict[str, Any]:
    """The tokens for the code that came back to the portal."""
    assert url.startswith(f"{PORTAL}/auth/callback?"), url
    code = dict(parse_qsl(urlsplit(url).query))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": f"{PORTAL}/auth/callback", "code_verifier": VERIFIER}
    answer = httpx.post(openid(keycloak, "token"), data=form, auth=(keycloak.portal_client_id, keycloak.portal_client_secret))
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    read: dict[str, Any] = loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read


class Service:
    """The admin API with the rights of glue-service."""

    def __init__(self, keycloak: Running, *, client_id: str, secret: str, realm: str | None = None) -> None:
        token_url = f"{keycloak.url}/realms/{realm or keycloak.realm}/protocol/openid-connect/token"
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        token = httpx.post(token_url, data=form).raise_for_status().json()["access_token"]
        self.client = httpx.Client(base_url=f"{keycloak.url}/admin/realms/{keycloak.realm}", headers={"Authorization": f"Bearer {token}"})

    def make(self, path: str, **body: Any) -> str:
        return self.client.post(path, json=body).raise_for_status().headers["location"].rsplit("/", 1)[-1]

    def person(self, email: str, **more: Any) -> str:
        credentials = [{"type": "password", "value": PASSWORD}]
        return self.make(
            "/users", email=email, emailVerified=True, enabled=True, firstName="Ann", lastName="Lee", credentials=credentials, **more
        )

    def organization(self, alias: str, **more: Any) -> str:
        return self.make("/organizations", name=f"Acme · {alias}", alias=alias, redirectUrl=f"{PORTAL}/welcome", **more)

    def join(self, organization: str, user: str, role: str) -> None:
        self.client.post(f"/organizations/{organization}/members", json=user).raise_for_status()
        group = self.client.post(f"/organizations/{organization}/groups", json={"name": role}).raise_for_status().json()["id"]
        self.client.put(f"/organizations/{organization}/groups/{group}/members/{user}").raise_for_status()


@pytest.fixture(scope="module")
def service(keycloak: Running) -> Iterator[Service]:
    made = Service(keycloak, client_id=keycloak.service_client_id, secret=keycloak.service_client_secret)
    with made.client:
        yield made


@pytest.fixture(scope="module")
def admin(keycloak: Running) -> Iterator[Service]:
    made = Service(keycloak, client_id=keycloak.admin_client_id, secret=keycloak.admin_client_secret, realm=keycloak.admin_realm)
    with made.client:
        yield made


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    with Visitor() as made:
        yield made


@pytest.fixture
def address() -> Callable[[str], str]:
    """A new address for a name."""
    return lambda name: f"{name}-{secrets.token_hex(4)}@acme.test"


def test_registration_mails_a_link_and_ends_signed_in(keycloak, keycloak_mail_url, visitor, address):
    email = address("ann")
    page = register(
        visitor,
        login_url(keycloak, prompt="create"),
        email=email,
        password=PASSWORD,
        first_name="Ann",
        last_name="Lee",
        mail_url=keycloak_mail_url,
    )
    tokens = redeem(keycloak, page.url)
    assert claims(tokens["access_token"])["email_verified"] is True
    assert claims(tokens["access_token"])["aud"] == "glue-api"
    with Visitor() as later:
        assert log_in(later, login_url(keycloak), email=email, password=PASSWORD).url.startswith(f"{PORTAL}/auth/callback")


def test_verification_mail_has_brand_and_the_same_link_in_text_and_html(keycloak, keycloak_mail_url, visitor, address):
    email = address("ann")
    visitor.open(login_url(keycloak, prompt="create"))
    visitor.submit("kc-register-form", email=email, firstName="Ann", lastName="Lee")
    assert visitor.page.id == "login-login-verify-email"
    mail = wait_for_mail(keycloak_mail_url, email)
    assert "Coditect" in mail["html"]
    assert len([link for link in mail["links"] if "action-token" in link]) == 1
    assert mail["links"][0] in mail["text"]


@pytest.mark.parametrize(("language", "word"), [("de", "bestätigen"), ("es", "Confirme"), ("fr", "Confirmez"), ("pt-BR", "Confirme")])
def test_people_are_addressed_in_their_language(keycloak, keycloak_mail_url, address, language, word):
    email = address("ann")
    with Visitor(language=language) as visitor:
        page = visitor.open(login_url(keycloak, prompt="create"))
        assert page.language == language
        visitor.submit("kc-register-form", email=email, firstName="Ann", lastName="Lee")
    mail = wait_for_mail(keycloak_mail_url, email)
    assert word in mail["subject"]
    assert word.lower() in mail["text"].lower()


def test_taken_address_is_refused_on_the_form(keycloak, visitor, service, address):
    email = address("ann")
    service.person(email)
    visitor.open(login_url(keycloak, prompt="create"))
    page = visitor.submit("kc-register-form", email=email, firstName="Ann", lastName="Lee")
    assert page.id == "login-register"
    assert "already" in page.text


def test_wrong_password_is_refused(keycloak, visitor, service, address):
    email = address("ann")
    service.person(email)
    with pytest.raises(Lost, match="Invalid username or password"):
        log_in(visitor, login_url(keycloak), email=email, password="something else")


def test_short_password_is_refused(keycloak, keycloak_mail_url, visitor, address):
    with pytest.raises(AssertionError, match="login-update-password"):
        page = register(
            visitor,
            login_url(keycloak, prompt="create"),
            email=address("ann"),
            password="short",
            first_name="Ann",
            last_name="Lee",
            mail_url=keycloak_mail_url,
        )
        assert page.url.startswith(PORTAL), page.id


def test_forgotten_password_is_replaced_by_mail(keycloak, keycloak_mail_url, visitor, service, address):
    email = address("ann")
    service.person(email)
    page = visitor.open(login_url(keycloak))
    if "password" not in page.form("kc-form-login").fields:
        visitor.submit("kc-form-login", username=email)
    visitor.follow("reset-credentials")
    visitor.submit("kc-reset-password-form", username=email)
    visitor.open(wait_for_mail(keycloak_mail_url, email)["links"][0])
    visitor.submit("kc-passwd-update-form", password_new="another-horse-1", password_confirm="another-horse-1")
    with Visitor() as later:
        assert log_in(later, login_url(keycloak), email=email, password="another-horse-1").url.startswith(f"{PORTAL}/auth/callback")


def test_token_names_every_organization_with_attributes_and_roles(keycloak, visitor, service, address):
    email, first, second = address("ann"), f"t{secrets.token_hex(4)}", f"t{secrets.token_hex(4)}"
    user = service.person(email)
    service.join(service.organization(first, attributes={"plan": ["pro"]}), user, "admin")
    service.join(service.organization(second), user, "member")
    tokens = redeem(keycloak, log_in(visitor, login_url(keycloak), email=email, password=PASSWORD).url)
    organizations = claims(tokens["access_token"])["organization"]
    assert organizations[first]["plan"] == ["pro"]
    assert {alias: facts["groups"] for alias, facts in organizations.items()} == {first: ["/admin"], second: ["/member"]}
    assert all(facts["id"] for facts in organizations.values())


def test_invitation_text_has_a_working_link_and_makes_a_member(keycloak, keycloak_mail_url, visitor, service, address):
    email, alias = address("bob"), f"t{secrets.token_hex(4)}"
    organization = service.organization(alias)
    form = {"email": email, "firstName": "Bob", "lastName": "Ray"}
    service.client.post(f"/organizations/{organization}/members/invite-user", data=form).raise_for_status()
    mail = wait_for_mail(keycloak_mail_url, email)
    assert f"Acme · {alias}" in mail["subject"]
    link = re.search(r"https?://\S+", mail["text"])
    assert link is not None
    assert "&#61;" not in mail["text"]
    assert "&amp;" not in link[0]
    page = register(visitor, link[0], email=email, password=PASSWORD, first_name="Bob", last_name="Ray", mail_url=keycloak_mail_url)
    assert page.url.startswith(f"{PORTAL}/welcome")
    members = service.client.get(f"/organizations/{organization}/members").json()
    assert [member["email"] for member in members] == [email]


def test_operator_role_reaches_token_and_introspection(keycloak, visitor, service, admin, address):
    email = address("olga")
    user = service.person(email)
    role = admin.client.get("/roles/operator").json()
    admin.client.post(f"/users/{user}/role-mappings/realm", json=[role]).raise_for_status()
    tokens = redeem(keycloak, log_in(visitor, login_url(keycloak), email=email, password=PASSWORD).url)
    assert claims(tokens["access_token"])["realm_access"] == {"roles": ["operator"]}
    asked = httpx.post(
        openid(keycloak, "token/introspect"),
        data={"token": tokens["access_token"]},
        auth=(keycloak.api_client_id, keycloak.api_client_secret),
    ).json()
    assert asked["active"] is True
    assert asked["realm_access"] == {"roles": ["operator"]}


def test_portal_login_without_pkce_is_refused(keycloak, visitor):
    page = visitor.open(login_url(keycloak, code_challenge="", code_challenge_method=""))
    assert "error=invalid_request" in page.url


def test_command_line_logs_in_by_device_code(keycloak, visitor, service, address):
    email = address("ann")
    service.person(email)
    form = {"client_id": "glue-cli", "scope": "openid organization:*"}
    device = httpx.post(openid(keycloak, "auth/device"), data=form).raise_for_status().json()
    log_in(visitor, device["verification_uri_complete"], email=email, password=PASSWORD)
    visitor.submit(button="Yes")
    asked = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "glue-cli", "device_code": device["device_code"]}
    tokens = httpx.post(openid(keycloak, "token"), data=asked).raise_for_status().json()
    assert claims(tokens["access_token"])["aud"] == "glue-api"


def test_service_client_has_its_rights_and_no_more(service):
    allowed = ["/organizations", "/users?max=1", "/events?max=1", "/admin-events?max=1"]
    refused = ["/clients", "/roles", "/client-scopes", "/authentication/flows"]
    assert {path: service.client.get(path).status_code for path in allowed} == dict.fromkeys(allowed, 200)
    assert {path: service.client.get(path).status_code for path in refused} == dict.fromkeys(refused, 403)


def test_apply_client_reads_and_writes_the_realm_but_not_people(keycloak):
    with Service(keycloak, client_id=keycloak.apply_client_id, secret=keycloak.apply_client_secret).client as client:
        realm = client.get("").raise_for_status().json()
        assert client.put("", json={"realm": "glue", "displayName": realm["displayName"]}).status_code == 204
        assert client.get("/clients", params={"clientId": "glue-portal"}).status_code == 200
        assert client.get("/client-scopes").status_code == 200
        assert client.post("/users", json={"email": "x@acme.test"}).status_code == 403


def test_program_of_a_tenant_carries_its_organization(keycloak, admin, service):
    """The pattern for programs: a client with a service account that is a member of the organization."""
    name, alias = f"prog-{secrets.token_hex(4)}", f"t{secrets.token_hex(4)}"
    scopes = {
        "defaultClientScopes": ["basic", "acr", "roles", "profile", "email", "glue-api", "service_account"],
        "optionalClientScopes": ["organization"],
    }
    client = admin.make(
        "/clients",
        clientId=name,
        secret="program-secret-1",
        serviceAccountsEnabled=True,
        standardFlowEnabled=False,
        fullScopeAllowed=False,
        **scopes,
    )
    account = admin.client.get(f"/clients/{client}/service-account-user").json()["id"]
    service.join(service.organization(alias, attributes={"plan": ["pro"]}), account, "member")
    form = {"grant_type": "client_credentials", "client_id": name, "client_secret": "program-secret-1", "scope": "organization:*"}
    token = httpx.post(openid(keycloak, "token"), data=form).raise_for_status().json()["access_token"]
    assert claims(token)["organization"][alias] | {"id": ""} == {"id": "", "plan": ["pro"], "groups": ["/member"]}
    assert claims(token)["client_id"] == name
