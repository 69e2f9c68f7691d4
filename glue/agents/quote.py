"""Prices of routes: by the registry's estimates at first, by measured history as soon as there is enough of it. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from glue.agents.planning import Route, Step
from glue.errors import LimitReached

ENOUGH = 8  # measured steps of a kind, from which on they count instead of the registry
COVERED = 0.97  # share of steps that should end within their ceiling: of runs, whose steps balance each other, nine in ten then do
# (agent, size), (agent, "") for all its sizes, ("", "") for everybody → what steps cost, as multiples of the registry's estimate.
Measured = Mapping[tuple[str, str], Sequence[Fraction]]


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
        kinds = ((step.agent, step.size.value), (step.agent, ""), ("", ""))
        known = next((sorted(measured[kind]) for kind in kinds if len(measured.get(kind, ())) >= ENOUGH), None)
        steps.append(step if known is None else _scaled(step, known))
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


def _scaled(step: Step, known: Sequence[Fraction]) -> Step:
    expected, ceiling = (math.ceil(step.expected * quantile(known, share)) for share in (0.5, COVERED))
    return replace(step, expected=expected, ceiling=ceiling)


def quantile(costs: Sequence[Fraction], share: float) -> Fraction:
    """The smallest measured cost that a next one stays within with at least this chance (conformal: small samples look higher).

    Above what the sample can promise, a tenth more than the largest.
    """
    place = math.ceil((len(costs) + 1) * share)
    return costs[place - 1] if place <= len(costs) else costs[-1] * Fraction(11, 10)


def _longest(route: Route) -> int:
    ends: dict[str, int] = {}
    for step in route.steps:
        ends[step.name] = step.minutes + max((ends[name] for name in step.depends_on), default=0)
    return max(ends.values(), default=0)


def in_words(expected: int, cap: int, minutes: int) -> str:
    """How a quote is said."""
    return f"{expected} credits, never above {cap}, about {minutes} minute{'' if minutes == 1 else 's'}"
