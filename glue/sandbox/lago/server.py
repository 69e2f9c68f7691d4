"""Starting the sandbox: two ports, one line of JSON."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from glue.sandbox.clock import VirtualClock
from glue.sandbox.lago.advance_charges import bill_event
from glue.sandbox.lago.app import Api
from glue.sandbox.lago.control import control
from glue.sandbox.lago.provider import charge_card
from glue.sandbox.lago.runner import Runner
from glue.sandbox.lago.world import World
from glue.sandbox.serving import bind, serve
from glue.sandbox.store import Store


@dataclass(frozen=True)
class Sandbox:
    """A sandbox put together, not yet served."""

    api: Api
    control: Starlette
    runner: Runner
    ready: dict[str, Any]


def assemble(clock: VirtualClock, state: Path | None, *, url: str, control_url: str) -> Sandbox:
    """Everything behind the two ports that answer at these addresses."""
    world = World(Store(state), clock)
    world.front_url = url
    world.finalized = lambda invoice: charge_card(world, invoice)
    world.event_taken = lambda event: bill_event(world, event)
    runner = Runner(world)
    api = Api(runner)
    ready = {
        "url": url,
        "control_url": control_url,
        "api_key": api.api_key,
        "hmac_key": runner.courier.hmac_key,
        "organization_id": world.organization_id,
    }
    return Sandbox(api, control(runner), runner, ready)


def run(
    *, port: int, control_port: int, state: Path | None, as_json: bool, clock_file: Path | None = None, now: datetime | None = None
) -> None:
    """Serve until stopped. ``state`` None keeps nothing; ``clock_file`` shares the clock with other sandboxes."""
    clock = VirtualClock(clock_file)
    if now is not None:
        clock.set(now)
    listener, control_listener = bind(port), bind(control_port)
    url, control_url = (f"http://127.0.0.1:{socket.getsockname()[1]}" for socket in (listener, control_listener))
    sandbox = assemble(clock, state, url=url, control_url=control_url)
    serve(
        sandbox.api,
        sandbox.control,
        listener=listener,
        control_listener=control_listener,
        ready=sandbox.ready,
        as_json=as_json,
        background=sandbox.runner.beat,
    )
