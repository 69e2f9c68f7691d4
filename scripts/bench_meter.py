"""Measures the hot path: `check` beside a bare FastAPI route, usage in batches, hold and settle, a race for holds.

    python scripts/bench_meter.py [--seconds 3] [--database sqlite:///…|postgresql://…] [--json]

A server process (uvicorn, one worker) and a load process talk over loopback; rounds of compared routes alternate.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

CLIENTS = {"check": 16, "usage": 16, "holds": 64, "race": 1000}
BATCH = 10
ROUNDS = 4


@dataclass(frozen=True)
class Row:
    """One line of the table: what, how often a second, and how long it took (milliseconds)."""

    what: str
    per_second: float
    p50_ms: float
    p99_ms: float
    goal: str
    met: bool


# --- the server -------------------------------------------------------------------------------------------------------


def serve(folder: Path, database_url: str) -> None:
    """Runs until killed. Writes the port and a good access token into ``folder``."""
    import socket

    import sqlalchemy as sa
    import uvicorn
    from fastapi import FastAPI
    from joserfc import jwt
    from joserfc.jwk import RSAKey
    from pydantic import BaseModel
    from sqlmodel import SQLModel

    from glue.clock import SystemClock
    from glue.db import METER_SCHEMA, Database
    from glue.meter.app import MeterApp
    from glue.meter.callers import Callers
    from glue.meter.metering import Meter
    from glue.meter.meters import MeterKind, Meters
    from glue.meter.tokens import Tokens
    from glue.rules.names import TenantId
    from glue.rules.snapshot import MeterGrant, Period, Snapshot
    from glue.rules.standing import Standing
    from glue.upstream.lago import SendResult

    key = RSAKey.generate_key(2048, {"kid": "bench", "use": "sig", "alg": "RS256"})
    claims = {
        "iss": "bench", "aud": "glue-api", "typ": "Bearer", "sub": "user-1", "preferred_username": "bench",
        "exp": int(time.time()) + 3600, "organization": {"t0000000000bnch": {"id": "1"}},
    }  # fmt: skip

    class Identity:
        def jwks(self) -> dict[str, Any]:
            return {"keys": [key.as_dict(private=False)]}

        def introspect(self, _token: str) -> dict[str, Any]:
            return claims

    class Billing:
        """Takes everything at once."""

        def send_events(self, events: list[Any]) -> SendResult:
            return SendResult(len(events))

        def find_event(self, _transaction_id: str) -> bool:
            return True

        def current_usage(self, _customer: str, _subscription: str) -> None:
            return None

    database = Database(database_url, meter=True)
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text(f"create schema if not exists {METER_SCHEMA}"))
        SQLModel.metadata.create_all(connection, tables=[t for t in SQLModel.metadata.sorted_tables if t.schema == METER_SCHEMA])
    clock, now = SystemClock(), datetime.now(UTC)
    meter = Meter(database, clock=clock, meters=Meters([MeterKind("api_calls"), MeterKind("scarce")]), lago=Billing())
    period = Period(
        "sub-bench",
        "row",
        "pro",
        now - timedelta(days=40),
        now.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
        now + timedelta(days=9),
    )
    meter.publish(
        Snapshot(
            TenantId("t0000000000bnch"), 0, Standing.ACTIVE, "", "pro", now, period=period, members={"user-1": frozenset()},
            meters={"api_calls": MeterGrant(900_000_000, hard=True), "scarce": MeterGrant(100, hard=True)},
        )
    )  # fmt: skip
    meter.start()
    tokens = Tokens(Identity(), issuer="bench", audience="glue-api", clock=clock)
    metered = MeterApp(meter, Callers(meter.snapshots, tokens, clock=clock))
    web = FastAPI()

    class Bare(BaseModel):
        allowed: bool
        limit: int
        used: int
        remaining: int

    @web.get("/bare")
    async def bare() -> Bare:
        return Bare(allowed=True, limit=100, used=1, remaining=99)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (metered if scope["type"] == "http" and MeterApp.handles(scope["path"]) else web)(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    (folder / "token").write_text(jwt.encode({"alg": "RS256", "kid": "bench"}, claims, key))
    (folder / "port").write_text(str(listener.getsockname()[1]))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
    server.run(sockets=[listener])


# --- the load ---------------------------------------------------------------------------------------------------------


class Connection(asyncio.Protocol):
    """One kept-alive HTTP/1.1 connection, one request at a time; no more of HTTP than our own servers need."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r", 1)[0])
        if len(rest) >= length and self._waiting is not None:
            self._buffer = rest[length:]
            self._waiting.set_result((int(head[9:12]), rest[:length]))

    async def ask(self, method: str, path: str, token: str, body: bytes = b"") -> tuple[int, bytes]:
        self._waiting = asyncio.get_running_loop().create_future()
        head = f"{method} {path} HTTP/1.1\r\nhost: glue\r\nauthorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)
        return await self._waiting


