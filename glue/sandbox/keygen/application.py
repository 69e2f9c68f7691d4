"""The HTTP side: host, media types, routes, versions, who asks, signatures. Subjects never see what is refused here."""

import json
import re
import sys
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from glue.sandbox.keygen.account import HOST, Account
from glue.sandbox.keygen.bearers import anonymous, authenticate
from glue.sandbox.keygen.body import NOTHING
from glue.sandbox.keygen.calls import Answer, Call, Route, absolute, match
from glue.sandbox.keygen.keys import ALGORITHMS
from glue.sandbox.keygen.listing import read_query
from glue.sandbox.keygen.names import time_ordered_id
from glue.sandbox.keygen.problems import Problem, bad_request, missing, no_route, not_in_sandbox
from glue.sandbox.keygen.schedule import Schedule
from glue.sandbox.keygen.wire import dump

JSON_API = "application/vnd.api+json"
VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8")
_BODIES = (
    JSON_API,
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/octet-stream",
)
_ACCEPTED = (JSON_API, "application/json", "*/*", "application/*", "application/octet-stream")
# Routes of Keygen that nothing here needs; everything else unknown is a plain 404.
_REAL_BUT_ABSENT = frozenset(
    {"artifacts", "releases", "packages", "platforms", "arches", "channels", "engines", "keys", "processes", "components"}
)
_REFUSED = {"title": "Request timeout", "detail": "The request timed out because the server took too long to respond"}


class Application:
    """ASGI application of one account."""

    def __init__(self, account: Account, schedule: Schedule) -> None:
        self._account, self._schedule = account, schedule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._respond(request, await request.body())
        response.headers["connection"] = "close"
        await response(scope, receive, send)

    async def _respond(self, request: Request, raw: bytes) -> Response:
        host = request.headers.get("host", "").partition(":")[0]
        path = re.sub("/+", "/", request.scope["raw_path"].decode("latin-1"))
        if not path.startswith("/v1/health") and host != HOST:
            return Response(status_code=403, media_type="text/html; charset=utf-8")
        if self._account.fault == "down":
            return _refused()
        if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            return Response(status_code=200)
        await self._schedule.catch_up()
        request_id = time_ordered_id()
        headers = {"cache-control": "no-store", "keygen-edition": "CE", "keygen-mode": "singleplayer", "keygen-version": "1.8"}
        headers |= dict.fromkeys(("keygen-account", "keygen-bearer", "keygen-token", "keygen-environment", "keygen-license"), "")
        algorithm = "ed25519"
        try:
            body = _read_body(request, raw)
            found, wildcards = self._match(request.method, path)
            headers["keygen-account"] = self._account.id
            version = request.headers.get("keygen-version", "1.8")
            if version not in VERSIONS:
                raise _wrong_version()
            headers["keygen-version"] = version
            algorithm = self._algorithm(request.headers.get("keygen-accept-signature"))
            query = read_query(request.url.query)
            _refuse_environment(request, query)
            call = self._call(request, found, query, body, path, version, headers)
            answer = await self._run(found, call, wildcards)
        except Problem as problem:
            answer = Answer(problem.status, problem.document(request_id), headers=problem.headers, signed=problem.signed)
            if problem.bare:
                headers = {}
        if self._account.fault == "answer_503_but_do" and request.method not in {"GET", "HEAD"}:
            return _refused()
        content = answer.raw if answer.raw is not None else dump(answer.document) if answer.document is not None else b""
        headers |= answer.headers | {
            "x-request-id": request_id,
            "vary": "Origin",
            "strict-transport-security": "max-age=63072000; includeSubDomains",
        }
        if answer.location:
            headers["location"] = absolute(answer.location)
        if answer.document is not None:
            headers.setdefault("content-type", f"{_content_type(request)}; charset=utf-8")
        if answer.signed:
            target = request.scope["raw_path"].decode("latin-1") + (f"?{request.url.query}" if request.url.query else "")
            signed = self._account.keys.signature_headers(
                algorithm=algorithm, method=request.method, target=target, host=host, now=self._account.now(), body=content
            )
            headers |= signed
        return Response(content, answer.status, headers)

    def _match(self, method: str, path: str) -> tuple[Route, list[str]]:
        segments = tuple(unquote(part) for part in path.strip("/").split("/"))
        if segments[0] != "v1" or len(segments) < 2:
            raise no_route()
        segments = segments[1:]
        if segments[0] == "accounts" and len(segments) > 1:
            if segments[1] not in {self._account.id, "glue-test"}:
                problem = missing("accounts", segments[1])
                problem.signed = False
                raise problem
            segments = segments[2:] or ("accounts", segments[1])
        if len(segments) == 1:
            segments = (segments[0].removesuffix(".json"),)
        matched = match("GET" if method == "HEAD" else method, segments)
        if matched is None:
            if segments[0] in _REAL_BUT_ABSENT:
                print(f"keygen sandbox: {method} {path} is not covered", file=sys.stderr, flush=True)  # noqa: T201 - told to whoever started it
                raise not_in_sandbox(f"{method} {path}")
            raise no_route()
        return matched

    def _algorithm(self, wanted: str | None) -> str:
        if wanted is None:
            return "ed25519"
        given = dict(re.findall(r'(\w+)="([^"]*)"', wanted))
        if not given:
            raise _wrong_signature("malformed")
        if given.get("keyid", self._account.id) != self._account.id:
            raise _wrong_signature("keyid not found")
        if given.get("algorithm", "ed25519") not in ALGORITHMS:
            raise _wrong_signature("unsupported algorithm")
        return str(given.get("algorithm", "ed25519"))

    def _call(
        self, request: Request, found: Route, query: dict[str, Any], body: Any, path: str, version: str, headers: dict[str, str]
    ) -> Call:
        authorization = request.headers.get("authorization")
        throttle = "/accounts/" in path and found.password
        if throttle:
            self._account.throttle_passwords()
        bearer = authenticate(self._account, authorization, query, password_allowed=found.password)
        if bearer is None and not found.anonymous:
            raise anonymous(authorization)
        if bearer is not None:
            headers["keygen-bearer"] = bearer.record["id"]
            headers["keygen-token"] = bearer.token["id"] if bearer.token else ""
            if found.action:
                bearer.may(found.action)
        return Call(self._account, request.method, query, path, body, bearer, version)

    async def _run(self, found: Route, call: Call, wildcards: list[str]) -> Answer:
        if call.method in {"GET", "HEAD"}:
            return await found.handler(call, *wildcards)
        async with self._account.threads:
            with self._account.store.transaction():
                return await found.handler(call, *wildcards)


