"""Runs a sandbox: its own port, its control port, one line of JSON when both answer, a clean stop on a signal."""

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from glue.sandbox.clock import VirtualClock, parse_instant

Answer = dict[str, Any]
MoveClock = Callable[[Any], Awaitable[None]]


def bind(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one."""
    # The protocol is named: asyncio turns Nagle's algorithm off only on sockets that say they are TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def control_app(
    clock: VirtualClock,
    *,
    move: MoveClock,
    reset: Callable[[], Awaitable[None]],
    extra: dict[str, Callable[[Answer], Awaitable[Answer]]] | None = None,
) -> Starlette:
    """The control port.

    ``POST /clock`` {"now": ISO} or {"advance_seconds": n} calls ``move(instant)``, which returns when everything due
    on the way has happened; an empty object calls ``move(None)``, which only waits for background work. ``GET /clock``
    tells the time. ``POST /reset`` empties the sandbox. ``extra`` maps further paths to handlers of a JSON object.
    """

    async def body_of(request: Request) -> Answer:
        raw = await request.body()
        body = json.loads(raw) if raw.strip() else {}
        if not isinstance(body, dict):
            raise ValueError("a JSON object is expected")
        return body

    async def on_clock(request: Request) -> Response:
        if request.method == "POST":
            body = await body_of(request)
            if "now" in body:
                await move(parse_instant(str(body["now"])))
            elif "advance_seconds" in body:
                await move(clock.now() + timedelta(seconds=float(body["advance_seconds"])))
            else:
                await move(None)
        return JSONResponse({"now": clock.now().isoformat(), "offset_seconds": clock.offset_seconds})

    async def on_reset(_: Request) -> Response:
        await reset()
        return JSONResponse({"ok": True})

    def wrap(handler: Callable[[Answer], Awaitable[Answer]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return JSONResponse(await handler(await body_of(request)))

        return endpoint

    async def on_bad_input(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status_code=400)

    routes = [Route("/clock", on_clock, methods=["GET", "POST"]), Route("/reset", on_reset, methods=["POST"])]
    routes += [Route(path, wrap(handler), methods=["POST"]) for path, handler in (extra or {}).items()]
    return Starlette(routes=routes, exception_handlers={ValueError: on_bad_input, KeyError: on_bad_input})


def serve(
    app: ASGIApp,
    control: ASGIApp,
    *,
    listener: socket.socket,
    control_listener: socket.socket,
    ready: Answer,
    as_json: bool,
    background: Callable[[], Coroutine[Any, Any, None]] | None = None,
    date_header: bool = True,
) -> None:
    """Serve until SIGINT or SIGTERM. ``ready`` is printed once both ports answer; ``background`` runs beside them.

    ``date_header`` false: ``app`` tells the (virtual) date itself.
    """
    asyncio.run(_serve(app, control, listener, control_listener, ready, as_json, background, date_header))


async def _serve(
    app: ASGIApp,
    control: ASGIApp,
    listener: socket.socket,
    control_listener: socket.socket,
    ready: Answer,
    as_json: bool,
    background: Callable[[], Coroutine[Any, Any, None]] | None,
    date_header: bool,
) -> None:
    servers = [_server(app, date_header=date_header), _server(control)]
    control_task = asyncio.create_task(servers[1].serve(sockets=[control_listener]))
    main_task = asyncio.create_task(servers[0].serve(sockets=[listener]))
    while not all(server.started for server in servers) and not main_task.done():
        await asyncio.sleep(0.01)
    lines = json.dumps(ready) if as_json else "\n".join(f"{name:>22}  {value}" for name, value in ready.items())
    sys.stdout.write(lines + "\n")
    sys.stdout.flush()
    worker = asyncio.create_task(background()) if background else None
    await main_task
    servers[1].should_exit = True
    if worker is not None:
        worker.cancel()
    await asyncio.gather(control_task, *filter(None, [worker]), return_exceptions=True)


def _server(app: ASGIApp, *, date_header: bool = True) -> uvicorn.Server:
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    config.server_header, config.date_header = False, date_header
    return uvicorn.Server(config)
