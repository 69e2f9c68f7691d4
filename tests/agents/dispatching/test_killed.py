import pytest

from glue.agents.executors import StepUnusable, Work
from glue.agents.executors.commands import CommandExecutor
from glue.agents.isolation import has_sandbox
from glue.agents.planning import plan_route
from glue.agents.registry import load_registry, parse_agent
from glue.clock import SystemClock
from glue.errors import ConfigInvalid

from .conftest import ALICE, ROOT, World, accept, ended, understand
from .killing import CHILD, EXECUTORS, LESSON, MOMENTS, PROVIDERS, STEPS, Mortals, can_run, has_models, judge, mortal_world, run_through

pytestmark = pytest.mark.xdist_group("killed")
# At each step once: where the work is lost, and where it is kept but not yet paid.
EVERY_MOMENT = (*((moment, STEPS[place // 3]) for place, moment in enumerate(MOMENTS)), ("ending", "-"))
SOME_KILLS = (("midway", "content"), ("kept", "assessment"))


@pytest.fixture(scope="module")
def mortals():
    mortals = Mortals(models=has_models())
    yield mortals
    mortals.close()


def test_a_run_killed_at_every_moment_ends_once(mortals):
    with mortal_world() as world:
        died, run, performed = run_through(world, mortals, "scripted", EVERY_MOMENT)
        assert judge(world, "scripted", died, run, performed) == []
        assert died == list(EVERY_MOMENT)
        figures = world.figures()
        assert (int(figures["used"]), int(figures["held"])) == (run.cost, 0)
        assert int(world.figures(meter="agent_tokens")["used"]) == run.tokens == 2000


@pytest.mark.parametrize("executor", [name for name in EXECUTORS if name != "scripted"])
def test_a_run_on_any_executor_killed_at_each_step_ends_once(mortals, executor):
    if not can_run(executor):
        pytest.skip(f"{executor} cannot be used on this machine")
    with mortal_world() as world:
        died, run, performed = run_through(world, mortals, executor, SOME_KILLS)
        assert judge(world, executor, died, run, performed) == []
        assert died == list(SOME_KILLS)
        assert int(world.figures()["held"]) == 0
        if executor in PROVIDERS:
            assert int(world.figures(meter="agent_tokens")["used"]) == 150 * len(STEPS)


@pytest.mark.postgres
def test_runs_of_a_dead_process_are_taken_over_by_another(mortals, postgres_url, tmp_path):
    world = World(postgres_url, tmp_path, clock=SystemClock())
    try:
        dispatcher = world.make()
        run = accept(dispatcher, LESSON)
        order = {"url": world.url, "folder": str(tmp_path), "tenant": ALICE, "run_id": run.id, "executor": "scripted", "wire": ""}
        assert mortals.carry_out(moment="kept", step="content", **order) == -9
        with world.main.engine.begin() as connection:  # its lease has run out
            connection.exec_driver_sql("update agent_executors set until_wall = until_wall - interval '1 minute'")
        assert mortals.carry_out(moment="never", step="-", **order) == 0
        assert dispatcher.run_of(ALICE, run.id).state == "completed"
        assert (tmp_path / "performed").read_text().split() == ["content", "assessment"]
        assert int(world.figures()["held"]) == 0
        assert (tmp_path / CHILD).exists()
    finally:
        world.close()


# --- commands ---------------------------------------------------------------------------------------------------------


def work_for(*command):
    text = "Write a lesson about fractions"
    registry = load_registry(ROOT)
    step = plan_route(understand(text), registry).steps[0]
    agent = registry.get(step.agent).model_copy(update={"model": "command", "command": command})
    return Work(ALICE, "run-1", step, agent, text, understand(text).details)


@pytest.mark.skipif(not has_sandbox(), reason="bubblewrap does not work on this machine")
def test_a_command_reads_the_request_and_its_files_are_the_steps():
    script = (
        "grep -o 'lesson about fractions' request.json | sed 's/^/# A /' > out/made.md; echo '{}' > out/made.json; echo left > beside.txt"
    )
    outcome = CommandExecutor().perform(work_for("sh", "-c", script), most_tokens=100, report=lambda _tokens: None)
    assert [(file.name, file.title, file.media_type) for file in outcome.files] == [
        ("made.json", "made", "application/json"),
        ("made.md", "A lesson about fractions", "text/markdown"),
    ]
    assert (outcome.tokens, outcome.metered_tokens) == (7, 0)


@pytest.mark.skipif(not has_sandbox(), reason="bubblewrap does not work on this machine")
def test_a_command_that_fails_says_why_and_costs_nothing():
    with pytest.raises(StepUnusable, match=r"exit code 7. no such lesson") as failed:
        CommandExecutor().perform(work_for("sh", "-c", "echo no such lesson; exit 7"), most_tokens=100, report=lambda _tokens: None)
    assert failed.value.tokens == 0


def test_without_a_sandbox_a_command_does_not_run_and_nothing_else_stands_in(light_world, monkeypatch):
    from glue.agents import isolation
    from glue.agents.registry import Registry

    monkeypatch.setattr(isolation, "has_sandbox", lambda: False)
    changes = {"model": "command", "command": ("true",)}
    dispatcher = light_world.make(registry=Registry([agent.model_copy(update=changes) for agent in light_world.registry]))
    dispatcher.start()
    run = ended(dispatcher, accept(dispatcher, LESSON).id)
    assert (run.state, run.cost) == ("failed", 0)
    assert "no working sandbox" in run.error


def test_a_command_and_its_model_belong_together():
    agent = load_registry(ROOT).default.model_dump(mode="json")
    with pytest.raises(ConfigInvalid, match="belong together"):
        parse_agent({**agent, "model": "command"}, file=f"{agent['code']}.yaml")
    assert parse_agent({**agent, "model": "command", "command": ["true"]}, file=f"{agent['code']}.yaml").command == ("true",)
