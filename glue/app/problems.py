"""From errors to HTTP: the one table, and the answer's shape (RFC 9457, application/problem+json)."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from glue import errors

log = structlog.get_logger()

STATUS: dict[type[errors.GlueError], int] = {
    errors.BadInput: 422,
    errors.Unauthenticated: 401,
    errors.NotAllowed: 403,
    errors.LimitReached: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.UnsafePlan: 409,
    errors.DeliveryRefused: 401,
    errors.EventNotUnderstood: 422,
    errors.ConfigInvalid: 500,
    errors.Unavailable: 503,
    errors.UpstreamUnavailable: 503,
    errors.UpstreamRefused: 502,
    errors.UpstreamError: 502,
    errors.GlueError: 500,
}


def status_of(error: errors.GlueError) -> int:
    """HTTP status of an error: its own entry, or its nearest ancestor's."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(error: errors.GlueError, *, instance: str = "") -> JSONResponse:
    """The answer for an error. What an upstream said stays inside: customers read that it did not answer."""
    status = status_of(error)
    inner = isinstance(error, errors.UpstreamError | errors.ConfigInvalid)
    body: dict[str, Any] = {
        "type": f"/docs/errors#{error.code}",
        "title": error.title,
        "status": status,
        "code": error.code,
        "detail": "We could not finish this because a system we depend on had a problem." if inner else error.detail,
        "remedy": "Try again in a moment; nothing was lost." if inner else error.remedy,
        "instance": instance,
    }
    if not inner:
        body |= {name: value for name, value in error.fields.items() if name not in body}
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        headers["Retry-After"] = str(max(1, round(getattr(error, "retry_after_seconds", 5))))
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""

    @app.exception_handler(errors.GlueError)
    async def on_glue_error(request: Request, error: errors.GlueError) -> JSONResponse:
        if status_of(error) >= 500:
            log.warning(
                "request_failed",
                code=error.code,
                detail=error.detail,
                **{k: v for k, v in error.fields.items() if k in {"upstream", "operation"}},
            )
        return problem(error, instance=request.url.path)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part not in {"body", "query", "path", "header"}]
        malformed = first["type"] == "json_invalid"
        bad = errors.BadInput(
            "The body is not JSON." if malformed else f"{'.'.join(place) or 'The body'}: {first['msg']}.",
            field="body" if malformed else ".".join(place) or "body",
            expected=first["msg"],
            remedy="Correct it and send it again.",
        )
        answer = problem(bad, instance=request.url.path)
        if malformed:
            answer.status_code = 400
        return answer

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        body = {
            "type": "about:blank",
            "title": str(error.detail),
            "status": error.status_code,
            "code": "http",
            "detail": str(error.detail),
            "instance": request.url.path,
        }
        return JSONResponse(body, status_code=error.status_code, headers=error.headers, media_type="application/problem+json")
