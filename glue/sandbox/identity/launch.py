"""Puts the identity sandbox together and serves it."""

from datetime import datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from glue.sandbox.clock import VirtualClock
from glue.sandbox.identity.admin.routing import admin_routes
from glue.sandbox.identity.answers import Document, Refusal, error
from glue.sandbox.identity.browser.routing import browser_routes
from glue.sandbox.identity.keys import Keys
from glue.sandbox.identity.provider import provider_routes
from glue.sandbox.identity.realm_file import ADMIN_CLIENT, import_realm, load_realm_file
from glue.sandbox.identity.state import Realm
from glue.sandbox.serving import bind, control_app, serve
from glue.sandbox.store import Store


def build(realm: Realm) -> Starlette:
    """The application: OpenID provider, hosted pages and admin API of one realm."""

    async def on_refusal(_: Request, problem: Exception) -> Response:
        assert isinstance(problem, Refusal)
        return problem.response()

    async def on_http(_: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)
        phrase = {404: "Not Found", 405: "Method Not Allowed"}.get(problem.status_code, problem.detail)
        return error(problem.status_code, f"HTTP {problem.status_code} {phrase}").response()

    routes = [*admin_routes(realm), *provider_routes(realm), *browser_routes(realm)]
    return Starlette(routes=routes, exception_handlers={Refusal: on_refusal, HTTPException: on_http})


def run(
    *,
    port: int,
    control_port: int,
    state: Path | None,
    as_json: bool,
    clock_file: Path | None = None,
    now: datetime | None = None,
    realm_file: Path | None = None,
    smtp: str | None = None,
) -> None:
    """Serve until a signal. The realm is read from the file once; later starts on the same ``state`` keep what they find."""
    listener, control_listener = bind(port), bind(control_port)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    clock = VirtualClock(clock_file)
    if now is not None:
        clock.set(now)
    store = Store(state)
    realm = Realm(store, clock, Keys(state), url)

    def fill() -> None:
        with store.transaction():
            import_realm(realm, _with_smtp(load_realm_file(realm_file), smtp))

    async def move(instant: datetime | None) -> None:
        if instant is not None:
            clock.set(instant)

    async def reset() -> None:
        store.reset()
        realm.open()
        fill()

    if not realm.settings:
        fill()
    control = control_app(clock, move=move, reset=reset)
    ready = {
        "url": url,
        "control_url": f"http://127.0.0.1:{control_listener.getsockname()[1]}",
        "realm": realm.name,
        "issuer": realm.issuer,
        "admin_client_id": ADMIN_CLIENT,
        "admin_client_secret": realm.keys.admin_secret,
    }
    serve(build(realm), control, listener=listener, control_listener=control_listener, ready=ready, as_json=as_json)


def _with_smtp(given: Document, smtp: str | None) -> Document:
    """The realm with its mail server replaced by a plain one at ``host:port``."""
    if smtp is None:
        return given
    host, _, port = smtp.rpartition(":")
    plain = {"host": host or "127.0.0.1", "port": port, "starttls": "false", "ssl": "false", "auth": "false"}
    return given | {"smtpServer": {"from": "login@glue.test", **(given.get("smtpServer") or {}), **plain}}
