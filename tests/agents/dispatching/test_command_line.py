"""Agent work from the command line: quote, run, look, steer, take along; every command in words and as JSON."""

import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog
from typer.testing import CliRunner

from glue.cli import build
from glue.cli.dispatching import dispatching
from glue.rules.names import TenantId
from glue.rules.snapshot import Period

from .conftest import ROOT, snapshot_of

TENANT = TenantId("t00000000000acm")
LESSON = "Write a short lesson about fractions for beginners."


NOWHERE = "http://127.0.0.1:9"
SECRET = "only-in-this-test"


def settings_of(folder):
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'glue.db'}", "CONFIG_DIR": str(ROOT), "DATA_DIR": str(folder / "data"),
        "PUBLIC_URL": "http://localhost:8300", "SECRET_KEYS": json.dumps(["a-key-of-this-test-only"]), "TENANT": TENANT,
        "KEYCLOAK__URL": NOWHERE, "KEYCLOAK__SERVICE_CLIENT_SECRET": SECRET, "KEYCLOAK__PORTAL_CLIENT_SECRET": SECRET, "KEYCLOAK__API_CLIENT_SECRET": SECRET,
        "LAGO__URL": NOWHERE, "LAGO__API_KEY": SECRET, "LAGO__WEBHOOK_HMAC_KEYS": json.dumps([SECRET]),
        "KEYGEN__URL": NOWHERE, "KEYGEN__HOST": "keygen", "KEYGEN__ACCOUNT_ID": "one", "KEYGEN__ADMIN_TOKEN": SECRET, "MAIL__HOST": "127.0.0.1",
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An installation whose one customer has a plan; nothing else of it runs."""
    folder = tmp_path_factory.mktemp("installation")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings_of(folder).items():
            environment.setenv(f"GLUE_{name}", value)
        with dispatching() as dispatcher:
            now = dispatcher._books.clock.now()
            month = Period(f"sub-{TENANT}", "row", "pro", now - timedelta(days=40), now - timedelta(days=1), now + timedelta(days=27))
            dispatcher._meter.publish(replace(snapshot_of(TENANT), confirmed_at=now, period=month))
    return folder


@pytest.fixture(autouse=True)
def _installed(folder, monkeypatch, _clean_environment):
    for name, value in settings_of(folder).items():
        monkeypatch.setenv(f"GLUE_{name}", value)
    monkeypatch.chdir(folder)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()
    logging.getLogger("dbos").handlers.clear()  # the engine's, bound to a standard error that is gone


def glue(*words, code=0, answer=""):
    result = CliRunner().invoke(build(list(words)), list(words), input=answer)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.stdout


def as_json(*words, code=0):
    return json.loads(glue(*words, "--json", code=code))


@pytest.fixture(scope="module")
def done(folder):
    """A run that was ordered from the command line; made by the first test that needs it."""
    made = {}

    def run():
        if not made:
            made.update(as_json("run", LESSON))
        return made

    return run


def test_a_quote_is_a_table_a_graph_and_a_price():
    told = glue("quote", LESSON)
    assert "content_generation" in told
    assert "never above" in told
    quote = as_json("quote", LESSON)
    assert quote["cap"] >= quote["expected"] > 0
    assert quote["words"].startswith(f"{quote['expected']} credits, never above {quote['cap']}")


def test_a_step_that_must_stay_is_named():
    assert as_json("quote", LESSON, "--without", "content", code=2)["error"]["code"] == "bad_input"


def test_a_run_leaves_files_and_its_cost(done, folder):
    run = done()
    assert (run["state"], run["cost"] <= run["cap"]) == ("completed", True)
    assert [(folder / "runs" / run["id"] / artifact["name"]).stat().st_size for artifact in run["artifacts"]] == [
        artifact["bytes"] for artifact in run["artifacts"]
    ]


def test_nothing_runs_when_the_quote_is_not_accepted():
    before = len(as_json("runs", "list"))
    told = glue("run", LESSON, answer="n\n", code=1)
    assert "Accept?" in told
    assert len(as_json("runs", "list")) == before


def test_a_run_without_a_customer_is_wrong_use(monkeypatch):
    monkeypatch.delenv("GLUE_TENANT")
    assert as_json("run", LESSON, code=2)["error"]["field"] == "tenant"


def test_runs_are_listed_shown_and_found(done):
    run = done()
    assert run["id"] in [row["id"] for row in as_json("runs", "list")]
    assert run["id"] in glue("runs", "list")
    assert as_json("runs", "show", run["id"])["state"] == "completed"
    assert "lesson.md" in glue("runs", "show", run["id"])
    assert run["id"] in {found["run_id"] for found in as_json("runs", "search", "fractions")}
    assert run["id"] in glue("runs", "search", "fractions")


def test_a_run_is_exported_in_three_forms(done):
    run = done()
    assert glue("runs", "export", run["id"]).startswith(f"# Run {run['id']}")
    assert json.loads(glue("runs", "export", run["id"], "--format", "json"))["run"]["id"] == run["id"]
    assert glue("runs", "export", run["id"], "--format", "html").startswith("<!doctype html>")
    glue("runs", "export", run["id"], "--format", "pdf", code=2)


@pytest.mark.parametrize("verb", ["pause", "resume", "approve"])
def test_an_ended_run_cannot_be_steered(done, verb):
    assert as_json("runs", verb, done()["id"], code=3)["error"]["code"] == "conflict"


def test_canceling_an_ended_run_changes_nothing_and_no_step_can_be_done_again(done):
    run = done()
    assert as_json("runs", "cancel", run["id"])["state"] == "completed"
    assert as_json("runs", "retry-step", run["id"], "content", code=3)["error"]["code"] == "conflict"
    assert as_json("runs", "show", "run-unknown", code=1)["error"]["code"] == "not_found"


def test_the_registry_and_how_quotes_held_are_told(done):
    done()
    codes = {agent["code"] for agent in as_json("agents", "list")}
    assert {"orchestrator", "research", "multi-agent-workflow"} <= codes
    assert "orchestrator" in glue("agents", "list")
    assert as_json("agents", "calibration")["share_within"] == 1.0
    assert "share within" in glue("agents", "calibration")


def test_a_script_is_written_instead_of_running(tmp_path):
    before = len(as_json("runs", "list"))
    glue("run", LESSON, "--script", str(tmp_path / "out.py"))
    assert "# /// script" in (tmp_path / "out.py").read_text()
    assert len(as_json("runs", "list")) == before


def test_runs_are_listed_by_state_and_day(done):
    run = done()
    assert run["id"] in [row["id"] for row in as_json("runs", "list", "--state", "completed", "--since", "2026-01-01")]
    assert as_json("runs", "list", "--state", "failed") == []
    assert as_json("runs", "list", "--until", "2020-01-01") == []


def test_states_of_a_runs_files_are_kept_compared_and_brought_back(done):
    run = done()["id"]
    glue("runs", "checkpoint", run, "first draft")
    assert [one["name"] for one in as_json("runs", "checkpoints", run)] == ["first draft"]
    assert "They are the same." in glue("runs", "compare", run, "first draft")
    assert as_json("runs", "compare", run, "first draft") == {"added": [], "removed": [], "changed": []}
    assert "0 files back" in glue("runs", "roll-back", run, "first draft")
    glue("runs", "archive", run, "first draft")
    assert "first draft" not in [one["name"] for one in as_json("runs", "checkpoints", run)]
    assert "first draft" in [one["name"] for one in as_json("runs", "checkpoints", run, "--archived")]
    glue("runs", "roll-back", run, "nothing", code=1)
