"""``glue serve``: the service. One image, three roles; alone it is everything."""

import asyncio
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from glue.cli.printing import reporting_errors

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from glue.settings import Settings
    from glue.wiring import Services


def command(
    role: Annotated[
        Literal["all", "api", "portal", "worker"], typer.Option(help="What this process does; several hosts need PostgreSQL.")
    ] = "all",
    tls_port: Annotated[int, typer.Option(help="Also listen here with TLS (Keygen delivers over https only).")] = 0,
    tls_certificate: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key, PEM.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON when ready.")] = False,
) -> None:
    """Run the API, the doors, the portal and the worker until SIGTERM or Ctrl-C."""
    from glue import wiring
    from glue.app import create_app
    from glue.logs import configure

    with reporting_errors():
        services = wiring.services()
        configure(services.settings.log_format)
        # Pages sit above everything that glue is and are found by name, so that no page can leak into the flow.
        pages = import_module("portal").create(services) if role in {"all", "portal"} else None
        services.start(worker=role in {"all", "worker"})
        try:
            app = create_app(services, pages=pages, api=role in {"all", "api"})
            asyncio.run(_serve(app, services, tls_port, tls_certificate, tls_key, as_json))
        finally:
            services.stop()


async def _serve(app: "ASGIApp", services: "Services", tls_port: int, certificate: Path | None, key: Path | None, as_json: bool) -> None:
    settings = services.settings
    servers = [_server(app, settings, settings.port)]
    if tls_port:
        servers.append(_server(app, settings, tls_port, certificate=certificate, key=key))
    tasks = [asyncio.create_task(server.serve()) for server in servers]
    while not all(server.started for server in servers):
        if any(task.done() for task in tasks):
            raise SystemExit(1)
        await asyncio.sleep(0.02)
    ready = {"url": f"http://{settings.host}:{settings.port}", "public_url": settings.public_url, "pid": os.getpid()}
    sys.stdout.write((json.dumps(ready) if as_json else f"Ready: {settings.public_url}") + "\n")
    sys.stdout.flush()
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)
    await services.tokens.close()


def _server(
    app: "ASGIApp", settings: "Settings", port: int, *, certificate: Path | None = None, key: Path | None = None
) -> "uvicorn.Server":
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=port,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
    )