Step = Callable[[Connection], Coroutine[Any, Any, None]]


async def run_clients(port: int, number: int, seconds: float, step: Step) -> tuple[float, list[float]]:
    """Steps a second of so many clients that each wait for their answer, and how long each step took."""
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(number)]
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def client(connection: Connection) -> None:
        while (started := time.perf_counter()) < end:
            await step(connection)
            taken.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(client(connection) for connection in connections))
    elapsed = time.perf_counter() - started
    for connection in connections:
        connection._transport.close()
    return len(taken) / elapsed, sorted(taken)


def measure(port: int, token: str, seconds: float, cpu_seconds: Callable[[], float]) -> Iterator[Row]:
    """All measurements, one after the other. ``cpu_seconds`` is the server's processor time so far: other work on the
    machine disturbs it less than the clock, and a server that is the bottleneck serves in proportion to it."""

    def expect(status: int, wanted: int, body: bytes) -> None:
        if status != wanted:
            raise SystemExit(f"expected {wanted}, got {status}: {body.decode()}")

    async def check(connection: Connection) -> None:
        status, body = await connection.ask("POST", "/v1/check", token, b'{"meter":"api_calls","units":1}')
        expect(status, 200, body)

    async def bare(connection: Connection) -> None:
        status, body = await connection.ask("GET", "/bare", token)
        expect(status, 200, body)

    events = json.dumps([{"meter": "api_calls", "units": 1, "dimensions": {"agent": "writer"}}] * BATCH).encode()

    async def usage(connection: Connection) -> None:
        status, body = await connection.ask("POST", "/v1/usage", token, events)
        expect(status, 202, body)

    def settle(part_ms: list[float]) -> Step:
        async def step(connection: Connection) -> None:
            started = time.perf_counter()
            status, body = await connection.ask("POST", "/v1/holds", token, b'{"meter":"api_calls","units":2,"seconds":60}')
            part_ms.append(time.perf_counter() - started)
            expect(status, 201, body)
            started = time.perf_counter()
            status, body = await connection.ask("POST", f"/v1/holds/{json.loads(body)['id']}/settle", token, b'{"units":1}')
            part_ms.append(time.perf_counter() - started)
            expect(status, 200, body)

        return step

    best: dict[str, tuple[float, list[float]]] = {}
    cpu_us: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, step in (("bare", bare), ("check", check)):
            before = cpu_seconds()
            result = asyncio.run(run_clients(port, CLIENTS["check"], seconds / ROUNDS, step))
            best[name] = max(best.get(name, (0.0, [])), result, key=lambda entry: entry[0])
            cpu_us[name] = min(cpu_us.get(name, 1e9), (cpu_seconds() - before) / len(result[1]) * 1e6)
    ratio, cpu_ratio = best["check"][0] / best["bare"][0], cpu_us["bare"] / cpu_us["check"]
    yield _row(f"bare FastAPI JSON route, 16 clients ({cpu_us['bare']:.0f} µs)", *best["bare"], goal="", met=True)
    what = f"check, 16 clients ({cpu_us['check']:.0f} µs; {ratio:.2f} × bare, by cpu {cpu_ratio:.2f} ×)"
    yield _row(what, *best["check"], goal="≥ 1.5 × bare", met=max(ratio, cpu_ratio) >= 1.5)
    rate, taken = asyncio.run(run_clients(port, CLIENTS["usage"], seconds, usage))
    row = _row("usage events, batches of 10, 16 clients", rate * BATCH, taken, goal="≥ 5,000/s, p99 ≤ 25 ms", met=True)
    yield Row(**asdict(row) | {"met": row.per_second >= 5000 and row.p99_ms <= 25})
    parts: list[float] = []
    rate, _ = asyncio.run(run_clients(port, CLIENTS["holds"], seconds, settle(parts)))
    row = _row("hold + settle, 64 clients (pairs; time of each request)", rate, sorted(parts), goal="p99 ≤ 25 ms", met=True)
    yield Row(**asdict(row) | {"met": row.p99_ms <= 25})
    yield asyncio.run(race(port, token))


