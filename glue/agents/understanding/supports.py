"""Task types that a request clearly asks for besides the main one."""

from collections.abc import Sequence

from glue.agents.linear import LinearModel
from glue.agents.understanding.clauses import Clause
from glue.agents.understanding.features import features_of
from glue.agents.words import word_set

_JOINING = word_set("and then plus with also including und mit samt dann y e et con avec com puis luego depois")
# The whole request must speak for an extra by LIKELY, or by POSSIBLE when a clause of it, read alone, is CLEAR about it.
LIKELY, POSSIBLE, CLEAR = 0.2, 0.04, 0.35


def find_supports(model: LinearModel, clauses: list[Clause], *, features: Sequence[str], main: str) -> list[str]:
    """Types other than ``main``, the likeliest first. Most requests have none, so the chances are small numbers."""
    asking = [clause for clause in clauses if clause.role in ("ask", "besides")]
    if len(asking) == 1 and _JOINING.isdisjoint(word.text for word in asking[0].words):
        return []  # one thing is asked for; what else is named is done, ruled out, or context
    chances = model.chances("supports", features)
    alone = dict.fromkeys(chances, 0.0)
    for clause in clauses[1:]:
        if clause.role in ("ask", "besides") and len(clause.words) > 3:
            odds = model.probabilities("task_type", features_of([clause]))
            best = max(odds, key=lambda label: odds[label])
            alone[best] = max(alone[best], odds[best])
    found = [label for label, chance in chances.items() if chance >= LIKELY or (chance >= POSSIBLE and alone[label] >= CLEAR)]
    return sorted((label for label in found if label != main), key=lambda label: -chances[label])
