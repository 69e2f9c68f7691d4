"""What agent work costs besides steps, what it need not cost again, and what an invoice line consists of."""

from datetime import UTC, datetime

import pytest

from glue.agents.executors import File, Outcome
from glue.errors import UpstreamUnavailable
from glue.meter.metering import Meter
from glue.rules.snapshot import MeterGrant
from tests.meter.lago import StatefulLago

from .conftest import ALICE, BOB, METERS, accept, ended, snapshot_of
from .test_library_and_api import client_of
from .workers import ScriptedWorker, scripted_registry

NOVEMBER = {"from_at": datetime(2026, 11, 1, tzinfo=UTC), "to_at": datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)}


def test_an_invoice_line_leads_back_to_the_steps_of_runs(light_world):
    lago = StatefulLago(light_world.clock)
    light_world.meter.stop()
    light_world.meter = Meter(light_world.store, clock=light_world.clock, meters=METERS, lago=lago)
    light_world.meter.publish(snapshot_of(ALICE))
    light_world.meter.publish(snapshot_of(BOB))
    dispatcher = light_world.make(executors=[ScriptedWorker()], registry=scripted_registry(light_world.registry))
    dispatcher.start()
    runs = [ended(dispatcher, accept(dispatcher, f"Write lesson {number} with a quiz", key=f"k{number}").id) for number in range(2)]
    light_world.meter.record_usage(ALICE, "agent_credits", 1)
    assert light_world.meter.flush_now(ALICE)
    found = dispatcher.explain_line(ALICE, **NOVEMBER)
    assert {run.run_id: run.units for run in found} == {**{run.id: run.cost for run in runs}, "": 1}
    by_id = {run.run_id: run for run in found}
    for run in runs:
        assert [(step.step, step.units, step.model) for step in by_id[run.id].steps] == [(s.name, s.cost, "scripted:1") for s in run.steps]
        assert by_id[run.id].text == run.text
    events = {event for run in found for step in run.steps for event in step.transaction_ids}
    assert events == {name for name, event in lago.events.items() if event.code == "agent_credits"}
    query = {"from": "2026-11-01T00:00:00Z", "to": "2026-11-30T23:59:59Z"}
    told = client_of(light_world, dispatcher).get("/v1/runs/costs", params=query).json()
    assert {run["run_id"] for run in told} == {run.run_id for run in found}
    assert client_of(light_world, dispatcher, BOB).get("/v1/runs/costs", params=query).json() == []


class Oracle:
    """Answers a question with a fixed text, or an error."""

    name = "oracle"

    def __init__(self, answer, tokens=400):
        self.answer, self.tokens, self.asked = answer, tokens, []

    def perform(self, work, *, most_tokens, report):
        self.asked.append((work.text, most_tokens))
        if isinstance(self.answer, Exception):
            raise self.answer
        return Outcome((File("answer.md", "", "text/markdown", self.answer.encode()),), self.tokens, self.tokens, "oracle:1")


def quote_with(world, oracle, text="unclear lesson"):
    dispatcher = world.make(executors=[oracle], second_opinion="oracle:1")
    return dispatcher.quote(ALICE, text, asked_by="u")


def test_a_model_is_asked_only_about_what_is_unclear_and_paid_with_one_credit(light_world):
    oracle = Oracle('Surely {"task_type": "research_analysis", "complexity": "MODERATE"}.')
    assert quote_with(light_world, oracle, "a clear lesson").analysis.task_type == "content_generation"
    assert oracle.asked == []
    quote = quote_with(light_world, oracle)
    assert (quote.analysis.task_type, quote.analysis.complexity, quote.question) == ("research_analysis", "moderate", None)
    assert "A model was asked" in quote.notes[-1]
    assert oracle.asked == [("unclear lesson", 1000)]
    assert (int(light_world.figures()["used"]), int(light_world.figures()["held"])) == (1, 0)
    assert int(light_world.figures(meter="agent_tokens")["used"]) == 400


@pytest.mark.parametrize(
    ("answer", "used"), [("{}", 1), ("no idea", 1), ('{"task_type": "x", "complexity": 3}', 1), (UpstreamUnavailable("away", upstream="m", operation="step"), 0)]
)  # fmt: skip
def test_without_a_usable_opinion_our_own_question_stands(light_world, answer, used):
    quote = quote_with(light_world, Oracle(answer))
    assert (quote.question, quote.analysis.task_type) == ("Which?", "content_generation")
    assert (int(light_world.figures()["used"]), int(light_world.figures()["held"])) == (used, 0)


def test_without_a_credit_nobody_is_asked(light_world):
    light_world.meter.publish(snapshot_of(ALICE, meters={"agent_credits": MeterGrant(0, hard=True)}))
    oracle = Oracle("{}")
    assert quote_with(light_world, oracle).question == "Which?"
    assert oracle.asked == []


def test_earlier_work_is_offered_with_a_quote_to_its_owner_only(light_world):
    dispatcher = light_world.make(executors=[ScriptedWorker()], registry=scripted_registry(light_world.registry))
    dispatcher.start()
    run = ended(dispatcher, accept(dispatcher, "Write a lesson about fractions with a quiz").id)
    again = dispatcher.quote(ALICE, "Write a lesson about fractions with a short quiz", asked_by="u")
    assert [(offer.run_id, offer.saves_credits, offer.saves_tokens) for offer in again.offers] == [(run.id, run.cost, run.tokens)]
    assert dispatcher.quote(BOB, "Write a lesson about fractions with a quiz", asked_by="b").offers == ()
