"""One stack for all tests of the pages: sandboxes as processes, the service in this process, Alice as its customer."""

import asyncio
import os
import re
import secrets
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from glue import wiring
from glue.actions.asking import Actions
from glue.app import create_app
from glue.dirty import wait_until_settled
from glue.ops.stack import Stack
from glue.sandbox.visitor import Page, Visitor, log_in, register
from glue.settings import load
from glue.wiring import Services
from portal import create
from tests.fakes.chromium import PATH, Chromium, ChromiumVisitor
from tests.support.issue_server import REPOSITORY, TOKEN, IssueServer

# A hanging upstream is given up sooner than in production.
SHORT = {f"GLUE_{name}__TIMEOUT_SECONDS": "3" for name in ("KEYCLOAK", "LAGO", "KEYGEN")}
PASSWORD = "a long password of hers 1"
BILLING = {
    "billing_email": "accounts@example.com",
    "legal_name": "Kestrel Learning Ltd",
    "line1": "4 Quay Street",
    "zipcode": "90210",
    "city": "Portland",
    "country": "US",
}


@dataclass
class Portal:
    """The running portal."""

    stack: Stack
    services: Services
    chromium: Chromium | None
    issues: IssueServer
    visitors: list[Visitor | ChromiumVisitor] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.stack.public_url

    @property
    def mail_url(self) -> str:
        return str(self.stack.ready("mail")["url"])

    def visitor(self, *, scripts: bool) -> Visitor | ChromiumVisitor:
        """Somebody's browser: Chromium where there is one, else one that knows neither scripts nor style."""
        made = ChromiumVisitor(self.chromium, scripts=scripts) if self.chromium else Visitor()
        self.visitors.append(made)
        return made

    def _server(self, name):
        """The process that answers: Keycloak's is a child of the one that started it."""
        return self.stack.ready(name).get("pid", self.stack.processes[name].pid)

    def keycloak_admin(self) -> httpx.Client:
        """Keycloak's admin API of our realm, as who administers Keycloak uses it."""
        ready, identity = self.stack.ready("keycloak"), self.services.settings.keycloak
        grant = {"grant_type": "client_credentials", "client_id": ready["admin_client_id"], "client_secret": ready["admin_client_secret"]}
        token_url = f"{identity.url}/realms/{ready.get('admin_realm', identity.realm)}/protocol/openid-connect/token"
        token = httpx.post(token_url, data=grant, trust_env=False).json()["access_token"]
        base = f"{identity.url}/admin/realms/{identity.realm}/"
        return httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, trust_env=False)

    def user_id(self, person: "Person") -> str:
        with self.keycloak_admin() as admin:
            return str(admin.get("users", params={"email": person.email, "exact": "true"}).json()[0]["id"])

    def settle(self, person: "Person") -> None:
        """Wait until everything about this customer is done."""
        actions = self.services.actions
        assert wait_until_settled(actions.database, actions.clock, person.tenant, timeout_seconds=30)

    def pause(self, name: str) -> None:
        """The upstream hangs: it takes connections and never answers."""
        os.kill(self._server(name), signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        os.kill(self._server(name), signal.SIGCONT)


@dataclass
class Person:
    """Somebody with a browser who is a customer, or about to become one. Charlie's runs no scripts: pages work without."""

    portal: Portal
    name: str
    email: str = ""
    tenant: str = ""

    def __post_init__(self) -> None:
        self.visitor = self.portal.visitor(scripts=self.name != "Charlie")
        self.email = self.email or f"{self.name.lower()}-{secrets.token_hex(3)}@example.com"

    def open(self, path: str) -> Page:
        return self.visitor.open(self.portal.url + path)

    def submit(self, form: str, **fields: str) -> Page:
        return self.visitor.submit(form, **fields)

    def post(
        self, path: str, *, headers: dict[str, str] | None = None, files: dict[str, Any] | None = None, **fields: str
    ) -> httpx.Response:
        """A form sent by hand, as from our own page unless ``headers`` say otherwise, without following where it leads."""
        ours = {"Origin": self.portal.url, "Sec-Fetch-Site": "same-origin"}
        return self.visitor.send("POST", self.portal.url + path, headers=headers or ours, data=fields, files=files)

    def get(self, path: str) -> httpx.Response:
        """The answer as it is, for headers and downloads."""
        return self.visitor.send("GET", self.portal.url + path, headers={"Sec-Fetch-Site": "none"})

    def sign_up(self) -> Page:
        return register(
            self.visitor, f"{self.portal.url}/auth/login?screen=register", email=self.email, password=PASSWORD, first_name=self.name,
            last_name="Archer", mail_url=self.portal.mail_url,
        )  # fmt: skip

    def become_customer(self, organization: str, *, tier: str = "pro") -> Page:
        self.sign_up()
        return self.found(organization, tier=tier)

    def found(self, organization: str, *, tier: str) -> Page:
        """Fill in the wizard."""
        self.submit("organization", name=organization)
        self.submit("plan", tier=tier)
        self.submit("billing", **BILLING)
        page = self.submit("confirm")
        self.tenant = page.html.partition('data-tenant="')[2][:15]
        return page

    def begin_work(self, text: str) -> str:
        """Ask and accept; the address of the run."""
        self.open("/runs/new")
        self.submit("ask", text=text)
        return self.submit("accept").url

    def wait_for_run(self, url: str, state: str = "completed") -> Page:
        deadline = time.monotonic() + 60
        while f'data-run-state="{state}"' not in (page := self.visitor.open(url)).html:
            assert time.monotonic() < deadline, page.text
            time.sleep(0.2)
        return page

    def invoices(self) -> list[str]:
        """Addresses of the invoices on the list, newest first."""
        page = self.open("/invoices")
        return list(dict.fromkeys(address for _, address in page.links if re.fullmatch(r"/invoices/[0-9a-f-]{36}", address)))

    def sign_in(self) -> Page:
        return log_in(self.visitor, f"{self.portal.url}/auth/login", email=self.email, password=PASSWORD)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """All of them on one worker: they share the stack. Those that move its clock come last: the machines of the others have a real one."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("portal"))
    items.sort(key=lambda item: item.get_closest_marker("moves_clock") is not None)


@pytest.fixture(scope="package")
def portal(tmp_path_factory):
    issues = IssueServer("forgejo")
    tracker = {"URL": issues.url, "REPOSITORY": REPOSITORY, "TOKEN": TOKEN, "KIND": "forgejo"}
    with Stack(tmp_path_factory.mktemp("portal"), Path(__file__).parents[2]) as stack:
        stack.start(serve=False)  # on a real Keycloak where there is one
        services = wiring.services(load(stack.environ | SHORT | {f"GLUE_ISSUES__{name}": value for name, value in tracker.items()}))
        services.start(worker=True)
        app = create_app(services, pages=create(services))
        certificates = stack.folder / "certificates"
        quiet = {"lifespan": "off", "log_level": "critical", "access_log": False, "timeout_graceful_shutdown": 2}
        servers = [
            uvicorn.Server(uvicorn.Config(app, port=services.settings.port, **quiet)),
            uvicorn.Server(
                uvicorn.Config(
                    app, port=int(stack.environ["TLS_PORT"]), ssl_certfile=certificates / "certificate.pem",
                    ssl_keyfile=certificates / "key.pem", **quiet,
                )
            ),
        ]  # fmt: skip

        async def serve() -> None:
            await asyncio.gather(*(server.serve() for server in servers))

        thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
        thread.start()
        while not all(server.started for server in servers):
            time.sleep(0.02)
        running = Portal(stack, services, Chromium() if PATH else None, issues)
        try:
            yield running
        finally:
            for visitor in running.visitors:
                visitor.close()
            if running.chromium:
                running.chromium.close()
            for server in servers:
                server.should_exit = True
            thread.join(15)
            services.stop()
            issues.stop()


@pytest.fixture
def impatient(monkeypatch):
    """Pages wait for a second only until what was asked is done, and ask a silent system again at once: for tests of outages."""
    monkeypatch.setattr("portal.known.REST_SECONDS", 0)
    wait = Actions.wait_until_settled
    monkeypatch.setattr(Actions, "wait_until_settled", lambda self, tenant, *, seconds: wait(self, tenant, seconds=min(seconds, 1)))


@pytest.fixture(scope="package")
def alice(portal):
    """The admin of Kestrel Learning, on pro."""
    person = Person(portal, "Alice")
    page = person.become_customer("Kestrel Learning")
    assert page.status == 200 and person.tenant, page.text[:500]
    return person


@pytest.fixture(scope="package")
def bob(portal, alice):
    """A member of Alice's team."""
    person = Person(portal, "Bob")
    alice.open("/team")
    assert alice.submit("invite", email=person.email, role="member").status == 200
    from glue.sandbox.visitor import wait_for_mail

    register(
        person.visitor, wait_for_mail(portal.mail_url, person.email)["links"][0], email=person.email, password=PASSWORD, first_name="Bob",
        last_name="Brook", mail_url=portal.mail_url,
    )  # fmt: skip
    person.sign_in()
    person.tenant = alice.tenant
    return person


@pytest.fixture(scope="package")
def paula(portal):
    """A customer on team, who pays from the first day."""
    person = Person(portal, "Paula")
    person.become_customer("Paying Pupils", tier="team")
    return person


@pytest.fixture(scope="package")
def charlie(portal):
    """Another customer, who must see nothing of Alice's."""
    person = Person(portal, "Charlie")
    person.become_customer("Other House", tier="free")
    return person


@pytest.fixture(scope="package")
def olga(portal):
    """An operator: Keycloak's admin gave her the role."""
    person = Person(portal, "Olga")
    person.sign_up()
    with portal.keycloak_admin() as admin:
        role = admin.get("roles/operator").json()
        admin.post(f"users/{portal.user_id(person)}/role-mappings/realm", json=[role]).raise_for_status()
    again = Person(portal, "Olga", email=person.email)
    again.sign_in()
    return again
