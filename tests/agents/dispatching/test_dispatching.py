import threading
from datetime import timedelta

import pytest

from glue.agents.executors import StepUnusable
from glue.errors import BadInput, Conflict, LimitReached, NotAllowed, NotFound
from glue.rules.standing import Standing

from .conftest import ALICE, BOB, accept, ended, snapshot_of
from .workers import ScriptedWorker, scripted_registry

LESSON = "Write a short lesson about fractions with a quiz for beginners"
COURSE = "Design a complete curriculum on machine learning with 12 modules, assessments and research for the whole university"


def scripted(world, script=None, **options):
    worker = ScriptedWorker(script, **options)
    dispatcher = world.make(executors=[worker], registry=scripted_registry(world.registry))
    dispatcher.start()
    return dispatcher, worker


def states_of(dispatcher):
    return sorted(run.state for run in dispatcher.runs(ALICE))


def test_a_sentence_becomes_files_within_the_quote(world):
    dispatcher = world.make()
    dispatcher.start()
    quote = dispatcher.quote(ALICE, LESSON, asked_by="user-1")
    assert quote.words == f"{quote.expected} credits, never above {quote.cap}, about {quote.minutes} minute{'s' * (quote.minutes != 1)}"
    accepted = dispatcher.accept(ALICE, quote.id, asked_by="user-1", key="k1")
    assert dispatcher.accept(ALICE, quote.id, asked_by="user-1", key="k1").id == accepted.id
    run = ended(dispatcher, accepted.id)
    assert run.state == "completed", run
    assert 0 < run.cost <= quote.cap
    figures = world.figures()
    assert (int(figures["used"]), int(figures["held"])) == (run.cost, 0)
    assert len(run.artifacts) >= 2
    for artifact in run.artifacts:
        media_type, content = dispatcher.artifact(ALICE, run.id, artifact.name)
        assert media_type == artifact.media_type
        assert b"template" in content


def test_large_work_follows_its_route_in_order(light_world):
    dispatcher, worker = scripted(light_world)
    run = ended(dispatcher, accept(dispatcher, COURSE).id)
    assert run.state == "completed", run
    assert worker.calls == ["research", "plan", "curriculum", "notebook"]
    assert run.tokens == 4000
    assert int(light_world.figures(meter="agent_tokens")["used"]) == 4000


def test_optional_steps_are_left_out_before_acceptance_only(light_world):
    dispatcher, worker = scripted(light_world)
    quote = dispatcher.quote(ALICE, COURSE, asked_by="u")
    changed = dispatcher.change_quote(ALICE, quote.id, without=["research", "notebook"])
    assert changed.cap < quote.cap
    assert [(step.name, step.depends_on) for step in changed.steps] == [("plan", ()), ("curriculum", ("plan",))]
    with pytest.raises(BadInput):
        dispatcher.change_quote(ALICE, quote.id, without=["curriculum"])
    run = dispatcher.accept(ALICE, quote.id, asked_by="u", key="k")
    with pytest.raises(Conflict):
        dispatcher.change_quote(ALICE, quote.id, without=["plan"])
    assert ended(dispatcher, run.id).cap == changed.cap
    assert worker.calls == ["plan", "curriculum"]


def test_at_the_cap_a_run_waits_for_approval_and_never_overspends(world):
    dispatcher, worker = scripted(world, {"content": [90_000, 30_000]})
    quote = dispatcher.quote(ALICE, LESSON, asked_by="u")
    run = ended(dispatcher, dispatcher.accept(ALICE, quote.id, asked_by="u", key="k").id, states={"waiting_approval"})
    assert 0 < run.cost <= run.cap == quote.cap
    assert run.needs > 0
    assert int(world.figures()["used"]) + int(world.figures()["held"]) == quote.cap
    with pytest.raises(LimitReached):
        dispatcher.approve(ALICE, run.id, asked_by="u", extra=1000)
    approved = dispatcher.approve(ALICE, run.id, asked_by="u", extra=20)
    assert approved.cap == quote.cap + 20
    run = ended(dispatcher, run.id)
    assert run.state == "completed", run
    assert worker.calls == ["content", "content", "assessment"]
    assert run.cost <= run.cap
    assert (int(world.figures()["used"]), int(world.figures()["held"])) == (run.cost, 0)


