"""Processes that carry out runs until they kill themselves at a named moment of a named step: started by killing.py.

One process imports everything, then forks a child for each line of standard input; the answer is a line with the exit status.
"""

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from glue.agents.dispatcher import Dispatcher
from glue.agents.executors.models import model_executors
from glue.agents.executors.offline import OfflineTemplates
from glue.agents.runs import Engine  # noqa: F401  # imported before forking: it takes its time
from glue.clock import SystemClock
from glue.db import Database
from glue.meter.metering import Meter
from glue.settings import ModelSettings
from tests.agents.dispatching.conftest import METERS, NoLago
from tests.agents.dispatching.killing import CHILD, PERFORMED, declared_agents, registry_of
from tests.agents.dispatching.workers import ScriptedWorker

SECONDS = 40


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def executors_of(executor, wire):
    settings = ModelSettings(
        anthropic_api_key="a", anthropic_url=wire, openai_api_key="o", openai_url=f"{wire}/v1", google_api_key="g", google_url=wire,
        custom_url=f"{wire}/v1", timeout_seconds=20,
    )  # fmt: skip
    return [ScriptedWorker(), OfflineTemplates(), *(model_executors(settings) if wire else [])]


def carry_out(*, url, folder, tenant, run_id, moment, step, executor, wire):
    folder = Path(folder)
    (folder / CHILD).write_text(str(os.getpid()))
    clock = SystemClock()
    meter = Meter(Database(url, meter=True), clock=clock, meters=METERS, lago=NoLago())
    dispatcher = Dispatcher(
        Database(url), clock, meter, registry_of(executor), database_url=url, data_dir=folder / "artifacts",
        executors=executors_of(executor, wire),
    )  # fmt: skip
    arm(dispatcher, moment, step, folder, executor)
    dispatcher.start()
    deadline = time.monotonic() + SECONDS
    while (state := dispatcher.run_of(tenant, run_id).state) not in {"completed", "failed", "canceled", "waiting_approval"}:
        if time.monotonic() > deadline:
            raise SystemExit(f"still {state}")
        time.sleep(0.1)
    dispatcher.stop()
    meter.stop()


def arm(dispatcher, moment, step, folder, executor):
    """Have this process die at the moment; steps that are performed are noted."""
    carrier = dispatcher.carrier

    def at(this, name):
        if (this, name) == (moment, step):
            die()

    class Watched:
        def __init__(self, inner):
            self.inner, self.name = inner, inner.name

        def perform(self, work, *, most_tokens, report):
            name = work.step.name
            with (folder / PERFORMED).open("a") as stream:
                stream.write(f"{name}\n")
            at("begun", name)
            if executor == "command" and (moment, step) == ("midway", name):
                threading.Timer(0.15, die).start()

            def report_and_die(tokens):
                at("midway", name)
                report(tokens)

            outcome = self.inner.perform(work, most_tokens=most_tokens, report=report_and_die)
            at("answered", name)
            return outcome

    choose_executor = carrier._executor_for
    carrier._executor_for = lambda agent: Watched(choose_executor(agent))
    settle, end, pay = carrier._settle, carrier.end, carrier._credits.settle

    def settle_and_die(for_tenant, for_run, name):
        at("kept", name)
        settle(for_tenant, for_run, name)
        at("settled", name)

    def pay_and_die(*args, dimensions, **more):
        pay(*args, dimensions=dimensions, **more)
        at("paid", dimensions["step"])

    def end_and_die(*args, **more):
        at("ending", "-")
        end(*args, **more)

    carrier._settle, carrier.end, carrier._credits.settle = settle_and_die, end_and_die, pay_and_die


def import_slow_ones():
    """What children would import when they need it, imported once: most of their time would be that."""
    importlib.import_module("httpx2")
    for provider in ("anthropic", "openai", "google"):
        importlib.import_module(f"pydantic_ai.providers.{provider}")
        importlib.import_module(f"pydantic_ai.models.{provider}")


def main():
    declared_agents()
    if "models" in sys.argv:
        import_slow_ones()
    for line in sys.stdin:
        if child := os.fork():
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            sys.stdout.write(f"{status}\n")
            sys.stdout.flush()
            continue
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # standard output is for answers
        try:
            carry_out(**json.loads(line))
        except BaseException:  # noqa: BLE001  # the child's only way out is its status
            traceback.print_exc()
            os._exit(1)
        os._exit(0)


if __name__ == "__main__":
    main()
