"""The hot path's own ASGI app, mounted beside FastAPI: who is asking, what they bought, what is left, what was used."""

import asyncio
import itertools
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson
import structlog
from prometheus_client import Counter, Histogram

from glue.errors import BadInput, GlueError, LimitReached, NotFound, Unavailable
from glue.meter.callers import Caller, Callers
from glue.meter.metering import Meter
from glue.meter.problems import Headers, problem_of

REQUESTS = Counter("glue_meter_requests_total", "Requests of the hot path by route and status.", ["route", "status"])
SECONDS = Histogram(
    "glue_meter_request_seconds", "Time to answer.", ["route"], buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2)
)
EVENTS = Counter("glue_meter_events_total", "Facts of usage taken.")

LARGEST_BODY = 16 * 1024
LARGEST_BATCH = 2 * 1024 * 1024

log = structlog.get_logger()
_GOOD_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_JSON: Headers = [(b"content-type", b"application/json")]

Answer = tuple[int, Any, Headers]  # status, body (bytes, or what becomes JSON), headers


@dataclass(slots=True)
class Call:
    """One request: what arrived and who sent it."""

    path: str
    headers: dict[bytes, bytes]
    query: bytes
    body: bytes
    caller: Caller
    hold_id: str = ""

    @property
    def key(self) -> str | None:
        value = self.headers.get(b"idempotency-key")
        return None if value is None else value.decode("latin-1")

    @property
    def asked(self) -> bytes:
        return self.path.encode() + b"\n" + self.body

    def json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise NotJson("The body is not JSON.", field="body", expected=str(error), remedy="Correct it and send it again.") from error

    def json_object(self, *, empty: bool = False) -> dict[str, Any]:
        value = {} if empty and not self.body else self.json()
        if not isinstance(value, dict):
            raise BadInput("The body is not an object.", field="body", expected="a JSON object")
        return value


class NotJson(BadInput):
    """A body that cannot be read at all: 400 instead of 422."""


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(slots=True)
class _Route:
    name: str
    method: str
    handler: Handler
    largest_body: int
    seconds: Histogram
    counters: dict[int, Counter]