def test_a_failed_step_fails_the_run_and_can_be_done_again(world):
    dispatcher, worker = scripted(
        world, {"assessment": [StepUnusable("nonsense came back", model="scripted:1", tokens=500, metered_tokens=500)]}
    )
    run = ended(dispatcher, accept(dispatcher, LESSON).id)
    assert run.state == "failed"
    assert "nonsense" in run.error
    assert int(world.figures()["held"]) == 0
    paid = run.cost
    with pytest.raises(Conflict):
        dispatcher.retry_step(ALICE, run.id, "content", asked_by="u")
    dispatcher.retry_step(ALICE, run.id, "assessment", asked_by="u")
    run = ended(dispatcher, run.id)
    assert run.state == "completed", run
    assert worker.calls == ["content", "assessment", "assessment"]
    assert paid < run.cost <= run.cap
    assert (int(world.figures()["used"]), int(world.figures()["held"])) == (run.cost, 0)


def test_pause_stops_before_the_next_step_and_resume_goes_on(light_world):
    gate = threading.Event()
    dispatcher, worker = scripted(light_world, gate=gate)
    run = accept(dispatcher, LESSON)
    assert worker.started.wait(10)
    dispatcher.pause(ALICE, run.id, asked_by="u")
    gate.set()
    assert ended(dispatcher, run.id, states={"paused"}).steps[0].state == "completed"
    assert worker.calls == ["content"]
    with pytest.raises(Conflict):
        dispatcher.approve(ALICE, run.id, asked_by="u")
    dispatcher.resume(ALICE, run.id, asked_by="u")
    assert ended(dispatcher, run.id).state == "completed"
    assert worker.calls == ["content", "assessment"]
    with pytest.raises(Conflict):
        dispatcher.pause(ALICE, run.id, asked_by="u")


def test_cancel_pays_what_was_done_and_gives_the_rest_back(light_world):
    gate = threading.Event()
    dispatcher, worker = scripted(light_world, gate=gate)
    run = accept(dispatcher, LESSON)
    assert worker.started.wait(10)
    dispatcher.cancel(ALICE, run.id, asked_by="u")
    gate.set()
    run = ended(dispatcher, run.id)
    assert (run.state, [step.state for step in run.steps]) == ("canceled", ["completed", "canceled"])
    assert (int(light_world.figures()["used"]), int(light_world.figures()["held"])) == (run.cost, 0)
    assert dispatcher.cancel(ALICE, run.id, asked_by="u").state == "canceled"


def test_concurrency_of_the_tier_binds_and_grows_with_an_upgrade(light_world):
    gate = threading.Event()
    dispatcher, _ = scripted(light_world, gate=gate)
    runs = [accept(dispatcher, LESSON, key=f"k{number}") for number in range(4)]
    assert states_of(dispatcher) == ["queued", "queued", "running", "running"]
    light_world.meter.publish(snapshot_of(ALICE, run_concurrency=3, tier="team"))
    dispatcher.admit(ALICE)
    assert states_of(dispatcher) == ["queued", "running", "running", "running"]
    gate.set()
    assert [ended(dispatcher, run.id).state for run in runs] == ["completed"] * 4


