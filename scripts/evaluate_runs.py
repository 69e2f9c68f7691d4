"""Measures how runs of agents hold what they promise, and writes docs/evaluation-runs.md (second half of ``make eval``).

Runs are carried out on stand-ins: scripted workers, local servers that speak the models' wire protocols, the offline templates.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from evaluate import read  # noqa: E402

from glue.agents.dedup import find_related, read_conversation  # noqa: E402
from glue.agents.dispatcher import Dispatcher  # noqa: E402
from glue.agents.executors import BudgetReached, Outcome, Report, Work  # noqa: E402
from glue.agents.understanding import analyse  # noqa: E402
from glue.agents.views import QuoteView, RunView  # noqa: E402
from glue.errors import LimitReached  # noqa: E402
from glue.rules.names import TenantId  # noqa: E402
from glue.rules.snapshot import MeterGrant  # noqa: E402
from tests.agents.dispatching.conftest import ALICE, BOB, World, snapshot_of  # noqa: E402
from tests.agents.dispatching.killing import (  # noqa: E402
    ALL_KILLS,
    EXECUTORS,
    Mortals,
    can_run,
    facts_of,
    has_models,
    judge,
    mortal_world,
    run_through,
)  # fmt: skip
from tests.agents.dispatching.workers import good_file, scripted_registry  # noqa: E402

OWN = ROOT / "tests/agents"
RUNS, CONCURRENT, CONVERSATIONS = 120, 1000, 2000
MUCH = 10**7

Lines = Iterator[str]


class LongTailed:
    """Uses twice the registry's estimate on average, now and then several times as much."""

    name = "scripted"

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def perform(self, work: Work, *, most_tokens: int, report: Report) -> Outcome:
        del report
        tokens = round(work.step.tokens * 2 * self._chance.lognormvariate(0, 0.5))
        if tokens > most_tokens:
            raise BudgetReached("The step needs more than is left.", tokens=most_tokens, metered_tokens=most_tokens, model="scripted:1")
        return Outcome((good_file(work.step.name),), tokens, tokens, "scripted:1")


def grant(world: World, *, limit: int = MUCH, run: int = MUCH, tenant: TenantId = ALICE) -> None:
    """A plan of ``limit`` credits, at most ``run`` for one run, as many runs at once as there are."""
    meters = {"agent_credits": MeterGrant(limit, hard=True), "agent_tokens": MeterGrant(None, hard=False)}
    world.meter.publish(
        replace(snapshot_of(tenant, meters=meters), run_concurrency=MUCH, max_credits_per_run=run, confirmed_at=world.clock.now())
    )


def carry_out(dispatcher: Dispatcher, run: RunView) -> RunView:
    """The run's steps, budget, holds and settlement without the engine's queue."""
    while names := dispatcher.carrier.choose(ALICE, run.id):
        dispatcher.carrier.perform_all(ALICE, run.id, names)
    return dispatcher.run_of(ALICE, run.id)


def ask(dispatcher: Dispatcher, text: str, key: str) -> RunView:
    quote = dispatcher.quote(ALICE, text, asked_by="evaluation")
    return dispatcher.accept(ALICE, quote.id, asked_by="evaluation", key=key)


def requests(count: int) -> list[str]:
    """Held-out requests, none of which asks back, repeated until there are enough."""
    texts = [row["text"] for row in read(OWN / "understanding/held_out.jsonl")]
    clear = [text for text in texts if analyse(text).question is None]
    return [clear[number % len(clear)] for number in range(count)]


def measure_calibration() -> Lines:
    """How many runs end without asking for more than their quote."""
    yield "| executor | runs | ended within the quote | cost to expectation |"
    yield "| --- | --- | --- | --- |"
    with mortal_world() as world:
        grant(world)
        dispatcher = world.make(understand=analyse)
        yield _calibrate("offline templates", dispatcher, before=0)
    with mortal_world() as world:
        grant(world)
        dispatcher = world.make(executors=[LongTailed(7)], registry=scripted_registry(world.registry), understand=analyse)
        yield _calibrate("a long-tailed stand-in twice as dear as the registry says, priced by measured history", dispatcher, before=RUNS)


def _calibrate(name: str, dispatcher: Dispatcher, *, before: int) -> str:
    ended = []
    for number, text in enumerate(requests(before + RUNS)):
        run = carry_out(dispatcher, ask(dispatcher, text, f"k{number}"))
        asked = run.state != "completed"
        while run.state == "waiting_approval":
            run = carry_out(dispatcher, dispatcher.approve(ALICE, run.id, asked_by="evaluation", extra=1000))
        ended.append((asked, run))
    counted = ended[before:]
    within = sum(not asked and run.cost <= run.cap for asked, run in counted)
    expected = sum(step.expected for _, run in counted for step in run.steps)
    return f"| {name} | {len(counted)} | {within / len(counted):.1%} | {sum(run.cost for _, run in counted) / expected:.2f} |"


