"""The identity sandbox as a real process with the repository's realm, and what its tests use beside it."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from identity_driver import PASSWORD, REALM_FILE, Browser, Listener, Login, Mailbox, Provider, environment_of, mail_sink, running


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    with mail_sink() as box:
        yield box


@pytest.fixture(scope="session")
def provider(mailbox: Mailbox) -> Iterator[Provider]:
    """The repository's own realm, running."""
    options = ["--realm-file", str(REALM_FILE), "--smtp", f"127.0.0.1:{mailbox.port}"]
    with running(*options, environment=environment_of()) as ready, httpx.Client(trust_env=False, timeout=20) as http:
        yield Provider(ready, http, mailbox)


@pytest.fixture
def visitor(provider: Provider) -> Browser:
    return Browser(provider)


@pytest.fixture
def sign_in(provider: Provider) -> Callable[..., tuple[Browser, dict[str, Any]]]:
    """Log a person in at the portal: (the visitor, the tokens)."""

    def run(email: str, *, scope: str = "openid organization:*", visitor: Browser | None = None) -> tuple[Browser, dict[str, Any]]:
        visitor, login = visitor or Browser(provider), Login(provider)
        visitor.go(login.url(scope, login_hint=email))
        if visitor.page.id == "login-login" and visitor.at.startswith(provider.ready["url"]):
            visitor.submit(username=email, password=PASSWORD) if "username" in visitor.page.values else visitor.submit(password=PASSWORD)
        answered = login.redeem(visitor.answer["code"])
        assert answered.status_code == 200, answered.text
        return visitor, answered.json()

    return run


@pytest.fixture
def listener() -> Iterator[Listener]:
    forms: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            forms.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield Listener(server.server_port, forms)
    server.shutdown()
    server.server_close()