def _read_body(request: Request, raw: bytes) -> Any:
    accept = [part.partition(";")[0].strip() for part in request.headers.get("accept", "").split(",")]
    if any(accept) and not any(part in _ACCEPTED for part in accept):
        raise _wrong_media_type()
    content_type = request.headers.get("content-type", JSON_API).partition(";")[0].strip().lower()
    if "/" not in content_type:
        raise _wrong_media_type()
    if not raw.strip() or content_type not in _BODIES:
        return NOTHING
    try:
        return json.loads(raw)
    except ValueError:
        detail = "The request could not be completed because it contains invalid JSON (check formatting/encoding)"
        raise _bare(detail, "JSON_INVALID") from None


def _content_type(request: Request) -> str:
    first = next(
        (part for part in re.split("[,;]", request.headers.get("accept", "")) if part.strip() in {JSON_API, "application/json"}), JSON_API
    )
    return first.strip()


def _refuse_environment(request: Request, query: dict[str, Any]) -> None:
    source = {"header": "Keygen-Environment"} if "keygen-environment" in request.headers else {"parameter": "environment"}
    if "keygen-environment" in request.headers or "environment" in query:
        raise Problem(400, {"title": "Bad request", "detail": "is unsupported", "code": "ENVIRONMENT_NOT_SUPPORTED", "source": source})


def _bare(detail: str, code: str) -> Problem:
    return Problem(400, {"title": "Bad request", "detail": detail, "code": code}, signed=False, bare=True)


def _wrong_media_type() -> Problem:
    return _bare("The mime type of the request is not acceptable (check content-type and accept headers)", "MIME_TYPE_INVALID")


def _wrong_version() -> Problem:
    about = {"about": "https://keygen.sh/docs/api/versioning/"}
    fault = {"title": "Bad request", "detail": "unsupported API version requested", "code": "INVALID_API_VERSION", "links": about}
    return Problem(400, fault, signed=False)


def _wrong_signature(why: str) -> Problem:
    problem = bad_request(f"invalid accept-signature header ({why})")
    problem.signed = False
    return problem


def _refused() -> Response:
    return Response(dump({"errors": [_REFUSED]}), 503, {"connection": "close"}, f"{JSON_API}; charset=utf-8")
