"""A Lago sandbox of its own for these tests, a receiver of webhooks, and a small client."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import uvicorn

from glue.sandbox.clock import VirtualClock, parse_instant
from glue.sandbox.lago.server import assemble
from glue.sandbox.serving import bind
from tests.fixtures_sandbox import running_sandbox

NOON = "2027-01-15T12:00:00Z"


@dataclass
class Receiver:
    """Keeps what it gets; answers by the last word of the path: a list of statuses, the last one repeated."""

    port: int = 0
    hits: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def url(self, name: str, statuses: str = "200") -> str:
        return f"http://127.0.0.1:{self.port}/{name}/{statuses}"

    def of(self, name: str) -> list[tuple[dict[str, str], bytes]]:
        return [(headers, body) for path, headers, body in self.hits if path.startswith(f"/{name}/")]

    def wait(self, name: str, count: int, seconds: float = 5) -> list[tuple[dict[str, str], bytes]]:
        end = time.monotonic() + seconds
        while len(self.of(name)) < count and time.monotonic() < end:
            time.sleep(0.02)
        return self.of(name)


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name, statuses = self.path.split("/")[1:3]
            kept.hits.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            listed = statuses.split(",")
            self.send_response(int(listed[min(len(kept.of(name)), len(listed)) - 1]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield kept
    server.shutdown()
    server.server_close()


@dataclass
class Lago:
    """A client of a running sandbox and of its control port."""

    facts: dict[str, Any]

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.facts['api_key']}"}
        self.api = httpx.Client(base_url=self.facts["url"] + "/api/v1", headers=headers, timeout=60)
        self.control = httpx.Client(base_url=self.facts["control_url"], timeout=60)

    def close(self) -> None:
        self.api.close()
        self.control.close()

    def get(self, path: str) -> Any:
        answer = self.api.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **root: Any) -> Any:
        answer = self.api.post(path, json=root)
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.content else None

    def go(self, instant: str) -> None:
        self.control.post("/clock", json={"now": instant}).raise_for_status()

    def settle(self) -> None:
        self.control.post("/clock", json={}).raise_for_status()

    def metric(self, code: str, **more: Any) -> str:
        body = {"name": code, "code": code, "aggregation_type": "sum_agg", "field_name": "n", **more}
        return self.post("/billable_metrics", billable_metric=body)["billable_metric"]["lago_id"]

    def plan(self, code: str, amount_cents: int, *, advance: bool = False, **more: Any) -> Any:
        body = {"name": code, "code": code, "interval": "monthly", "amount_cents": amount_cents, "amount_currency": "EUR"}
        return self.post("/plans", plan={**body, "pay_in_advance": advance, **more})["plan"]

    def subscribe(self, external_id: str, plan: str, **more: Any) -> Any:
        body = {"external_customer_id": external_id, "plan_code": plan, "external_id": external_id, **more}
        return self.post("/subscriptions", subscription=body)["subscription"]

    def use(self, external_id: str, code: str, n: Any, *, transaction_id: str, at: float | None = None) -> Any:
        event = {"transaction_id": transaction_id, "external_subscription_id": external_id, "code": code, "properties": {"n": n}}
        return self.post("/events", event={**event, **({"timestamp": at} if at else {})})

    def invoices(self, external_id: str) -> list[Any]:
        listed = self.get(f"/invoices?external_customer_id={external_id}")["invoices"]
        found = [self.get(f"/invoices/{row['lago_id']}")["invoice"] for row in listed]
        return sorted(found, key=lambda row: row["sequential_id"])


@pytest.fixture(scope="session")
def lago_factory() -> Iterator[Callable[..., Lago]]:
    """Starts sandboxes that live until the end of the session."""
    opened: list[tuple[Any, Lago]] = []

    def start(*options: str) -> Lago:
        running = running_sandbox("lago", "--now", NOON, *options)
        lago = Lago(running.__enter__())
        opened.append((running, lago))
        return lago

    yield start
    for running, lago in opened:
        lago.close()
        running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def shared_lago() -> Iterator[Lago]:
    """A sandbox in this process, on its own thread."""
    sockets = bind(0), bind(0)
    url, control_url = (f"http://127.0.0.1:{socket.getsockname()[1]}" for socket in sockets)
    clock = VirtualClock()
    clock.set(parse_instant(NOON))
    sandbox = assemble(clock, None, url=url, control_url=control_url)
    servers = [uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")) for app in (sandbox.api, sandbox.control)]

    async def serve() -> None:
        beat = asyncio.create_task(sandbox.runner.beat())
        await asyncio.gather(*(server.serve([socket]) for server, socket in zip(servers, sockets, strict=True)))
        beat.cancel()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    while not all(server.started for server in servers):
        time.sleep(0.01)
    lago = Lago(sandbox.ready)
    yield lago
    lago.close()
    for server in servers:
        server.should_exit = True
    thread.join()


@pytest.fixture
def lago(shared_lago: Lago) -> Lago:
    """The sandbox emptied, at noon of 15 January 2027."""
    shared_lago.control.post("/reset").raise_for_status()
    shared_lago.go(NOON)
    return shared_lago
