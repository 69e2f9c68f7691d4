"""Task types that a request clearly asks for besides the main one."""

from itertools import groupby

from glue.agents.linear import LinearModel
from glue.agents.understanding.clauses import Clause
from glue.agents.understanding.features import features_of

CERTAIN = 0.5  # how sure the classifier must be of an extra


def find_supports(model: LinearModel, clauses: list[Clause], main: str) -> list[str]:
    """Types of the clauses that add something ("besides", "as well"), judged sentence by sentence without the rest."""
    found: dict[str, None] = {}
    extras = [clause for clause in clauses if clause.role == "besides"]
    for _, sentence in groupby(extras, key=lambda clause: clause.sentence):
        odds = model.probabilities("task_type", features_of(list(sentence)))
        best = max(odds, key=lambda label: odds[label])
        if best != main and odds[best] >= CERTAIN:
            found[best] = None
    return list(found)