class MeterApp:
    """ASGI app of the metered routes. ``handles`` tells which paths are its own."""

    def __init__(self, meter: Meter, callers: Callers) -> None:
        self._meter = meter
        self._orders = meter.orders
        self._callers = callers
        self._boot = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._plain: dict[str, dict[str, _Route]] = {}
        self._of_hold: dict[str, dict[str, _Route]] = {}
        for method, path, handler, largest in (
            ("POST", "/v1/check", self._check, LARGEST_BODY),
            ("POST", "/v1/consume", self._consume, LARGEST_BODY),
            ("POST", "/v1/usage", self._record, LARGEST_BATCH),
            ("GET", "/v1/usage", self._usage, 0),
            ("POST", "/v1/holds", self._take_hold, LARGEST_BODY),
            ("GET", "/v1/entitlements", self._entitlements, 0),
            ("GET", "/v1/forward-auth", self._forward_auth, 0),
        ):
            self._plain.setdefault(path, {})[method] = _route(path, method, handler, largest)
        for method, action, handler in (
            ("GET", "", self._hold),
            ("POST", "renew", self._renew),
            ("POST", "settle", self._settle),
            ("POST", "release", self._release),
        ):
            name = f"/v1/holds/{{id}}/{action}".rstrip("/")
            self._of_hold.setdefault(action, {})[method] = _route(name, method, handler, LARGEST_BODY)

    @staticmethod
    def handles(path: str) -> bool:
        """Whether a path belongs here."""
        return path in _PATHS or path.startswith("/v1/holds/")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        path: str = scope["path"]
        hold_id = ""
        routes = self._plain.get(path)
        if routes is None and path.startswith("/v1/holds/"):
            hold_id, _, action = path[10:].partition("/")
            routes = self._of_hold.get(action)
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _GOOD_ID.fullmatch(given) else f"{self._boot}-{next(self._numbers)}".encode()
        route = routes.get(scope["method"]) if routes else None
        if route is None:
            status, body, extra = self._no_route(path, routes)
        else:
            status, body, extra = await self._serve(route, scope, receive, headers, hold_id)
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*extra, (b"content-length", str(len(content)).encode()), (b"x-request-id", request_id)],
            }
        )
        await send({"type": "http.response.body", "body": content})
        if route is not None:
            counter = route.counters.get(status)
            if counter is None:
                counter = route.counters[status] = REQUESTS.labels(route.name, status)
            counter.inc()
            route.seconds.observe(time.perf_counter() - started)

    async def _serve(self, route: _Route, scope: Any, receive: Any, headers: dict[bytes, bytes], hold_id: str) -> Answer:
        path = scope["path"]
        try:
            client = scope.get("client")
            caller = await self._callers.identify(
                headers.get(b"authorization", b"").decode("latin-1"),
                tenant=headers.get(b"glue-tenant", b"").decode("latin-1"),
                address=client[0] if client else "",
            )
            body = await _read_body(receive, headers, route.largest_body)
            scope.setdefault("state", {})["tenant"] = caller.snapshot.tenant
            return await route.handler(Call(path, headers, scope["query_string"], body, caller, hold_id))
        except NotJson as error:
            return problem_of(error, path=path, status=400)
        except BodyTooLarge as error:
            return problem_of(error, path=path, status=413)
        except GlueError as error:
            return problem_of(error, path=path)
        except self._meter.errors as error:
            log.warning("meter_read_failed", route=route.name, error=str(error))
            return problem_of(Unavailable("Usage cannot be read right now.", retry_after_seconds=2), path=path)
        except Exception:
            log.exception("meter_failed", route=route.name)
            return problem_of(GlueError("This was not expected; it has been written down.", remedy="Try again later."), path=path)

    def _no_route(self, path: str, routes: dict[str, _Route] | None) -> Answer:
        status, content, headers = problem_of(
            NotFound("There is nothing at this address.", remedy="See the API reference."), path=path, status=405 if routes else 404
        )
        return status, content, [*headers, (b"allow", ", ".join(routes).encode())] if routes else headers

    # --- routes -----------------------------------------------------------------------------------------------------

    async def _check(self, call: Call) -> Answer:
        body = call.json_object()
        verdict = await self._advise(call.caller, body)
        return 200, verdict, _JSON

    async def _advise(self, caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
        if "feature" in body:
            return self._meter.feature_verdict(caller.snapshot, body["feature"])
        tenant = caller.snapshot.tenant
        books = self._meter.advice.in_memory(tenant)
        if books is None:
            books = await asyncio.to_thread(self._meter.advice.get, tenant)
        return self._meter.verdict(caller.snapshot, books, body)

    async def _consume(self, call: Call) -> Answer:
        request = self._orders.consume(call.caller.snapshot, call.json_object(), who=call.caller.who, key=call.key, asked=call.asked)
        return 200, await self._meter.committer.perform(request), _JSON

    async def _record(self, call: Call) -> Answer:
        value = call.json()
        events = value if isinstance(value, list) else [value]
        request = self._orders.record(call.caller.snapshot, events, who=call.caller.who, key=call.key, asked=call.asked)
        answer = await self._meter.committer.perform(request)
        EVENTS.inc(len(events))
        return 202, answer, _JSON

    async def _take_hold(self, call: Call) -> Answer:
        request = self._orders.take_hold(call.caller.snapshot, call.json_object(), who=call.caller.who, key=call.key, asked=call.asked)
        return 201, await self._meter.committer.perform(request), _JSON

    async def _renew(self, call: Call) -> Answer:
        body = call.json_object(empty=True)
        request = self._orders.renew(call.caller.snapshot, call.hold_id, body, key=call.key, asked=call.asked)
        return 200, await self._meter.committer.perform(request), _JSON

    async def _settle(self, call: Call) -> Answer:
        body = call.json_object()
        request = self._orders.settle(call.caller.snapshot, call.hold_id, body, who=call.caller.who, key=call.key, asked=call.asked)
        return 200, await self._meter.committer.perform(request), _JSON

    async def _release(self, call: Call) -> Answer:
        request = self._orders.release(call.caller.snapshot, call.hold_id, key=call.key, asked=call.asked)
        return 200, await self._meter.committer.perform(request), _JSON

    async def _hold(self, call: Call) -> Answer:
        return 200, await asyncio.to_thread(self._meter.hold_of, call.caller.snapshot.tenant, call.hold_id), _JSON

    async def _usage(self, call: Call) -> Answer:
        return 200, await asyncio.to_thread(self._meter.usage_of_snapshot, call.caller.snapshot), _JSON

    async def _entitlements(self, call: Call) -> Answer:
        body = self._meter.entitlements(call.caller.snapshot)
        paused = ".".join(sorted(self._meter.paused_features))
        etag = f'"{call.caller.snapshot.version}-{body["standing"]}-{body["period"] and body["period"]["from"]}-{paused}"'.encode()
        headers: Headers = [*_JSON, (b"etag", etag), (b"cache-control", b"private, no-cache")]
        wanted = call.headers.get(b"if-none-match", b"")
        if wanted == b"*" or etag in [tag.strip().removeprefix(b"W/") for tag in wanted.split(b",")]:
            return 304, b"", headers[1:]
        return 200, body, headers

    async def _forward_auth(self, call: Call) -> Answer:
        """For proxies: 204 lets the request through; 401 and 403 do not. The query may ask for a meter or a feature."""
        query = {name: values[0] for name, values in parse_qs(call.query.decode("latin-1")).items()}
        snapshot = call.caller.snapshot
        headers: Headers = [
            (b"glue-tenant", snapshot.tenant.encode()),
            (b"glue-tier", snapshot.tier.encode()),
            (b"glue-caller", f"{call.caller.kind}:{call.caller.id}".encode("latin-1", "replace")),
        ]
        self._meter.demand_standing(snapshot)
        if "meter" in query or "feature" in query:
            verdict = await self._advise(call.caller, query)
            if not verdict["allowed"]:
                raise LimitReached("The plan does not allow this now.", remedy="See the plan page of the portal.", **verdict)
            if verdict.get("remaining") is not None:
                headers.append((b"glue-remaining", str(verdict["remaining"]).encode()))
        return 204, b"", headers


class BodyTooLarge(BadInput):
    """413."""


async def _read_body(receive: Any, headers: dict[bytes, bytes], largest: int) -> bytes:
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > largest:
        raise _too_large(largest)
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > largest:
            break
    if len(body) > largest:
        raise _too_large(largest)
    return body


def _too_large(largest: int) -> BodyTooLarge:
    return BodyTooLarge("The body is too large.", field="body", expected=f"at most {largest} bytes", remedy="Send less at once.")


def _route(name: str, method: str, handler: Handler, largest_body: int) -> _Route:
    return _Route(name, method, handler, largest_body, SECONDS.labels(name), {})


_PATHS = frozenset(("/v1/check", "/v1/consume", "/v1/usage", "/v1/holds", "/v1/entitlements", "/v1/forward-auth"))
