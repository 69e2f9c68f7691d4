"""A plan of milestones and issues: parsed strictly, brought once, read back as the same."""

import json

import pytest
from pydantic import SecretStr

from glue.errors import BadInput, UpstreamUnavailable
from glue.settings import IssueSettings
from glue.support.issue_plans import Brought, IssuePlan, bring, parse_plan, read_tracker, write_plan
from glue.upstream.issues import IssueTracker
from tests.support.issue_server import REPOSITORY, TOKEN, IssueServer

PLAN = """
milestones:
  - title: "1.0"
    due: 2026-12-01
    description: First release
issues:
  - title: "Write: the docs"
    body: "Two lines\\nof text"
    labels: [docs, pilot]
    milestone: "1.0"
  - {title: Done already, state: closed}
  - {title: In another milestone, milestone: Later}
"""


@pytest.fixture(params=["github", "forgejo"])
def server(request):
    server = IssueServer(request.param)
    yield server
    server.stop()


@pytest.fixture
def tracker(server):
    tracker = IssueTracker(IssueSettings(kind=server.kind, url=server.url, repository=REPOSITORY, token=SecretStr(TOKEN)))
    yield tracker
    tracker.close()


def test_plan_is_brought_once(server, tracker):
    server.open("In another milestone", pull=True)
    plan = parse_plan(PLAN)
    assert bring(tracker, plan, write=False) == Brought(["1.0", "Later"], ["Write: the docs", "Done already", "In another milestone"])
    assert server.writes == []
    bring(tracker, plan)
    made = {row["title"]: row for row in server.issues.values() if not row["pull_request"]}
    assert made["Write: the docs"]["milestone"]["title"] == "1.0"
    assert [label["name"] for label in made["Write: the docs"]["labels"]] == ["docs", "pilot"]
    assert made["Done already"]["state"] == "closed"
    assert [row["title"] for row in server.milestones] == ["1.0", "Later"]
    assert server.milestones[0]["due_on"] == "2026-12-01T00:00:00Z"
    writes = len(server.writes)
    assert bring(tracker, plan) == Brought()
    assert len(server.writes) == writes


def test_state_is_followed_and_the_rest_left_alone(server, tracker):
    number = server.open("Done already", body="by hand", labels=("kept",))
    assert bring(tracker, parse_plan("issues: [{title: Done already, state: closed, body: ours}]")).changed == ["Done already"]
    assert server.issues[number]["state"] == "closed"
    assert server.issues[number]["body"] == "by hand"


def test_an_end_in_between_is_gone_on_from(server, tracker):
    plan = parse_plan(PLAN)
    server.faults.append(("PATCH", 502, False))
    with pytest.raises(UpstreamUnavailable):
        bring(tracker, plan)
    bring(tracker, plan)
    titles = [row["title"] for row in server.issues.values()]
    assert sorted(titles) == sorted(set(titles))
    assert bring(tracker, plan) == Brought()


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_read_can_be_brought_and_changes_nothing(server, tracker, as_json):
    bring(tracker, parse_plan(PLAN))
    for index in range(55):
        server.open(f"More than a page {index}")
    written = write_plan(read_tracker(tracker), as_json=as_json)
    assert parse_plan(written) == read_tracker(tracker)
    assert len(parse_plan(written).issues) == 58
    assert bring(tracker, parse_plan(written)) == Brought()
    if as_json:
        assert json.loads(written)["milestones"][0]["title"] == "1.0"


def test_what_is_personal_stays_here_and_is_not_made_again(server, tracker):
    plan = parse_plan("issues: [{title: Ask zeb@school.example, body: 'Call +49 30 901820 or zeb@school.example'}]")
    bring(tracker, plan)
    sent = json.dumps(list(server.issues.values()))
    assert "school.example" not in sent
    assert "901820" not in sent
    assert bring(tracker, plan) == Brought()
    server.open("From lotte@school.example")
    assert "lotte" not in write_plan(read_tracker(tracker))


def test_an_empty_file_is_an_empty_plan():
    assert parse_plan("{}") == IssuePlan()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("issues: [", "file"),
        ("- a", "the file"),
        ("", "the file"),
        ("epics: []", "the file"),
        ("issues: {}", "issues"),
        ("issues:", "issues"),
        ("issues: [{body: x}]", "issues[0].title"),
        ("issues: [{title: a, labels: bug}]", "issues[0].labels"),
        ("issues: [{title: a, state: done}]", "issues[0].state"),
        ("issues: [{title: a, state: [open]}]", "issues[0].state"),
        ("issues: [{title: a, body: [x]}]", "issues[0].body"),
        ("issues: [{title: a}, {title: a}]", "issues"),
        ("milestones: [{title: a, due: soon}]", "milestones[0].due"),
        ("issues: [{title: !!python/object:os.system a}]", "file"),
    ],
)
def test_a_wrong_file_is_refused_by_place(text, where):
    with pytest.raises(BadInput) as refused:
        parse_plan(text)
    assert refused.value.fields["field"] == where
