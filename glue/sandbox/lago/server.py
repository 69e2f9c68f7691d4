"""Starting the sandbox: two ports, one line of JSON."""

from datetime import datetime
from pathlib import Path

from glue.sandbox.clock import VirtualClock
from glue.sandbox.lago.advance_charges import bill_event
from glue.sandbox.lago.app import Api
from glue.sandbox.lago.control import control
from glue.sandbox.lago.provider import charge_card
from glue.sandbox.lago.runner import Runner
from glue.sandbox.lago.world import World
from glue.sandbox.serving import bind, serve
from glue.sandbox.store import Store


def run(
    *, port: int, control_port: int, state: Path | None, as_json: bool, clock_file: Path | None = None, now: datetime | None = None
) -> None:
    """Serve until stopped. ``state`` None keeps nothing; ``clock_file`` shares the clock with other sandboxes."""
    clock = VirtualClock(clock_file)
    if now is not None:
        clock.set(now)
    listener, control_listener = bind(port), bind(control_port)
    world = World(Store(state), clock)
    world.front_url = url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    world.finalized = lambda invoice: charge_card(world, invoice)
    world.event_taken = lambda event: bill_event(world, event)
    runner = Runner(world)
    api = Api(runner)

    ready = {
        "url": url,
        "control_url": f"http://127.0.0.1:{control_listener.getsockname()[1]}",
        "api_key": api.api_key,
        "hmac_key": runner.courier.hmac_key,
        "organization_id": world.organization_id,
    }
    serve(api, control(runner), listener=listener, control_listener=control_listener, ready=ready, as_json=as_json, background=runner.beat)
