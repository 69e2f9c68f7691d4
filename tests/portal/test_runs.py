"""A run is steered from its page: more is approved at the cap, it is paused, canceled, and a failed step is done again."""

import re
import threading

import pytest

from glue.agents.executors import StepUnusable
from tests.agents.dispatching.workers import ScriptedWorker
from tests.portal.conftest import Person

WISH = "Write a short lesson about fractions with a quiz for beginners"  # two steps


@pytest.fixture(scope="module")
def rita(portal):
    person = Person(portal, "Rita")
    person.become_customer("Running Readers")
    return person


@pytest.fixture
def put(portal, monkeypatch):
    """Put a worker of the test's in place of every agent's model."""

    def put(worker):
        monkeypatch.setattr(portal.services.dispatcher, "_offline", worker)
        return worker

    return put


def test_at_the_cap_it_asks_for_more_and_goes_on_when_approved(rita, put):
    worker = put(ScriptedWorker(tokens=90_000))
    run = rita.begin_work(WISH)
    page = rita.wait_for_run(run, "waiting_approval")
    assert "The work needs more than its cap." in page.text
    worker.tokens = 1000
    rita.submit("approve")
    page = rita.wait_for_run(run, "completed")
    assert not any(form.id in {"approve", "pause", "cancel"} for form in page.forms)


def test_it_is_paused_and_goes_on(rita, put):
    gate = threading.Event()
    worker = put(ScriptedWorker(gate=gate))
    run = rita.begin_work(WISH)
    assert worker.started.wait(20)
    rita.visitor.open(run)
    rita.submit("pause")
    gate.set()
    rita.wait_for_run(run, "paused")
    rita.submit("resume")
    rita.wait_for_run(run, "completed")


def test_a_canceled_run_costs_only_what_was_done(rita, put, portal):
    gate = threading.Event()
    worker = put(ScriptedWorker(gate=gate))
    run = rita.begin_work(WISH)
    assert worker.started.wait(20)
    rita.visitor.open(run)
    before = portal.services.meter.usage_of(rita.tenant)["meters"]["agent_credits"]
    rita.submit("cancel")
    gate.set()
    page = rita.wait_for_run(run, "canceled")
    after = portal.services.meter.usage_of(rita.tenant)["meters"]["agent_credits"]
    assert int(before["held"]) > 0 and int(after["held"]) == 0
    assert int(after["used"]) - int(before["used"]) == int(re.search(r'data-cost="(\d+)"', page.html)[1])
    assert worker.calls == worker.calls[:1]


def test_more_than_is_left_is_not_approved(portal, put):
    person = Person(portal, "Fia")
    person.become_customer("Few Funds", tier="free")
    put(ScriptedWorker(tokens=90_000))
    run = person.begin_work(WISH)
    person.wait_for_run(run, "waiting_approval")
    left = portal.services.meter.check(person.tenant, "agent_credits")["remaining"]
    portal.services.meter.consume(person.tenant, "agent_credits", left)
    page = person.submit("approve")
    assert "There are not enough credits left for this" in page.text
    assert 'data-run-state="waiting_approval"' in page.html
    person.submit("cancel")
    person.wait_for_run(run, "canceled")


def test_stale_page_approves_nothing(rita, put):
    put(ScriptedWorker(tokens=90_000))
    run = rita.begin_work(WISH)
    page = rita.wait_for_run(run, "waiting_approval")
    seen = page.form("approve").fields
    for other in ({"cap": str(int(seen["cap"]) - 1)}, {"extra": "many"}):
        assert rita.post(f"{run.removeprefix(rita.portal.url)}/approve", **seen | other).status_code == 303
        page = rita.visitor.open(run)
        assert 'data-run-state="waiting_approval"' in page.html
        assert page.form("approve").fields == seen
    rita.submit("cancel")
    rita.wait_for_run(run, "canceled")


def test_step_that_is_not_there_is_not_done_again(rita, put):
    put(ScriptedWorker())
    run = rita.begin_work(WISH)
    rita.wait_for_run(run, "completed")
    path = run.removeprefix(rita.portal.url)
    assert rita.post(f"{path}/retry", step="unknown").status_code == 404
    assert rita.open(f"{path}/artifacts/unknown.md").status == 404


def test_a_failed_step_says_why_and_is_done_again(rita, put):
    class Once(ScriptedWorker):
        def perform(self, work, **options):
            if not self.calls:
                self.calls.append(work.step.name)
                raise StepUnusable("Nonsense came back.", model="scripted:1", tokens=1, metered_tokens=1)
            return super().perform(work, **options)

    put(Once())
    run = rita.begin_work(WISH)
    page = rita.wait_for_run(run, "failed")
    assert "Nonsense came back." in page.text
    rita.submit("retry-1")
    rita.wait_for_run(run, "completed")