def test_a_check_sends_a_step_back_once(light_world):
    from glue.agents.executors import File, Outcome

    class Sloppy(ScriptedWorker):
        def perform(self, work, *, most_tokens, report):
            if work.step.name != "assessment" or work.findings:
                return super().perform(work, most_tokens=most_tokens, report=report)
            self.calls.append("sloppy")
            text = b"# Quiz about things\n\n## Question 1\n\n- A) yes\n- B) no\n\n## Answer key\n\n1. C\n"
            return Outcome((File("assessment.md", "Quiz", "text/markdown", text),), 700, 700, "scripted:1")

    worker = Sloppy()
    dispatcher = light_world.make(executors=[worker], registry=scripted_registry(light_world.registry))
    dispatcher.start()
    run = ended(dispatcher, accept(dispatcher, LESSON).id)
    assert worker.calls == ["content", "sloppy", "assessment"]
    assert (run.state, run.steps[1].findings, run.steps[1].tokens) == ("completed", (), 1700)
    assert "step_sent_back" in [event.kind for event in dispatcher.events(ALICE, run.id)]


def test_nothing_of_one_customer_is_seen_by_another(light_world):
    dispatcher, _ = scripted(light_world)
    run = ended(dispatcher, accept(dispatcher, LESSON).id)
    for read in (
        lambda: dispatcher.run_of(BOB, run.id),
        lambda: dispatcher.quote_of(BOB, run.quote_id),
        lambda: dispatcher.artifact(BOB, run.id, "content.md"),
        lambda: dispatcher.events(BOB, run.id),
        lambda: dispatcher.cancel(BOB, run.id, asked_by="bob"),
        lambda: dispatcher.accept(BOB, run.quote_id, asked_by="bob", key="x"),
        lambda: dispatcher.library.export(BOB, run.id, form="json"),
        lambda: dispatcher.library.keep(BOB, run.id, "mine", by="bob"),
    ):
        with pytest.raises(NotFound):
            read()
    assert dispatcher.runs(BOB) == []
    assert [brief.tenant for brief in dispatcher.runs(None)] == [ALICE]
    assert dispatcher.library.search(BOB, "fractions") == []
    assert dispatcher.library.offers(BOB, LESSON) == []


def test_quotes_say_no_when_the_plan_says_no(light_world):
    dispatcher = light_world.make()
    light_world.meter.publish(snapshot_of(ALICE, max_credits_per_run=3))
    with pytest.raises(LimitReached) as refused:
        dispatcher.quote(ALICE, COURSE, asked_by="u")
    assert refused.value.fields["limit"] == 3
    light_world.meter.publish(snapshot_of(ALICE, max_credits_per_run=0))
    with pytest.raises(NotAllowed):
        dispatcher.quote(ALICE, LESSON, asked_by="u")
    light_world.meter.publish(snapshot_of(ALICE, standing=Standing.SUSPENDED, reason="unpaid"))
    with pytest.raises(NotAllowed):
        dispatcher.quote(ALICE, LESSON, asked_by="u")
    with pytest.raises(BadInput):
        dispatcher.quote(ALICE, " ", asked_by="u")


def test_acceptance_is_one_however_often_it_is_asked(light_world):
    dispatcher = light_world.make()
    first, second = (dispatcher.quote(ALICE, LESSON, asked_by="u") for _ in range(2))
    run = dispatcher.accept(ALICE, first.id, asked_by="u", key="k")
    with pytest.raises(Conflict):
        dispatcher.accept(ALICE, second.id, asked_by="u", key="k")
    with pytest.raises(Conflict):
        dispatcher.accept(ALICE, first.id, asked_by="u", key="other")
    assert dispatcher.run_by_key(ALICE, "k").id == run.id
    light_world.clock.advance(days=8)
    with pytest.raises(Conflict, match="out of date"):
        dispatcher.accept(ALICE, second.id, asked_by="u", key="k2")


def test_a_run_past_its_deadline_fails_and_pays_back(light_world):
    gate = threading.Event()
    dispatcher, worker = scripted(light_world, gate=gate)
    run = accept(dispatcher, LESSON)
    assert worker.started.wait(10)
    light_world.clock._now += timedelta(days=7, minutes=1)
    gate.set()
    run = ended(dispatcher, run.id)
    assert (run.state, run.error) == ("failed", "The run's deadline has passed.")
    assert int(light_world.figures()["held"]) == 0
