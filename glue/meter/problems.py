"""Errors of the hot path as HTTP: the same statuses and shape (RFC 9457) as the rest of the API."""

from typing import Any

import orjson

from glue import errors

STATUS: dict[str, int] = {
    "bad_input": 422,
    "unauthenticated": 401,
    "not_allowed": 403,
    "limit_reached": 403,
    "not_found": 404,
    "conflict": 409,
    "unavailable": 503,
    "upstream_unavailable": 503,
}

Headers = list[tuple[bytes, bytes]]


def problem_of(error: errors.GlueError, *, path: str, status: int = 0) -> tuple[int, bytes, Headers]:
    """Status, body and headers. What an upstream said stays inside."""
    status = status or STATUS.get(error.code, 500)
    inner = isinstance(error, errors.UpstreamError)
    body: dict[str, Any] = {
        "type": f"/docs/errors#{error.code}",
        "title": error.title,
        "status": status,
        "code": error.code,
        "detail": "We could not finish this because a system we depend on had a problem." if inner else error.detail,
        "remedy": "Try again in a moment; nothing was lost." if inner else error.remedy,
        "instance": path,
    }
    if not inner:
        body |= {name: value for name, value in error.fields.items() if name not in body}
    headers: Headers = [(b"content-type", b"application/problem+json")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer, License"))
    if status == 503:
        headers.append((b"retry-after", str(max(1, round(getattr(error, "retry_after_seconds", 5)))).encode()))
    return status, orjson.dumps(body, default=str), headers
