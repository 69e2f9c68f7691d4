"""A run on any executor's stand-in, carried out by processes that are killed at chosen moments: for tests and for the evaluation."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from glue.agents.isolation import has_sandbox
from glue.agents.registry import Registry, load_registry
from glue.clock import SystemClock
from glue.meter.tables import JOURNAL

from .conftest import ALICE, ROOT, World, accept
from .wire import WireServer

LESSON = "Write a short lesson about fractions with a quiz for beginners"
PROVIDERS = ("anthropic", "openai", "google", "custom")
EXECUTORS = ("scripted", "offline", *PROVIDERS, "command")
STEPS = ("content", "assessment")
# Before the work, in its middle, with its result in hand; with the result kept, its cost in the meter, and all of it written down.
MOMENTS = ("begun", "midway", "answered", "kept", "paid", "settled")
ALL_KILLS = (*((moment, step) for step in STEPS for moment in MOMENTS), ("ending", "-"))
LOSES_WORK = ("begun", "midway", "answered")
CHILD, PERFORMED = "child", "performed"
_COMMAND = "sleep 0.4; name=$(sed -n 's/.*\"task\": \"\\(.*\\)\",/\\1/p' request.json); printf '# A title\\n\\nOne two three four five.\\n' > out/$name.md"
_MODELS = {"scripted": "scripted:1", "offline": "offline-templates-1:1", "command": "command"}


@cache
def declared_agents():
    return load_registry(ROOT)


def registry_of(executor):
    """The same agents, all done by one executor."""
    changes = {
        "model": _MODELS.get(executor, f"{executor}:test-model"), "checks": ("not_empty", "has_title"), "tools": (),
        "command": ("sh", "-c", _COMMAND) if executor == "command" else (),
    }  # fmt: skip
    return Registry([agent.model_copy(update=changes) for agent in declared_agents()])


def has_models():
    return find_spec("pydantic_ai") is not None


def can_run(executor):
    return has_sandbox() if executor == "command" else has_models() or executor not in PROVIDERS


@contextmanager
def mortal_world():
    """A world in memory where there is such a folder: processes die here, machines do not, and disks are slow."""
    memory = Path("/dev/shm")  # only looked at
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        world = World(f"sqlite:///{folder}/glue.db", Path(folder), clock=SystemClock())
        try:
            yield world
        finally:
            world.close()


class Mortals:
    """Starts processes, one after another, that carry out a run; they share one start-up."""

    def __init__(self, *, models=True):
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.agents.dispatching.killed_worker", *(["models"] if models else [])],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def carry_out(self, **order):
        """The exit status: -9 when it was killed."""
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


def run_through(world, mortals, executor, kills):
    """Have a run carried out by processes that die at ``kills``; which of them died, the run, and steps as often as performed."""
    dispatcher = world.make(registry=registry_of(executor))
    run = accept(dispatcher, LESSON, key=executor)
    folder = world.folder / executor
    folder.mkdir()
    armed = {"now": False}

    def in_the_middle_of_an_answer():
        if armed["now"]:
            os.kill(int((folder / CHILD).read_text()), signal.SIGKILL)

    server = WireServer([], midway=in_the_middle_of_an_answer) if executor in PROVIDERS else None
    order = {"url": world.url, "tenant": ALICE, "run_id": run.id, "executor": executor, "wire": server.url if server else ""}
    died = []
    try:
        for moment, step in [*kills, ("never", "-")]:
            armed["now"] = moment == "midway"
            status = mortals.carry_out(folder=str(folder), moment=moment, step=step, **order)
            assert status in {0, -9}, (moment, step, status)
            died += [(moment, step)] * (status == -9)
    finally:
        if server:
            server.close()
    return died, dispatcher.run_of(ALICE, run.id), (folder / PERFORMED).read_text().split()


def facts_of(world, run_id, meter="agent_credits"):
    """Names of the run's steps, one for each fact that the meter recorded of them."""
    query = sa.select(JOURNAL.c.dimensions).where(JOURNAL.c.tenant_id == ALICE, JOURNAL.c.meter == meter)
    with world.store.engine.connect() as connection:
        found = [json.loads(dimensions) for (dimensions,) in connection.execute(query)]
    return sorted(dimensions["step"] for dimensions in found if dimensions.get("run") == run_id)


def judge(world, executor, died, run, performed):
    """What is wrong with how the run ended: nothing, when each step counts once whatever happened."""
    lost = [step for moment, step in died if moment in LOSES_WORK]
    kinds = [event.kind for event in world.opened[-1].events(ALICE, run.id, limit=5000)]
    wrong = {
        "state": run.state != "completed",
        "cost above the cap": run.cost > run.cap,
        "steps paid": facts_of(world, run.id) != sorted(STEPS),
        "tokens recorded": facts_of(world, run.id, "agent_tokens") != ([] if executor in {"offline", "command"} else sorted(STEPS)),
        "tokens counted": run.tokens != sum(step.tokens for step in run.steps if executor not in {"offline", "command"}),
        "work done": sorted(performed) != sorted([*STEPS, *lost]),
        "files": sorted({artifact.step for artifact in run.artifacts}) != sorted(STEPS),
        "ended once": (kinds.count("step_completed"), kinds.count("run_completed")) != (len(STEPS), 1),
    }
    return [what for what, is_so in wrong.items() if is_so]
