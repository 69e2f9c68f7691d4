"""The door of the admin API: finds the handler, lets the caller in, tells of what is not imitated."""

import inspect
import re
import sys
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, compile_path

from glue.sandbox.identity.admin import clients, groups, organizations, people
from glue.sandbox.identity.admin import realm as realms
from glue.sandbox.identity.admin.calls import Call, Handler, open_call
from glue.sandbox.identity.answers import answer, builtin, error, nothing_there
from glue.sandbox.identity.state import Realm, pick

Compiled = list[tuple[re.Pattern[str], dict[str, Handler]]]


def admin_routes(realm: Realm) -> list[Route]:
    """Routes below ``/admin/realms``."""
    table = _compile()

    async def on_call(request: Request) -> Response:
        checked, rights = open_call(realm, request.headers.get("authorization"))
        if request.path_params["realm"] != realm.name:
            raise error(404, "Realm not found.")
        path = "/" + request.path_params["rest"] if request.path_params.get("rest") else ""
        parts, handler = _find(table, request.method, path)
        query = parse_qs(request.url.query, keep_blank_values=True)
        call = Call(realm, parts, query, await request.body(), request.headers.get("content-type", ""), checked, rights)
        if inspect.iscoroutinefunction(handler):
            response: Response = await handler(call)
            return response
        with realm.store.transaction():
            result = handler(call)
        assert isinstance(result, Response)
        return result

    async def on_realms(request: Request) -> Response:
        _, rights = open_call(realm, request.headers.get("authorization"))
        if request.method == "POST":  # only accounts of the master realm make realms, and there is none here
            raise error(403, "HTTP 403 Forbidden")
        return answer([pick(realm.settings, "id", "realm", "displayName", "enabled")] if rights else [])

    verbs = ["GET", "POST", "PUT", "DELETE", "PATCH"]
    return [
        Route("/admin/realms", on_realms, methods=["GET", "POST"]),
        Route("/admin/realms/{realm}", on_call, methods=verbs),
        Route("/admin/realms/{realm}/{rest:path}", on_call, methods=verbs),
    ]


def _compile() -> Compiled:
    by_path: dict[str, dict[str, Handler]] = {}
    for part in (organizations, groups, people, realms, clients):
        for (method, path), handler in part.routes().items():
            by_path.setdefault(path, {})[method] = handler
    return [(compile_path(path)[0], methods) for path, methods in by_path.items()]


def _find(table: Compiled, method: str, path: str) -> tuple[dict[str, str], Handler]:
    known = False
    for pattern, methods in table:
        match = pattern.match(path.rstrip("/"))
        if match:
            known = True
            if method in methods:
                return match.groupdict(), methods[method]
    if known and method == "PATCH":
        raise error(405, "HTTP 405 Method Not Allowed")
    if path.split("/")[1] not in builtin()["not_imitated"]:
        raise nothing_there()
    sys.stderr.write(f"identity sandbox: not imitated: {method} {path}\n")
    raise error(501, f"the identity sandbox does not imitate {method} {path}")
