import pytest

pytest.importorskip("pydantic_ai", reason="the extra `models` is not installed")

from glue.agents.executors import BudgetReached, File, StepUnusable, Work
from glue.agents.executors.models import _Desk, _tools, model_executors
from glue.agents.isolation import has_sandbox
from glue.agents.planning import plan_route
from glue.agents.registry import load_registry
from glue.errors import UpstreamRefused, UpstreamUnavailable
from glue.settings import ModelSettings

from .conftest import ALICE, ROOT, understand
from .wire import TEXT, WireServer

PROVIDERS = ("anthropic", "openai", "google", "custom")


@pytest.fixture
def wire():
    servers = []

    def start(*plan):
        servers.append(WireServer(plan))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def perform(server, provider, *, most_tokens=20_000, tools=("read_files", "write_files")):
    settings = ModelSettings(
        anthropic_api_key="key-a", anthropic_url=server.url, openai_api_key="key-o", openai_url=f"{server.url}/v1",
        google_api_key="key-g", google_url=server.url, custom_url=f"{server.url}/v1", timeout_seconds=20,
    )  # fmt: skip
    executor = next(executor for executor in model_executors(settings) if executor.name == provider)
    text = "Write a lesson about fractions"
    registry = load_registry(ROOT)
    step = plan_route(understand(text), registry).steps[0]
    agent = registry.get(step.agent).model_copy(update={"model": f"{provider}:test-model"})
    work = Work(ALICE, "run-1", step.__class__(**{**step.__dict__, "tools": tools}), agent, text, understand(text).details)
    reports = []
    return executor.perform(work, most_tokens=most_tokens, report=reports.append), reports


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_streamed_answer_is_a_file_and_counted_as_the_provider_counts(wire, provider):
    server = wire("text")
    outcome, reports = perform(server, provider)
    assert [(file.name, file.title, file.content.decode()) for file in outcome.files] == [("content.md", "Fractions", TEXT)]
    assert (outcome.tokens, outcome.metered_tokens, outcome.model, reports[-1]) == (150, 150, f"{provider}:test-model", 150)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_tool_calls_write_files_and_both_turns_count(wire, provider):
    outcome, _ = perform(wire("tool", "text"), provider)
    assert [(file.name, file.content.decode()) for file in outcome.files] == [("fractions.md", TEXT)]
    assert outcome.tokens == 300


@pytest.mark.parametrize("provider", ["anthropic", "openai", "google"])
def test_only_granted_tools_are_offered(wire, provider):
    server = wire("text")
    perform(server, provider, tools=())
    assert "write_file" not in str(server.requests[0][2].get("tools"))


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_a_rate_limit_passes(wire, provider):
    server = wire("busy", "text")
    assert perform(server, provider)[0].tokens == 150
    assert len(server.requests) == 2


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_rate_limit_that_stays_costs_nothing(wire, provider):
    with pytest.raises(UpstreamUnavailable):
        perform(wire(*["busy"] * 9), provider)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_refusal_is_not_repeated(wire, provider):
    server = wire("refuse")
    with pytest.raises(UpstreamRefused):
        perform(server, provider)
    assert len(server.requests) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_cut_stream_is_never_a_result_and_what_was_read_is_paid(wire, provider):
    with pytest.raises((StepUnusable, UpstreamUnavailable)) as broken:
        perform(wire("cut", "refuse"), provider)
    assert isinstance(broken.value, StepUnusable)
    assert 0 < broken.value.tokens <= 20_000


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_step_may_use_binds(wire, provider):
    with pytest.raises(BudgetReached) as reached:
        perform(wire("long"), provider, most_tokens=1000)
    assert reached.value.tokens == 150
    untouched = wire()
    with pytest.raises(BudgetReached) as reached:
        perform(untouched, provider, most_tokens=50)
    assert (reached.value.tokens, untouched.requests) == (0, [])
    endless = wire(*["tool"] * 20)
    with pytest.raises(BudgetReached) as reached:
        perform(endless, provider, most_tokens=700)
    assert reached.value.tokens <= 700


def test_providers_without_a_key_are_not_asked():
    assert model_executors(ModelSettings()) == []


@pytest.mark.skipif(not has_sandbox(), reason="bubblewrap does not work on this machine")
def test_a_command_runs_in_the_sandbox_over_the_steps_files():
    text = "Write a lesson about fractions"
    registry = load_registry(ROOT)
    step = plan_route(understand(text), registry).steps[0]
    step = step.__class__(**{**step.__dict__, "tools": ("run_command",)})
    given = {"a.md": File("a.md", "A", "text/markdown", b"one two")}
    desk = _Desk(Work(ALICE, "run-1", step, registry.get(step.agent), text, understand(text).details, given), report=lambda _tokens: None)
    (run_command,) = _tools(desk)
    assert run_command("wc -w < a.md > count.txt; cat /etc/shadow; echo said").startswith("exit code 0\n")
    assert {name: file.content for name, file in desk.written.items()} == {"count.txt": b"2\n"}
