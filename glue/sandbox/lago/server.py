"""Starting the sandbox: two ports, one line of JSON."""

from datetime import datetime
from pathlib import Path
from typing import Any

from glue.sandbox.clock import VirtualClock
from glue.sandbox.lago.app import Api
from glue.sandbox.lago.runner import Runner
from glue.sandbox.lago.world import World
from glue.sandbox.serving import bind, control_app, serve
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
    runner = Runner(world)
    api = Api(runner)

    async def set_fault(body: dict[str, Any]) -> dict[str, Any]:
        mode = body.get("mode")
        if mode not in (None, "down", "lose_webhooks", "answer_503_but_do"):
            raise ValueError(f"unknown mode {mode}")
        runner.courier.loses_everything = mode == "lose_webhooks"
        runner.fault = mode
        return {"mode": mode}

    control = control_app(
        clock, move=runner.move, reset=runner.reset, extra={"/lago/jobs": runner.run_job, "/faults": set_fault}
    )
    ready = {
        "url": url,
        "control_url": f"http://127.0.0.1:{control_listener.getsockname()[1]}",
        "api_key": api.api_key,
        "hmac_key": runner.courier.hmac_key,
        "organization_id": world.organization_id,
    }
    serve(
        api, control, listener=listener, control_listener=control_listener, ready=ready, as_json=as_json, background=runner.beat
    )