def measure_overspend() -> Lines:
    """A thousand acceptances at once for credits that pay a part of them; what was accepted is carried out side by side."""
    with mortal_world() as world:
        grant(world)
        dispatcher = world.make(executors=[LongTailed(11)], registry=scripted_registry(world.registry))
        quotes = [dispatcher.quote(ALICE, f"Write lesson {number} with a quiz", asked_by="evaluation") for number in range(CONCURRENT)]
        limit = sum(quote.cap for quote in quotes) * 3 // 4
        grant(world, limit=limit)

        def accept(quote: QuoteView) -> RunView | None:
            try:
                return dispatcher.accept(ALICE, quote.id, asked_by="evaluation", key=quote.id)
            except LimitReached:
                return None

        began = time.monotonic()
        with ThreadPoolExecutor(32) as pool:
            accepted = [run for run in pool.map(accept, quotes) if run is not None]
            reserved = int(world.figures()["held"])
            runs = list(pool.map(lambda run: carry_out(dispatcher, run), accepted))
        seconds = time.monotonic() - began
        used, above = int(world.figures()["used"]), sum(max(0, run.cost - run.cap) for run in runs)
        facts = sum(len(facts_of(world, run.id)) for run in runs[:20])
        yield "| what | value |"
        yield "| --- | --- |"
        yield f"| runs asked for at once; accepted; refused for want of credits | {CONCURRENT}; {len(accepted)}; {CONCURRENT - len(accepted)} |"
        yield f"| credits of the plan; reserved at most; used | {limit}; {reserved}; {used} |"
        yield f"| credits spent above a run's cap; above the plan; not in the meter | {above}; {max(0, used - limit)}; {sum(run.cost for run in runs) - used} |"
        stopped = sum(run.state == "waiting_approval" for run in runs)
        yield f"| runs completed; stopped at their cap and asking | {sum(run.state == 'completed' for run in runs)}; {stopped} |"
        yield f"| facts in the meter of the first 20 runs; seconds for all | {facts}; {seconds:.0f} |"


def measure_kills() -> Lines:
    """Each executor's run, carried out by processes of which each is killed (SIGKILL) at the next moment."""
    yield "| executor | kills | ended once | steps done again | cost, cap |"
    yield "| --- | --- | --- | --- | --- |"
    mortals = Mortals(models=has_models())
    try:
        for executor in filter(can_run, EXECUTORS):
            with mortal_world() as world:
                died, run, performed = run_through(world, mortals, executor, ALL_KILLS)
                wrong = judge(world, executor, died, run, performed)
            again = len(performed) - len(run.steps)
            yield f"| {executor} | {len(died)} of {len(ALL_KILLS)} | {', '.join(wrong) or 'yes'} | {again} | {run.cost}, {run.cap} |"
    finally:
        mortals.close()


def measure_conversations() -> Lines:
    """Conversations made of sentences of the held-out ones; each twentieth is another one, worded a little differently."""
    chance = random.Random(5)
    rows = read(OWN / "dedup/conversations.jsonl")
    said = sorted({message["content"] for row in rows for message in row["messages"]})
    made: list[dict[str, Any]] = []
    for number in range(CONVERSATIONS):
        if number % 20 == 19:
            messages = [*made[chance.randrange(len(made))]["messages"], {"role": "user", "content": "Thank you."}]
        else:
            roles = ("user", "assistant") * 3
            messages = [{"role": role, "content": f"{chance.choice(said)} {chance.choice(said)}"} for role in roles]
        made.append({"id": f"c{number}", "messages": messages})
    began = time.process_time()
    found = find_related([read_conversation(row) for row in made])
    yield f"{CONVERSATIONS} conversations were compared in {time.process_time() - began:.1f} s of processor time; {len(list(found))} pairs were found."
    yield "How well pairs are told apart: see the F1 in [the evaluation](evaluation.md)."


def measure_reuse() -> Lines:
    """The same customer asks for alike work again, in a few other words; another customer asks the same."""
    with mortal_world() as world:
        grant(world)
        grant(world, tenant=BOB)
        dispatcher = world.make(understand=analyse)
        texts = list(dict.fromkeys(requests(40)))
        runs = [carry_out(dispatcher, ask(dispatcher, text, f"k{number}")) for number, text in enumerate(texts)]
        offers = [dispatcher.library.offers(ALICE, f"{text} Thanks a lot") for text in texts]
        right = sum(bool(found) and found[0].run_id == run.id for found, run in zip(offers, runs, strict=True))
        tokens = sum(found[0].saves_tokens for found in offers if found)
        elsewhere = sum(bool(dispatcher.library.offers(BOB, text)) for text in texts)
        yield "| asked again | offered the earlier work | tokens saved if taken | offered to another customer |"
        yield "| --- | --- | --- | --- |"
        yield f"| {len(texts)} | {right} | {tokens} of {sum(step.tokens for run in runs for step in run.steps)} | {elsewhere} |"


def main() -> None:
    """Prints each section as soon as it is measured, and writes the page."""
    text = INTRODUCTION
    for title, measure in SECTIONS:
        sys.stdout.write(f"\n{title}\n\n")
        lines = []
        for line in measure():
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
            lines.append(line)
        text += f"\n## {title}\n\n" + "\n".join(lines) + "\n"
    (ROOT / "docs/evaluation-runs.md").write_text(text, encoding="utf-8")


SECTIONS: tuple[tuple[str, Callable[[], Lines]], ...] = (
    ("Quotes", measure_calibration),
    ("Overspending", measure_overspend),
    ("Killed and carried on", measure_kills),
    ("Conversations", measure_conversations),
    ("Work offered again", measure_reuse),
)
INTRODUCTION = """# How well runs keep what quotes promise

Written by `make eval`, offline: models are stood in for by local servers that speak their wire protocols.

*Quotes*: the share of runs that end without asking for more than was quoted. *Overspending*: many acceptances at the same moment.
*Killed*: processes are killed (`kill -9`) before the work of a step, in its middle, with the result in hand, with the result kept, with
its cost in the meter, with all of it written down, and before the run ends; *ended once* compares state, files, events, facts in the
meter, and cost; *done again* counts work that was lost before it was kept, once for each such kill.
"""

if __name__ == "__main__":
    main()
