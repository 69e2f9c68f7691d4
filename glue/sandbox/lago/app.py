"""The HTTP face: authentication, reading the request, answering, then the work that follows an answer."""

import json
import secrets
import sys
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from glue.sandbox.lago import (
    alerts,
    coupons,
    credit_notes,
    customers,
    elsewhere,
    endpoints,
    entitlements,
    events,
    features,
    invoices,
    metrics,
    plan_charges,
    plans,
    subscriptions,
    taxes,
    usage,
    wallets,
)
from glue.sandbox.lago.call import Call
from glue.sandbox.lago.encoding import encode
from glue.sandbox.lago.errors import Refusal, broken, not_found, unauthorized, unreadable
from glue.sandbox.lago.provider import OUTCOMES, checkout_page
from glue.sandbox.lago.routing import PREFIX, Router
from glue.sandbox.lago.runner import Runner

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=UTF-8"
MAX_NESTING = 100
SUBJECTS: tuple[Any, ...] = (
    alerts, coupons, credit_notes, customers, elsewhere, endpoints, entitlements, events, features, invoices, metrics,
    plan_charges, plans, subscriptions, taxes, usage, wallets,
)  # fmt: skip


class Api:
    """Lago's API as an ASGI application."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.world = runner.world
        self._router = Router([route for subject in SUBJECTS for route in subject.ROUTES])

    @property
    def api_key(self) -> str:
        return str(self.world.setting("api_key", lambda: secrets.token_hex(16)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.body()
        self.runner.catch_up()
        fault = self.runner.fault
        if fault == "down":
            answer = Response("503 Service Unavailable\n", 503, media_type="text/plain")
        else:
            answer = self._answer(request, scope, body)
            if fault == "answer_503_but_do" and request.method != "GET":
                answer = Response("503 Service Unavailable\n", 503, media_type="text/plain")
        try:
            await answer(scope, receive, send)
        finally:
            self.runner.work_off()

    def _answer(self, request: Request, scope: Scope, body: bytes) -> Response:
        raw_path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").split("?")[0]
        outside = self._outside(request.method, raw_path, body)
        if outside is not None:
            return outside
        try:
            words = request.headers.get("authorization", "").split()
            if words[1:2] != [self.api_key]:  # the scheme before it is not looked at
                raise unauthorized()
            if request.method == "OPTIONS":
                return Response(b"", 404, media_type=HTML)
            method = "GET" if request.method == "HEAD" else request.method
            match = self._router.match(method, raw_path)
            if match is None:
                raise not_found("resource")
            call = Call(match.path, _query(scope["query_string"]), _body(request.headers.get("content-type", ""), body))
            if method == "GET" and raw_path.endswith("/webhooks/public_key"):
                return Response(b"")
            with self.world.store.transaction():
                shown = match.handler(self.world, call)
        except Refusal as refusal:
            return _refused(request.method, raw_path, refusal)
        if shown is None:
            return Response(b"", 200, headers={"content-type": "application/json"})
        return Response(encode(shown), 200, headers={"content-type": JSON, "cache-control": "max-age=0, private, must-revalidate"})

    def _outside(self, method: str, raw_path: str, body: bytes) -> Response | None:
        """What is not below the API."""
        if raw_path.startswith("/checkout/"):
            return self._checkout(method, raw_path, body)
        if raw_path == "/health":
            shown: Any = {"version": "production", "github_url": "https://github.com/getlago/lago-api", "message": "Success"}
        elif raw_path == "/ready":
            shown = {"status": "ok"}
        elif raw_path == f"{PREFIX}/webhooks/public_key" and method == "GET":
            return Response(endpoints.plain_public_key(self.world), headers={"content-type": "text/plain; charset=utf-8"})
        elif raw_path in ("", "/"):
            return Response(b"", 404, headers={"content-type": HTML})
        elif not raw_path.startswith("/api/v1/"):
            return Response(encode(not_found("resource").body), 404, headers={"content-type": JSON})
        else:
            return None
        return Response(encode(shown), headers={"content-type": JSON})

    def _checkout(self, method: str, raw_path: str, body: bytes) -> Response:
        outcome = dict(parse_qsl(body.decode("latin-1"))).get("outcome") if method == "POST" else None
        kind, _, row_id = raw_path.removeprefix("/checkout/").partition("/")
        with self.world.store.transaction():
            page = checkout_page(self.world, kind, row_id, outcome if outcome in OUTCOMES else None)
        return Response(page or "", 200 if page else 404, headers={"content-type": HTML})


def _refused(method: str, raw_path: str, refusal: Refusal) -> Response:
    if refusal.status == 501:
        sys.stderr.write(f"lago sandbox: not covered: {method} {raw_path}\n")
    if refusal.body is None:
        return Response(b"", refusal.status, headers={"content-type": HTML})
    content_type = "application/json; charset=UTF-8" if refusal.status == 500 else JSON
    return Response(encode(refusal.body), refusal.status, headers={"content-type": content_type})


def _query(raw: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise unreadable() from None
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value)
    return query


def _body(content_type: str, raw: bytes) -> Any:
    """JSON only with its content type, forms too; anything else is as if nothing had been sent."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _form(raw)
    if kind != "application/json" or not raw.strip():
        return None
    try:
        text = raw.decode()
        text.encode()
        parsed = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise unreadable() from None
    if not _is_plain(parsed):
        raise unreadable()
    return parsed


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Not nested too deep, and no half of a surrogate pair in any text."""
    if depth > MAX_NESTING:
        return False
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(item, depth + 1) for key, item in value.items())
    return all(_is_plain(item, depth + 1) for item in value) if isinstance(value, list) else True


def _form(raw: bytes) -> Any:
    """``customer[external_id]=form`` as Rails reads it, one level deep."""
    body: dict[str, Any] = {}
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True)
    except UnicodeDecodeError:
        raise unreadable() from None
    for name, value in pairs:
        root, _, rest = name.partition("[")
        if rest:
            inner = body.setdefault(root, {})
            if not isinstance(inner, dict):
                raise broken()
            inner[rest.rstrip("]")] = value
        else:
            body[root] = value
    return body
