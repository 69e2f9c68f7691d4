"""The API: FastAPI beside the hot path, one table from errors to HTTP, health and metrics. May import wiring and below."""

import sqlalchemy as sa
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from glue.agents import api as agents_api
from glue.app import health, licensing, problems, support, webhooks
from glue.app.observing import Observe
from glue.db import Database
from glue.meter.app import MeterApp
from glue.wiring import Services

LARGEST_BODY = 10 * 2**20
_OF_THE_API = ("/v1/", "/webhooks/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")


def create_app(services: Services, *, pages: ASGIApp | None = None, api: bool = True) -> ASGIApp:
    """One ASGI app: metered routes on their own, the rest of the API by FastAPI, everything else to ``pages``."""
    metered = MeterApp(services.meter, services.callers)
    rest = Observe(_api(services, api=api))
    shown = Observe(pages) if pages is not None else rest

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and api and metered.handles(path):
            await metered(scope, receive, send)
        elif scope["type"] != "http" or path.startswith(_OF_THE_API):
            await rest(scope, receive, send)
        else:
            await shown(scope, receive, send)

    return app


def _api(services: Services, *, api: bool) -> FastAPI:
    app = FastAPI(title=f"{services.settings.product_name} API", version="1", redoc_url=None)
    problems.install(app)
    probes = {"database": lambda: _ping(services.database), "metering": lambda: _ping(services.meter_database)}
    app.include_router(health.routes(probes, metrics_token=services.settings.metrics_token))
    if api:
        app.include_router(webhooks.routes(services.lago_door, services.keygen_door))
        app.include_router(support.routes(services))
        app.include_router(licensing.routes(services.actions, services.callers, public_key=services.keygen.public_key))
        app.include_router(
            agents_api.routes(services.dispatcher, services.dispatcher.library, licensing.caller_dependency(services.callers))
        )
    return app


def _ping(database: Database) -> None:
    with database.engine.connect() as connection:
        connection.execute(sa.text("select 1"))
