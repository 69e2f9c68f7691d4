"""The identity sandbox as a real process, a browser without scripts, and a mail server that keeps what it gets."""

import base64
import hashlib
import html
import json
import re
import secrets
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet

REALM_FILE = Path(__file__).parents[3] / "keycloak-realm" / "glue-realm.json"
APP = "http://127.0.0.1:8399"  # nobody listens there: it stands for the portal that people come back to
SECRETS = {name: f"{name}-secret-1" for name in ("portal", "api", "service", "apply")}
PASSWORD = "correct-horse-battery"
LINK = re.compile(r"https?://\S+")


@dataclass
class Mailbox:
    """Mails by arrival; an address that begins with ``bounce`` is refused."""

    port: int = 0
    mails: list[Any] = field(default_factory=list)

    def wait(self, to: str, *, count: int = 1) -> Any:
        for _ in range(100):
            found = [mail for mail in self.mails if mail["To"] == to]
            if len(found) >= count:
                return found[-1]
            time.sleep(0.02)
        raise AssertionError(f"no mail {count} to {to}")

    def link(self, to: str, *, count: int = 1) -> str:
        """The link in the text part of the latest mail to ``to``."""
        found = LINK.search(self.wait(to, count=count).get_body(("plain",)).get_content())
        assert found
        return found[0]


