"""Task types that a request clearly asks for besides the main one."""

from collections.abc import Sequence
from itertools import groupby

from glue.agents.linear import LinearModel
from glue.agents.understanding.clauses import Clause
from glue.agents.understanding.features import features_of

CERTAIN = 0.5  # how sure the classifier must be, of the request as a whole or of the sentence that adds something


def find_supports(model: LinearModel, clauses: list[Clause], *, features: Sequence[str], main: str) -> list[str]:
    """Types other than ``main``: those the whole request speaks for, and those of sentences that add ("besides", "as well")."""
    found = {label: chance for label, chance in model.chances("supports", features).items() if chance >= CERTAIN}
    extras = [clause for clause in clauses if clause.role == "besides"]
    for _, sentence in groupby(extras, key=lambda clause: clause.sentence):
        odds = model.probabilities("task_type", features_of(list(sentence)))
        best = max(odds, key=lambda label: odds[label])
        if odds[best] >= CERTAIN and not found:
            found[best] = odds[best]
    return sorted((label for label in found if label != main), key=lambda label: -found[label])