async def race(port: int, token: str) -> Row:
    """A thousand clients, each for one of a hundred units at once."""
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(CLIENTS["race"])]
    taken: list[float] = []

    async def client(connection: Connection) -> int:
        started = time.perf_counter()
        status, _ = await connection.ask("POST", "/v1/holds", token, b'{"meter":"scarce","units":1,"seconds":600}')
        taken.append(time.perf_counter() - started)
        return status

    started = time.perf_counter()
    statuses = await asyncio.gather(*(client(connection) for connection in connections))
    rate = len(statuses) / (time.perf_counter() - started)
    won, lost = statuses.count(201), statuses.count(403)
    for connection in connections:
        connection._transport.close()
    row = _row(f"race of 1,000 clients for 100 units: {won} got one", rate, sorted(taken), goal="0 overspend, p99 ≤ 250 ms", met=True)
    return Row(**asdict(row) | {"met": won == 100 and lost == 900 and row.p99_ms <= 250})


def _row(what: str, per_second: float, taken: list[float], *, goal: str, met: bool) -> Row:
    return Row(what, round(per_second), round(taken[len(taken) // 2] * 1000, 2), round(taken[int(len(taken) * 0.99)] * 1000, 2), goal, met)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bench_meter(*, seconds: float = 3, database_url: str = "") -> list[Row]:
    """Start a server, measure, stop it. ``seconds`` is the length of each measurement."""
    with tempfile.TemporaryDirectory(prefix="glue-bench-") as name:
        folder = Path(name)
        url = database_url or f"sqlite:///{folder / 'glue.db'}"
        command = [sys.executable, __file__, "--serve", name, "--database", url]
        server = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)})  # noqa: S603
        try:
            deadline = time.monotonic() + 30
            while not (folder / "port").exists() or not (folder / "port").read_text():
                if server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the server did not start")
                time.sleep(0.05)
            return list(
                measure(int((folder / "port").read_text()), (folder / "token").read_text(), seconds, lambda: _cpu_seconds(server.pid))
            )
        finally:
            server.terminate()
            server.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--database", default="")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", default="")
    options = parser.parse_args()
    if options.serve:
        serve(Path(options.serve), options.database)
        return
    rows = bench_meter(seconds=options.seconds, database_url=options.database)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    print(f"{'what':66} {'per second':>10} {'p50 ms':>8} {'p99 ms':>8}  goal")
    for row in rows:
        print(f"{row.what:66} {row.per_second:10,.0f} {row.p50_ms:8.2f} {row.p99_ms:8.2f}  {row.goal} {'' if row.met else '← not met'}")


if __name__ == "__main__":
    main()