@contextmanager
def mail_sink() -> Iterator[Mailbox]:
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            for line in iter(self.rfile.readline, b""):
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go\r\n")
                    raw = b"".join(iter(self.rfile.readline, b".\r\n"))
                    box.mails.append(message_from_bytes(raw, policy=policy.default))
                refused = verb == b"RCPT" and b"<bounce" in line
                self.wfile.write(b"550 no such mailbox\r\n" if refused else b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        box.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield box
        server.shutdown()


@dataclass
class Provider:
    """A running sandbox and shorthands for its API."""

    ready: dict[str, str]
    http: httpx.Client
    mail: Mailbox

    @property
    def issuer(self) -> str:
        return self.ready["issuer"]

    @property
    def openid(self) -> str:
        return f"{self.issuer}/protocol/openid-connect"

    def admin(self, method: str, path: str, body: Any = None, *, token: str | None = None, **more: Any) -> httpx.Response:
        """A call of the admin API below the realm, by the sandbox's own admin unless a token is given."""
        if token is None:
            token = self.machine_token(self.ready["admin_client_id"], self.ready["admin_client_secret"])["access_token"]
        url = f"{self.ready['url']}/admin/realms/{self.ready['realm']}{path}"
        if body is not None:
            more["json"] = body
        return self.http.request(method, url, headers={"Authorization": f"Bearer {token}"}, **more)

    def made(self, path: str, body: Any) -> str:
        answered = self.admin("POST", path, body)
        assert answered.status_code == 201, answered.text
        return answered.headers["location"].rsplit("/", 1)[-1]

    def token(self, **form: str) -> httpx.Response:
        return self.http.post(f"{self.openid}/token", data=form)

    def machine_token(self, client_id: str, secret: str, scope: str = "") -> dict[str, Any]:
        form = {"client_id": client_id, "client_secret": secret} | ({"scope": scope} if scope else {})
        answered = self.token(grant_type="client_credentials", **form)
        assert answered.status_code == 200, answered.text
        return answered.json()

    def introspect(self, token: str) -> httpx.Response:
        """Introspection by glue-api, which stands in ``aud``."""
        form = {"client_id": "glue-api", "client_secret": SECRETS["api"], "token": token}
        return self.http.post(f"{self.openid}/token/introspect", data=form)

    def claims(self, token: str) -> dict[str, Any]:
        keys = self.http.get(f"{self.openid}/certs").json()
        usable = {"keys": [key for key in keys["keys"] if key["use"] == "sig"]}
        return jwt.decode(token, KeySet.import_key_set(usable)).claims

    def person(self, **fields: Any) -> tuple[str, str]:
        """(id, address) of somebody new with a verified address and a password."""
        email = f"p{secrets.token_hex(4)}@people.test"
        body = {"email": email, "firstName": "Pat", "lastName": "Example", "enabled": True, "emailVerified": True}
        return self.made("/users", body | {"credentials": [{"type": "password", "value": PASSWORD}]} | fields), email

    def organization(self, *members: str, **fields: Any) -> tuple[str, str]:
        """(id, alias) of a new organization with these members."""
        alias = f"o{secrets.token_hex(4)}"
        made = self.made("/organizations", {"name": f"Org {alias}", "alias": alias, "redirectUrl": f"{APP}/welcome", **fields})
        for user in members:
            assert self.admin("POST", f"/organizations/{made}/members", user).status_code == 201
        return made, alias

    def members(self, organization: str) -> dict[str, str]:
        rows = self.admin("GET", f"/organizations/{organization}/members?max=100").json()
        return {row["username"]: row["membershipType"] for row in rows}

    def move_clock(self, **body: Any) -> None:
        self.http.post(f"{self.ready['control_url']}/clock", json=body).raise_for_status()

    def script(self) -> tuple[str, str]:
        """(id, secret) of a new client with the password grant, whose tokens glue-api may introspect."""
        client, secret = f"script-{secrets.token_hex(4)}", secrets.token_hex(8)
        scopes = ["basic", "acr", "roles", "profile", "email", "glue-api"]
        body = {"clientId": client, "secret": secret, "directAccessGrantsEnabled": True, "defaultClientScopes": scopes}
        self.made("/clients", body | {"optionalClientScopes": ["organization", "offline_access"]})
        return client, secret

    def by_password(self, client: tuple[str, str], email: str, scope: str = "openid") -> dict[str, Any]:
        form = {"client_id": client[0], "client_secret": client[1], "username": email, "password": PASSWORD, "scope": scope}
        answered = self.token(grant_type="password", **form)
        assert answered.status_code == 200, answered.text
        return answered.json()

    def refresh(self, client: tuple[str, str], token: str) -> httpx.Response:
        return self.token(grant_type="refresh_token", client_id=client[0], client_secret=client[1], refresh_token=token)


@contextmanager
def running(*options: str, environment: dict[str, str] | None = None) -> Iterator[dict[str, str]]:
    """A sandbox process; yields its ready line."""
    command = [sys.executable, "-c", "from glue.cli import main; main()", "sandbox", "identity", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert line, process.stderr.read() if process.stderr else ""
            yield json.loads(line)
        finally:
            process.terminate()
            process.wait(10)


def environment_of(app: str = APP) -> dict[str, str]:
    import os

    secret = {f"GLUE_KEYCLOAK__{name.upper()}_CLIENT_SECRET": value for name, value in SECRETS.items()}
    return {**os.environ, **secret, "GLUE_PUBLIC_URL": app}


class Page(HTMLParser):
    """What a page shows and asks: first form, links, buttons, texts by id."""

    def __init__(self, text: str, url: str = "") -> None:
        super().__init__()
        self.url, self.language, self.restart, self.switch = url, "", "", ("", {})
        self.languages: dict[str, str] = {}
        self.id, self.action, self.values, self.links, self.buttons, self.texts = "", None, {}, {}, {}, {}
        self._open: list[str] = []
        self._last_link, self._forms = "", 0
        self.text = text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.id = given.get("data-page-id", self.id)
        self._forms += tag == "form"
        if tag == "form" and self.action is None:
            self.action, self.form_id = given["action"], given.get("id", "")
        if tag == "input" and given.get("name") and given.get("type") != "checkbox" and self._forms == 1:
            self.values.setdefault(given["name"], given.get("value", ""))
        if tag == "option" and "kc_locale=" in given.get("value", ""):
            self.languages[parse_qs(urlsplit(given["value"]).query)["kc_locale"][0]] = given["value"]
        if tag == "option" and "selected" in given:
            self.language = parse_qs(urlsplit(given["value"]).query)["kc_locale"][0]
        if given.get("id") == "reset-login":
            found = re.search(r"(http[^']*|/realms[^']*)", given.get("href") or given.get("onclick", ""))
            self.restart = found[0] if found else ""
        if tag == "form" and given.get("id") == "kc-switch-organization-form":
            self.switch = (given["action"], {"switchOrganization": "true"})
        if given.get("id") == "kc-attempted-username":
            self.texts["kc-attempted-username"] = given["value"]
        if tag == "button" and given.get("name"):
            self.buttons[given.get("value", "")] = given["name"]
        if tag == "a":
            self._last_link = given["href"]
        if tag not in ("input", "meta", "link", "br"):
            self._open.append(given.get("id") or given.get("class", "").split(" ")[0])

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag not in ("input", "meta", "link", "br"):
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and self._open:
            self.texts[self._open[-1]] = data.strip()
        if self._last_link and data.strip():
            self.links[data.strip()] = self._last_link
            self._last_link = ""

    def link(self, text: str) -> str:
        return urljoin(self.url, self.links[text])

    def error_of(self, name: str) -> str:
        """What is told below a field."""
        found = re.search(rf'id="input-error-{name}".*?</(?:div|span)>', self.text, re.DOTALL)
        assert found, self.text
        return html.unescape(re.sub(r"<[^>]*>", "", "<" + found[0])).strip()

    def first_link(self) -> str:
        return next(iter(self.links.values()))


@dataclass
class Browser:
    """Keeps cookies by hand, since they are Secure on plain http, and follows redirects until they leave the provider."""

    provider: Provider
    cookies: dict[str, str] = field(default_factory=dict)
    status: int = 0
    at: str = ""
    page: Page = field(default_factory=lambda: Page(""))

    def go(self, url: str, form: dict[str, str] | None = None) -> "Browser":
        url = urljoin(self.at, url)
        for _ in range(10):
            self.at = url
            if not url.startswith(self.provider.ready["url"]):
                return self
            header = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            answered = self.provider.http.request(
                "GET" if form is None else "POST", url, data=form, headers={"Accept": "text/html"} | ({"Cookie": header} if header else {})
            )
            for raw in answered.headers.get_list("set-cookie"):
                for name, morsel in SimpleCookie(raw).items():
                    self.cookies[name] = morsel.value
                    if morsel["max-age"] == "0":
                        self.cookies.pop(name)
            self.status = answered.status_code
            if not answered.is_redirect:
                self.page = Page(answered.text, url)
                return self
            url, form = urljoin(url, answered.headers["location"]), None
        raise AssertionError("too many redirects")

    def submit(self, **fields: str) -> "Browser":
        assert self.page.action, self.page.text
        return self.go(urljoin(self.at, self.page.action), self.page.values | fields)

    def press(self, value: str) -> "Browser":
        assert self.page.action
        return self.go(urljoin(self.at, self.page.action), {self.page.buttons[value]: value})

    @property
    def answer(self) -> dict[str, str]:
        """Parameters that the application got."""
        assert self.at.startswith("http://127.0.0.1:8399"), (self.at, self.page.id, self.page.text)
        return dict(parse_qsl(urlsplit(self.at).query))


@dataclass
class Login:
    """An authorization request of the portal, with what is needed to redeem its code."""

    provider: Provider
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_hex(8))
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))

    def url(self, scope: str = "openid organization:*", **more: str) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        params = {"client_id": "glue-portal", "redirect_uri": f"{APP}/auth/callback", "response_type": "code", "scope": scope}
        params |= {"state": self.state, "nonce": self.nonce, "code_challenge_method": "S256"}
        params["code_challenge"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        params = {name: value for name, value in (params | more).items() if value}
        return str(httpx.URL(f"{self.provider.openid}/auth", params=params))

    def redeem(self, code: str, **more: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "client_id": "glue-portal", "client_secret": SECRETS["portal"], "code": code}
        form |= {"redirect_uri": f"{APP}/auth/callback", "code_verifier": self.verifier}
        return self.provider.token(**{name: value for name, value in (form | more).items() if value})


@dataclass
class Listener:
    """A loopback http server that keeps the forms posted to it."""

    port: int
    forms: list[dict[str, list[str]]] = field(default_factory=list)
