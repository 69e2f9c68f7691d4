"""Task types that a request clearly asks for besides the main one."""

from collections.abc import Sequence

from glue.agents.linear import LinearModel
from glue.agents.understanding.clauses import Clause
from glue.agents.understanding.features import features_of

# The whole request must speak for an extra by LIKELY, or by POSSIBLE when a clause of it, read alone, is CLEAR about it.
LIKELY, POSSIBLE, CLEAR = 0.2, 0.04, 0.35


def find_supports(model: LinearModel, clauses: list[Clause], *, features: Sequence[str], main: str) -> list[str]:
    """Types other than ``main``, the likeliest first. Most requests have none, so the chances are small numbers."""
    chances = model.chances("supports", features)
    alone = dict.fromkeys(chances, 0.0)
    for clause in clauses[1:]:
        if clause.role in ("ask", "besides") and len(clause.words) > 3:
            odds = model.probabilities("task_type", features_of([clause]))
            best = max(odds, key=lambda label: odds[label])
            alone[best] = max(alone[best], odds[best])
    found = [label for label, chance in chances.items() if chance >= LIKELY or (chance >= POSSIBLE and alone[label] >= CLEAR)]
    return sorted((label for label in found if label != main), key=lambda label: -chances[label])
