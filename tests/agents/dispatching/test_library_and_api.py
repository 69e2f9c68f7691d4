import json
import subprocess
import sys

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from glue.agents.api import routes
from glue.agents.planning import plan_route
from glue.agents.registry import load_registry, parse_agent
from glue.agents.scripts import write_script
from glue.app import problems
from glue.errors import ConfigInvalid, Conflict
from glue.meter.callers import Caller

from .conftest import ALICE, BOB, ROOT, accept, ended, understand

LESSON = "Write a short lesson about fractions with a quiz for beginners"


@pytest.fixture
def done(world):
    dispatcher = world.make()
    dispatcher.start()
    return dispatcher, ended(dispatcher, accept(dispatcher, LESSON).id)


def client_of(world, dispatcher, tenant=ALICE):
    app = FastAPI()
    problems.install(app)
    caller = Caller(world.meter.snapshot_of(tenant), "member", "user-1", "alice@example.test")
    app.include_router(routes(dispatcher, dispatcher.library, lambda: caller))
    return TestClient(app)


def test_finished_work_is_found_exported_and_offered_again_to_its_owner_only(world, done):
    dispatcher, run = done
    library = dispatcher.library
    assert {found.run_id for found in library.search(ALICE, "fractions beginners")} == {run.id}
    assert library.search(ALICE, 'zebra"quagga') == []
    assert [library.search(BOB, "fractions"), library.offers(BOB, LESSON)] == [[], []]
    offers = library.offers(ALICE, "Write a short lesson about fractions with a quiz for advanced")
    assert [(offer.run_id, offer.saves_credits) for offer in offers] == [(run.id, run.cost)]
    assert "Lesson: fractions" in library.export(ALICE, run.id, form="markdown")
    assert json.loads(library.export(ALICE, run.id, form="json"))["run"]["cost"] == run.cost
    assert "<script" not in library.export(ALICE, run.id, form="html")


def test_checkpoints_are_named_compared_restored_and_archived(done):
    dispatcher, run = done
    library = dispatcher.library
    library.keep(ALICE, run.id, "first", by="u")
    with dispatcher._books.change(ALICE) as page:
        row = page.artifact(run.id, "lesson.md")
        row.digest = dispatcher._store.put(ALICE, b"# Changed by hand")
        page.session.add(row)
        page.session.delete(page.artifact(run.id, "quiz.json"))
    changed = library.compare(ALICE, run.id, "first")
    assert (changed.added, changed.removed, changed.changed) == ((), ("quiz.json",), ("lesson.md",))
    with pytest.raises(Conflict):
        library.keep(ALICE, run.id, "first", by="u")
    library.restore(ALICE, run.id, "first", by="u")
    assert library.compare(ALICE, run.id, "first").changed == ()
    assert b"Changed" not in dispatcher.artifact(ALICE, run.id, "lesson.md")[1]
    library.archive(ALICE, run.id, "first")
    assert [checkpoint.name[:12] for checkpoint in library.checkpoints(ALICE, run.id)] == ["before first"]
    assert len(library.checkpoints(ALICE, run.id, archived=True)) == 2


def test_the_api_goes_from_words_to_files(light_world):
    dispatcher = light_world.make()
    dispatcher.start()
    api = client_of(light_world, dispatcher)
    quote = api.post("/v1/quotes", json={"text": LESSON}).json()
    assert api.get(f"/v1/quotes/{quote['id']}").json()["words"] == quote["words"]
    assert api.post("/v1/runs", json={"quote_id": quote["id"]}).status_code == 422
    run = api.post("/v1/runs", json={"quote_id": quote["id"]}, headers={"Idempotency-Key": "k"}).json()
    events = api.get(f"/v1/runs/{run['id']}/events").text
    assert "event: step_completed" in events
    assert '"cost_so_far"' in events
    assert events.rstrip().split("\n\n")[-1].startswith(("event: end", "data:"))
    found = api.get(f"/v1/runs/{run['id']}").json()
    assert found["state"] == "completed"
    names = [artifact["name"] for artifact in api.get(f"/v1/runs/{run['id']}/artifacts").json()]
    file = api.get(f"/v1/runs/{run['id']}/artifacts/{names[0]}")
    assert file.headers["content-disposition"] == "attachment"
    assert [brief["id"] for brief in api.get("/v1/runs").json()] == [run["id"]]
    assert api.get("/v1/runs/search", params={"q": "fractions"}).json()[0]["run_id"] == run["id"]
    assert api.get(f"/v1/runs/{run['id']}/export", params={"format": "html"}).headers["content-type"].startswith("text/html")
    refused = api.post(f"/v1/runs/{run['id']}/approve", json={})
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    for verb, status in (("cancel", 200), ("pause", 409), ("resume", 409)):
        assert api.post(f"/v1/runs/{run['id']}/{verb}").status_code == status
    assert api.post(f"/v1/runs/{run['id']}/retry-step", json={"step": "content"}).status_code == 409
    assert client_of(light_world, dispatcher, BOB).get(f"/v1/runs/{run['id']}").status_code == 404


def test_dispatch_begins_at_once_only_below_the_callers_limit_and_when_clear(light_world):
    dispatcher = light_world.make()
    api = client_of(light_world, dispatcher)

    def dispatch(key, text=LESSON, most=50):
        return api.post("/v1/dispatch", json={"text": text, "accept_up_to": most}, headers={"Idempotency-Key": key}).json()

    assert dispatch("a", most=1)["run"] is None
    assert dispatch("b", text="unclear lesson")["quote"]["question"] == "Which?"
    run = dispatch("c")["run"]
    assert dispatch("c")["run"]["id"] == run["id"]


def test_a_written_script_stands_on_its_own(tmp_path):
    script = tmp_path / "work.py"
    script.write_text(write_script('Say "hi" \\ and more', plan_route(understand("curriculum"), load_registry(ROOT))))
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env python3\n# /// script\n")
    assert "@@" not in text
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env={}, check=False, timeout=30)
    assert (ran.returncode, ran.stderr) == (2, "Set GLUE_URL and GLUE_TOKEN.\n")


def test_a_wrong_agent_file_is_named():
    with pytest.raises(ConfigInvalid, match="x.yaml: kind"):
        parse_agent({"code": "x", "kind": "robot"}, file="x.yaml")
