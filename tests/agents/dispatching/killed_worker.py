"""A process that carries out runs until it kills itself at a named moment of a named step: run by test_killed.py."""

import os
import signal
import sys
import time
from pathlib import Path

from glue.agents.dispatcher import Dispatcher
from glue.agents.registry import load_registry
from glue.clock import SystemClock
from glue.db import Database
from glue.meter.metering import Meter
from tests.agents.dispatching.conftest import METERS, NoLago
from tests.agents.dispatching.workers import ScriptedWorker, scripted_registry


def main(url, folder, tenant, run_id, moment, step):
    class Worker(ScriptedWorker):
        def perform(self, work, *, most_tokens, report):
            with (Path(folder) / "performed").open("a") as stream:
                stream.write(f"{work.step.name}\n")
            if moment == "during":
                die(work.step.name)
            return super().perform(work, most_tokens=most_tokens, report=report)

    def die(name):
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    clock = SystemClock()
    meter = Meter(Database(url, meter=True), clock=clock, meters=METERS, lago=NoLago())
    dispatcher = Dispatcher(
        Database(url), clock, meter, scripted_registry(load_registry(Path.cwd())), database_url=url, data_dir=Path(folder) / "artifacts",
        executors=[Worker()],
    )  # fmt: skip
    carrier = dispatcher.carrier
    settle, end = carrier._settle, carrier.end

    def settle_and_die(for_tenant, for_run, name):
        if moment == "kept":
            die(name)
        settle(for_tenant, for_run, name)
        if moment == "settled":
            die(name)

    def die_before_end(page, run, state, **said):
        if moment == "ending":
            os.kill(os.getpid(), signal.SIGKILL)
        end(page, run, state, **said)

    carrier._settle, carrier.end = settle_and_die, die_before_end
    if moment == "paid":
        credits_settle = carrier._credits.settle

        def pay_and_die(*args, dimensions, **more):
            credits_settle(*args, dimensions=dimensions, **more)
            die(dimensions["step"])

        carrier._credits.settle = pay_and_die
    dispatcher.start()
    deadline = time.monotonic() + 40
    while (state := dispatcher.run_of(tenant, run_id).state) not in {"completed", "failed", "canceled"}:
        if time.monotonic() > deadline:
            raise SystemExit(f"still {state}")
        time.sleep(0.02)
    dispatcher.stop()
    meter.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
