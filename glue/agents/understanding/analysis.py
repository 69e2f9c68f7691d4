"""From the text of a request to what it asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from glue.agents.linear import LinearModel, load_model
from glue.agents.understanding.clauses import Clause, split_clauses
from glue.agents.understanding.details import Details, find_details
from glue.agents.understanding.features import DULL, cues_of, extract_features
from glue.agents.understanding.supports import find_supports
from glue.agents.words import word_set


class TaskType(StrEnum):
    """What the requester wants done."""

    CONTENT_GENERATION = "content_generation"
    ASSESSMENT_CREATION = "assessment_creation"
    CURRICULUM_PLANNING = "curriculum_planning"
    QUALITY_ASSURANCE = "quality_assurance"
    PROJECT_MANAGEMENT = "project_management"
    RESEARCH_ANALYSIS = "research_analysis"
    NOTEBOOKLM_OPTIMIZATION = "notebooklm_optimization"


class Complexity(StrEnum):
    """The scope of the work asked for."""

    SIMPLE = "simple"
    MODERATE = "moderate"
    COMPLEX = "complex"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True)
class Evidence:
    """A word of the text that spoke for the decision; ``start`` and ``end`` count characters."""

    word: str
    start: int
    end: int
    speaks_for: str
    strength: float


@dataclass(frozen=True)
class Analysis:
    """What a request asks for.

    ``supports`` are task types clearly asked for besides the main one. ``confidence`` (0 to 1) is the smaller of the two
    decisions'; when it is low, ``question`` is the one thing to ask back.
    """

    task_type: TaskType
    complexity: Complexity
    supports: tuple[TaskType, ...]
    details: Details
    confidence: float
    evidence: tuple[Evidence, ...]
    question: str | None


UNSURE = 0.6  # below this confidence the requester is asked


def analyse(text: str, requirements: Sequence[str] | None = None) -> Analysis:
    """What ``text`` asks for; ``requirements`` are further sentences that count as part of it.

    Works offline and always answers the same for the same words. A text without words is a simple piece of content with
    confidence 0.
    """
    whole = "\n".join([text, *(requirements or ())])
    clauses = split_clauses(whole)
    details = find_details(whole, clauses)
    if not clauses:
        return Analysis(TaskType.CONTENT_GENERATION, Complexity.SIMPLE, (), details, 0.0, (), "What would you like to have done?")
    model = load_model("glue.agents.understanding")
    features = extract_features(whole)
    types = model.probabilities("task_type", features)
    sizes = model.probabilities("complexity", features)
    task_type, complexity = (max(odds, key=lambda label: odds[label]) for odds in (types, sizes))
    supports = tuple(TaskType(name) for name in find_supports(model, clauses, features=features, main=task_type))
    if _is_vague(clauses):
        types = {label: odds / 2 for label, odds in types.items()}
    confidence = round(min(types[task_type], sizes[complexity]), 3)
    return Analysis(
        TaskType(task_type), Complexity(complexity), supports, details, confidence,
        tuple(_evidence(whole, model, clauses, task_type, complexity)), _question(types, sizes),
    )  # fmt: skip


_VAGUE = word_set("thing things stuff something anything whatever sachen zeug etwas irgendwas cosas algo trucs choses chose coisas coisa")


def _is_vague(clauses: list[Clause]) -> bool:
    """Whether a text of a few words names neither work nor a thing to work on."""
    words = [word.text for clause in clauses for word in clause.words]
    return len(words) <= 6 and (not _VAGUE.isdisjoint(words) or not any(cues_of(word) for word in words))


def _evidence(text: str, model: LinearModel, clauses: list[Clause], task_type: str, complexity: str) -> list[Evidence]:
    """The three telling words with the most weight for each of the two decisions, in the order of the text."""
    places = {word.text: word for clause in reversed(clauses) for word in clause.words}
    found: dict[str, Evidence] = {}
    for head, label in (("task_type", task_type), ("complexity", complexity)):
        spoken = model.explain(head, label, [f"w|{word}" for word in places if word not in DULL])
        for feature, strength in spoken[:3]:
            word = places[feature[2:]]
            if strength > getattr(found.get(word.text), "strength", 0.05):
                found[word.text] = Evidence(text[word.start : word.end], word.start, word.end, label, round(strength, 2))
    return sorted(found.values(), key=lambda evidence: evidence.start)


_WANTED = {
    "content_generation": "new learning material",
    "assessment_creation": "a quiz, test or rubric",
    "curriculum_planning": "a plan of what is taught in which order",
    "quality_assurance": "a check of something that exists",
    "project_management": "somebody to organize people and dates",
    "research_analysis": "a study or comparison",
    "notebooklm_optimization": "existing files made ready for an AI notebook",
}
_SIZES = {
    "simple": "one small piece",
    "moderate": "a few pieces",
    "complex": "a whole course or many connected parts",
    "enterprise": "everything in the organization",
}


def _question(types: dict[str, float], sizes: dict[str, float]) -> str | None:
    for odds, names in ((types, _WANTED), (sizes, _SIZES)):
        first, second = sorted(odds, key=lambda label: -odds[label])[:2]
        if odds[first] < UNSURE:
            return f"Do you want {names[first]}, or {names[second]}?"
    return None
