"""For those who watch: alive, ready, numbers."""

import hmac
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr
from starlette.responses import Response

from glue.errors import GlueError, NotAllowed

Probe = Callable[[], None]


def routes(probes: dict[str, Probe], *, metrics_token: SecretStr | None) -> APIRouter:
    """``probes`` raise when their part cannot do its work; all must pass for this process to be ready."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", response_class=PlainTextResponse)
    async def alive() -> str:
        """The process answers."""
        return "ok"

    @router.get("/readyz")
    def ready() -> JSONResponse:
        """Whether this process can do its work now; 503 names the part that cannot."""
        found = {}
        for name, probe in probes.items():
            try:
                probe()
                found[name] = "ok"
            except GlueError as error:
                found[name] = error.title
            except Exception as error:  # noqa: BLE001 a database driver raises its own
                found[name] = type(error).__name__
        good = all(state == "ok" for state in found.values())
        return JSONResponse({"ready": good, "parts": found}, status_code=200 if good else 503, headers={} if good else {"Retry-After": "5"})

    @router.get("/metrics", include_in_schema=False)
    def metrics(request: Request) -> Response:
        """Prometheus' text format, for those who know the token, or for this machine where none is set."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if metrics_token is not None:
            allowed = hmac.compare_digest(given.encode(), metrics_token.get_secret_value().encode())
        else:
            allowed = (
                request.client is not None and request.client.host in {"127.0.0.1", "::1"} and "x-forwarded-for" not in request.headers
            )
        if not allowed:
            raise NotAllowed("Metrics are not for everybody.", remedy="Send the token of GLUE_METRICS_TOKEN as a bearer token.")
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
