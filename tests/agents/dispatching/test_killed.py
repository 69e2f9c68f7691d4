import subprocess
import sys

import pytest

from glue.clock import SystemClock

from .conftest import ALICE, ROOT, World, accept
from .test_dispatching import LESSON


def carry_out(world, run, moment, step):
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "tests.agents.dispatching.killed_worker",
        world.url,
        str(world.folder),
        ALICE,
        run.id,
        moment,
        step,
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)


KILLS = [
    ("during", "content"),
    ("kept", "content"),
    ("settled", "content"),
    ("during", "assessment"),
    ("paid", "assessment"),
    ("ending", "-"),
]


@pytest.mark.slow
def test_a_run_killed_again_and_again_at_every_step_ends_once(sqlite_url, tmp_path):
    world = World(sqlite_url, tmp_path, clock=SystemClock())
    try:
        dispatcher = world.make()
        run = accept(dispatcher, LESSON)
        died = [(moment, step) for moment, step in KILLS if carry_out(world, run, moment, step).returncode == -9]
        # What was kept when it died is not done again, so a later moment of the same step may have passed already.
        assert set(KILLS) - set(died) <= {("settled", "content")}
        after = carry_out(world, run, "never", "-")
        assert after.returncode == 0, after.stderr
        run = dispatcher.run_of(ALICE, run.id)
        assert run.state == "completed"
        figures = world.figures()
        assert (int(figures["used"]), int(figures["held"])) == (run.cost, 0)
        assert int(world.figures(meter="agent_tokens")["used"]) == run.tokens == 2000
        # Done again only where it was cut off before its result was kept.
        assert (tmp_path / "performed").read_text().split() == ["content", "content", "assessment", "assessment"]
    finally:
        world.close()


@pytest.mark.slow
@pytest.mark.postgres
def test_runs_of_a_dead_process_are_taken_over_by_another(postgres_url, tmp_path):
    world = World(postgres_url, tmp_path, clock=SystemClock())
    try:
        dispatcher = world.make()
        run = accept(dispatcher, LESSON)
        assert carry_out(world, run, "kept", "content").returncode == -9
        with world.main.engine.begin() as connection:  # its lease has run out
            connection.exec_driver_sql("update agent_executors set until_wall = until_wall - interval '1 minute'")
        after = carry_out(world, run, "never", "-")
        assert after.returncode == 0, after.stderr
        assert dispatcher.run_of(ALICE, run.id).state == "completed"
        assert (tmp_path / "performed").read_text().split() == ["content", "assessment"]
        assert int(world.figures()["held"]) == 0
    finally:
        world.close()
