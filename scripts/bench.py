"""Measures this machine and writes docs/benchmarks.md: `make bench`. Ratios are taken in one run; absolutes are this machine's."""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import bench_meter

from glue.cli.story import tenant_steps
from glue.cli.story.world import World
from glue.ops.stack import Stack

TARGET = Path("docs/benchmarks.md")
PAGES = (
    "/", "/plan", "/plan/change?tier=team", "/plan/cancel", "/usage", "/runs", "/runs/new", "/invoices", "/payment", "/licenses", "/team",
    "/programs", "/events", "/help", "/privacy", "/account", "/status",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identity", default="auto", help="auto, keycloak or sandbox")
    options = parser.parse_args()
    rows = [
        (row.what, f"{row.per_second:,.0f}/s, p50 {row.p50_ms} ms, p99 {row.p99_ms} ms", row.goal, row.met)
        for row in bench_meter.bench_meter()
    ]
    rows += stack_rows(options.identity)
    write(rows)


def stack_rows(identity: str) -> list[tuple[str, str, str, bool]]:
    """Start-up, memory, webhook to converged, and a plan with nothing to do, on a whole stack."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), Path.cwd()) as stack:
        began = time.perf_counter()
        stack.start(identity=identity, serve=False)
        rows.append(
            (f"stack without the service ({stack.identity}), declared files applied", f"{time.perf_counter() - began:.1f} s", "", True)
        )
        began = time.perf_counter()
        stack.start_service()
        seconds = time.perf_counter() - began
        rows.append(("service: start to ready", f"{seconds:.1f} s", "≤ 3 s", seconds <= 3))
        began = time.perf_counter()
        stack.run("plan")
        seconds = time.perf_counter() - began
        rows.append(("`glue plan`, nothing to do, 50 objects", f"{seconds:.1f} s", "≤ 2 s", seconds <= 2))
        world = World(stack)
        tenant_steps.alice_becomes_a_customer(world)
        slowest, milliseconds = slowest_page(world)
        rows.append(
            (f"first byte of the portal's pages; the slowest, {slowest}", f"{milliseconds:.0f} ms", "≤ 100 ms", milliseconds <= 100)
        )
        seconds = webhook_to_converged(world)
        rows.append(
            (
                "an upgrade made in Lago, until Keycloak tells it (webhook, convergence, read-back)",
                f"{seconds * 1000:.0f} ms",
                "≤ 1 s",
                seconds <= 1,
            )
        )
        for name, process in stack.processes.items():
            mebibytes = resident(process.pid)
            goal, met = ("≤ 300 MB", mebibytes <= 300) if name == "service" else ("", True)
            rows.append((f"memory at rest: {name}", f"{mebibytes} MB", goal, met))
    return rows


def slowest_page(world: World) -> tuple[str, float]:
    """The page that begins last, and the median of its milliseconds."""
    alice, url = world.alice.visitor, world.stack.public_url

    def first_byte(path: str) -> float:
        answer = alice.send("GET", url + path, headers={"Accept": "text/html"})
        answer.raise_for_status()
        return answer.elapsed.total_seconds() * 1000

    found = {path: statistics.median(first_byte(path) for _ in range(7)) for path in PAGES}
    return max(found.items(), key=lambda row: row[1])


def webhook_to_converged(world: World) -> float:
    """Seconds from a change made in Lago to the organization's attribute in Keycloak."""
    began = time.perf_counter()
    world.systems.lago.create_subscription(customer=world.tenant, external_id=f"sub-{world.tenant}", plan_code="team_usd_monthly_1")
    world.eventually(world.organization, lambda row: row.attributes.get("plan") == ("team",), "the plan should reach Keycloak", seconds=30)
    return time.perf_counter() - began


def resident(pid: int) -> int:
    """Resident memory of a process and its children, in MB."""
    listed = subprocess.run(["ps", "-o", "pid=,ppid=,rss=", "-e"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    table = [tuple(map(int, line.split())) for line in listed.splitlines()]
    family = {pid}
    for _ in range(4):
        family |= {child for child, parent, _ in table if parent in family}
    return sum(kib for child, _, kib in table if child in family) // 1024


def write(rows: list[tuple[str, str, str, bool]]) -> None:
    cores, system = os.cpu_count(), f"{platform.system()} {platform.machine()}"
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {cores} cores, {system}, Python {platform.python_version()}. Client and server share the cores.",
        "Ratios are taken in the same run; absolute numbers are of this machine.",
        "",
        "| what | measured | goal | |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {what} | {measured} | {goal or '–'} | {'✓' if met else '✗'} |" if goal else f"| {what} | {measured} | – | |"
        for what, measured, goal, met in rows
    ]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
