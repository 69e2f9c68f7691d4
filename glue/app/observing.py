"""What every request leaves behind: an id, one log line, counters. Pure ASGI, cheap enough to stay on everywhere."""

import re
import time
import uuid
from typing import Any

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Counter("glue_http_requests_total", "Requests by route and status.", ["method", "route", "status"])
SECONDS = Histogram("glue_http_request_seconds", "Time to answer.", ["route"], buckets=(0.005, 0.025, 0.1, 0.25, 1, 5, 30))

log = structlog.get_logger()
_GOOD_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")
_QUIET = {"/healthz", "/readyz", "/metrics"}


class Observe:
    """Wraps an app: takes or makes X-Request-Id, binds it to the log, answers with it, counts and logs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given.decode() if _GOOD_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            finally:
                seconds = time.perf_counter() - started
                route = _route(scope)
                REQUESTS.labels(scope["method"], route, status).inc()
                SECONDS.labels(route).observe(seconds)
                if scope["path"] not in _QUIET:
                    log.info(
                        "request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1), tenant=_tenant(scope)
                    )


def _route(scope: Scope) -> str:
    # A raw path would make a counter per id; the route's pattern does not.
    route = scope.get("route")
    return str(getattr(route, "path", None) or ("/static" if scope["path"].startswith("/static") else "other"))


def _tenant(scope: Scope) -> Any:
    return scope.get("state", {}).get("tenant")
