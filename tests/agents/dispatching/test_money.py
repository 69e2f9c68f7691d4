"""What a quote promises: never above the cap, whatever happens at once; and mostly enough."""

import random
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

from glue.agents.planning import Route, plan_route
from glue.agents.quote import ENOUGH, price_route, quantile
from glue.agents.registry import load_registry
from glue.errors import LimitReached
from glue.rules.snapshot import MeterGrant

from .conftest import ALICE, ROOT, snapshot_of, understand
from .workers import ScriptedWorker, scripted_registry


def test_a_thousand_runs_at_once_never_overspend(light_world):
    """The runs' own steps, budget, hold and settlement, driven without the engine, from 32 threads, of wildly varying size."""
    limit = 2000
    grants = {"agent_credits": MeterGrant(limit, hard=True), "agent_tokens": MeterGrant(None, hard=False)}
    light_world.meter.publish(snapshot_of(ALICE, meters=grants, run_concurrency=2000))
    chance = random.Random(7)

    class Wild(ScriptedWorker):
        def perform(self, work, *, most_tokens, report):
            self.tokens = chance.choice([100, 1500, 4000, 60_000])
            return super().perform(work, most_tokens=most_tokens, report=lambda _tokens: None)

    dispatcher = light_world.make(executors=[Wild()], registry=scripted_registry(light_world.registry))
    quotes = [dispatcher.quote(ALICE, f"Write lesson {number} with a quiz", asked_by="u") for number in range(20)]
    held, refused, cap = [], 0, quotes[0].cap

    def reserve(number):
        try:
            return dispatcher._credits.hold(ALICE, f"light-{number}", cap)
        except LimitReached:
            return None

    with ThreadPoolExecutor(32) as pool:
        held = [hold for hold in pool.map(reserve, range(1000)) if hold]
    refused = 1000 - len(held)
    assert len(held) == limit // cap
    assert refused == 1000 - limit // cap
    assert int(light_world.figures()["held"]) <= limit
    for hold in held:
        light_world.meter.release(ALICE, hold["id"])

    runs = [dispatcher.accept(ALICE, quote.id, asked_by="u", key=quote.id) for quote in quotes]

    def carry_out(run):
        while names := dispatcher.carrier.choose(ALICE, run.id):
            dispatcher.carrier.perform_all(ALICE, run.id, names)
        return dispatcher.run_of(ALICE, run.id)

    with ThreadPoolExecutor(8) as pool:
        finished = list(pool.map(carry_out, runs))
    assert {run.state for run in finished} <= {"completed", "waiting_approval"}
    assert all(run.cost <= run.cap for run in finished)
    used = int(light_world.figures()["used"])
    assert used == sum(run.cost for run in finished) <= limit


def test_quotes_learn_from_measured_history_and_hold_for_nine_of_ten_runs():
    chance = random.Random(11)
    registry = load_registry(ROOT)
    route = plan_route(understand("curriculum"), registry)

    def cost(step):  # real work is nothing like the registry's estimate: twice as dear, and long-tailed
        return max(1, round(step.expected * 2 * chance.lognormvariate(0, 0.5)))

    measured = {}
    for _ in range(60):
        for step in route.steps:
            measured.setdefault((step.agent, step.size.value), []).append(Fraction(cost(step), step.expected))
    priced = price_route(route, measured=measured, most=100_000)
    assert priced.expected > sum(step.expected for step in route.steps)
    within = sum(sum(cost(step) for step in route.steps) <= priced.cap for _ in range(2000)) / 2000
    assert within >= 0.9
    off = abs(priced.expected - sum(sum(cost(step) for step in route.steps) for _ in range(500)) / 500) / priced.expected
    assert off < 0.25


def test_few_measurements_do_not_move_a_quote():
    route = plan_route(understand("lesson"), load_registry(ROOT))
    few = {(step.agent, step.size.value): [Fraction(90)] * (ENOUGH - 1) for step in route.steps}
    assert price_route(route, measured=few, most=1000) == price_route(route, measured={}, most=1000)
    assert price_route(Route(()), measured={}, most=10).minutes == 0


def test_an_agent_never_measured_at_a_size_is_priced_by_its_other_sizes_then_by_everybody():
    route = plan_route(understand("lesson"), load_registry(ROOT))
    first = route.steps[0]
    plain = price_route(route, measured={}, most=1000).route.steps
    by_agent = price_route(route, measured={(first.agent, ""): [Fraction(3)] * ENOUGH}, most=1000).route.steps
    assert (by_agent[0].expected, by_agent[1]) == (3 * first.expected, plain[1])
    by_all = price_route(route, measured={("", ""): [Fraction(2)] * ENOUGH}, most=1000).route.steps
    assert [step.expected for step in by_all] == [2 * step.expected for step in plain]


def test_small_samples_promise_more_than_their_largest():
    assert quantile([1, 2, 3, 4, 5, 6, 7, 10], 0.95) == 11
    assert quantile(sorted(range(1, 101)), 0.5) == 51
