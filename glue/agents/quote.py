"""Prices of routes: by the registry's estimates at first, by measured history as soon as there is enough of it. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from glue.agents.planning import Route
from glue.errors import LimitReached

ENOUGH = 8  # measured steps of an agent and size, from which on they count instead of the registry
COVERED = 0.98  # share of steps that end within their ceiling: of runs of five steps, nine in ten do even if none balances another
Measured = Mapping[tuple[str, str], Sequence[int]]  # (agent, size) → credits that its steps cost


@dataclass(frozen=True)
class Priced:
    """``expected`` and ``cap`` in credits: the cap binds. ``minutes`` along the longest way through the route."""

    route: Route
    expected: int
    cap: int
    minutes: int


def price_route(route: Route, *, measured: Measured, most: int) -> Priced:
    """Price a route for a plan that allows ``most`` credits a run. Raises LimitReached when not even the expected cost fits."""
    steps = []
    for step in route.steps:
        costs = sorted(measured.get((step.agent, step.size.value), ()))
        if len(costs) >= ENOUGH:
            step = replace(step, expected=quantile(costs, 0.5), ceiling=quantile(costs, COVERED))  # noqa: PLW2901
        steps.append(step)
    expected, cap = sum(step.expected for step in steps), sum(step.ceiling for step in steps)
    if expected > most:
        raise LimitReached(
            f"This would cost about {expected} credits; your plan allows {most} a run.",
            remedy="Ask for a smaller part, leave optional steps out, or choose a larger plan.",
            reason="run_too_large",
            expected=expected,
            limit=most,
        )
    return Priced(replace(route, steps=tuple(steps)), expected, min(cap, most), _longest(Route(tuple(steps))))


def quantile(costs: Sequence[int], share: float) -> int:
    """The smallest measured cost that a next one stays within with at least this chance (conformal: small samples look higher).

    Above what the sample can promise, a tenth more than the largest.
    """
    place = math.ceil((len(costs) + 1) * share)
    return costs[place - 1] if place <= len(costs) else math.ceil(costs[-1] * 1.1)


def _longest(route: Route) -> int:
    ends: dict[str, int] = {}
    for step in route.steps:
        ends[step.name] = step.minutes + max((ends[name] for name in step.depends_on), default=0)
    return max(ends.values(), default=0)


def in_words(expected: int, cap: int, minutes: int) -> str:
    """How a quote is said."""
    return f"{expected} credits, never above {cap}, about {minutes} minute{'' if minutes == 1 else 's'}"
