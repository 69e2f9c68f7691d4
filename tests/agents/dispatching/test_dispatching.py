import time

from .conftest import ALICE


def ended(dispatcher, run_id, *, states=("completed", "failed", "canceled"), seconds=20):
    deadline = time.monotonic() + seconds
    while (run := dispatcher.run_of(ALICE, run_id)).state not in states:
        assert time.monotonic() < deadline, run
        time.sleep(0.03)
    return run


def test_a_sentence_becomes_files_within_the_quote(world):
    dispatcher = world.make()
    dispatcher.start()
    quote = dispatcher.quote(ALICE, "Write a short lesson about fractions with a quiz for beginners", asked_by="user-1")
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
