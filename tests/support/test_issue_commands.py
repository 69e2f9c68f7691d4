"""``glue issues`` and ``glue tickets`` from the command line, beside a tracker."""

import json
import re

import pytest
from typer.testing import CliRunner

import glue.ops.tables
from glue.cli import build
from tests.fakes.world import CONFIG
from tests.support.issue_server import REPOSITORY, TOKEN, IssueServer

RUNNER = CliRunner()
SECRETS = {
    "KEYCLOAK__SERVICE_CLIENT_SECRET", "KEYCLOAK__PORTAL_CLIENT_SECRET", "KEYCLOAK__API_CLIENT_SECRET", "LAGO__API_KEY", "KEYGEN__ADMIN_TOKEN",
}  # fmt: skip
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def tracker(monkeypatch, tmp_path, empty_store):
    (tmp_path / "glue.db").write_bytes(empty_store.read_bytes())
    server = IssueServer("forgejo")
    assert glue.ops.tables, "every table is in the empty store"
    values = {f"{system}__URL": NOWHERE for system in ("KEYCLOAK", "LAGO", "KEYGEN")} | dict.fromkeys(SECRETS, "not asked by these")
    values |= {"PUBLIC_URL": NOWHERE, "KEYGEN__HOST": "keygen.test", "KEYGEN__ACCOUNT_ID": "a", "MAIL__HOST": "127.0.0.1"}
    values |= {
        "SECRET_KEYS": '["long enough to sign"]',
        "LAGO__WEBHOOK_HMAC_KEYS": '["long enough to sign"]',
        "CONFIG_DIR": str(CONFIG.parent),
    }
    values |= {"DATABASE_URL": f"sqlite:///{tmp_path / 'glue.db'}", "DATA_DIR": str(tmp_path)}
    values |= {"ISSUES__URL": server.url, "ISSUES__REPOSITORY": REPOSITORY, "ISSUES__TOKEN": TOKEN, "ISSUES__KIND": "forgejo"}
    for name, value in values.items():
        monkeypatch.setenv(f"GLUE_{name}", value)
    yield server
    server.stop()


def call(*words, given=""):
    """Exit code and what was printed, without lines of the log."""
    result = RUNNER.invoke(build(list(words)), list(words), input=given)
    return result.exit_code, re.sub(r"(?m)^\d{4}-.*\[(?:debug|info|warning) .*\n", "", result.stdout)


def test_plan_goes_in_by_a_pipe_and_comes_out_again(tracker):
    plan = json.dumps(
        {"milestones": [{"title": "1.0"}], "issues": [{"title": "First", "milestone": "1.0"}, {"title": "Old", "state": "closed"}]}
    )
    code, shown = call("issues", "import", "-", "--preview", "--json", given=plan)
    assert (code, json.loads(shown)["issues"]) == (2, ["First", "Old"])
    assert tracker.writes == []
    assert call("issues", "import", "-", given=plan)[0] == 0
    code, exported = call("issues", "export")
    assert "title: First" in exported
    code, shown = call("issues", "import", "-", "--preview", given=exported)
    assert (code, shown.strip()) == (0, "Everything is there.")


def test_wrong_file_and_silent_tracker_end_with_a_failure(tracker, tmp_path):
    assert call("issues", "import", str(tmp_path / "none.yaml"))[0] != 0
    assert call("issues", "import", "-", given="issues: [{title: a, state: done}]")[0] != 0
    tracker.faults.append(("GET", 503, False))
    assert call("issues", "export")[0] == 4


def test_sync_without_links_asks_nobody(tracker):
    assert json.loads(call("issues", "sync", "--json")[1]) == {"failed": 0}
    assert tracker.log == []


def test_mail_of_a_stranger_by_a_pipe_is_kept_aside(tracker):
    mail = "From: x@y.test\r\nMessage-ID: <1@y.test>\r\nSubject: Hi\r\n\r\nHello\r\n"
    assert json.loads(call("tickets", "receive", "--json", given=mail)[1]) == {"outcome": "foreign", "ticket": ""}
    assert json.loads(call("tickets", "list", "--json")[1]) == {"total": 0, "tickets": []}
