"""Composes training requests from the written ones: context, refusals, finished work and extras around an ask; and a small grammar.

What is composed teaches the classifier to look past everything that is not the ask. Deterministic: the same seed, the same requests.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRAINING = Path(__file__).parents[1] / "glue/agents/understanding/training"


@dataclass(frozen=True)
class Request:
    """One labelled request; ``weight`` says how much it counts in training."""

    text: str
    task_type: str
    complexity: str
    expects_support: tuple[str, ...] = ()
    language: str = "en"
    weight: float = 1.0


@dataclass
class Parts:
    """Sentences to put around an ask, by kind and language."""

    rows: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def pick(self, kind: str, request: Request, rng: random.Random) -> dict[str, Any] | None:
        """A sentence of ``kind`` that does not name the type asked for."""
        rows = self.rows.get((kind, request.language), [])
        fitting = [row for row in rows if request.task_type not in row["names"]]
        return rng.choice(fitting) if fitting else None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_requests(path: Path) -> list[Request]:
    """Labelled requests as they stand in ``path``."""
    return [
        Request(row["text"], row["task_type"], row["complexity"], tuple(row["expects_support"]), row.get("language", "en"))
        for row in read_lines(path)
    ]


def read_parts() -> Parts:
    """The sentences of ``parts.jsonl``."""
    parts = Parts()
    for row in read_lines(TRAINING / "parts.jsonl"):
        parts.rows.setdefault((row["kind"], row["language"]), []).append(row)
    return parts


PLANS = (
    ((), ("tail",)), (("role",), ()), (("done",), ()), ((), ("no",)), ((), ("extra",)), (("role", "done"), ()), (("no",), ("tail",)),
    (("role",), ("extra",)), (("done",), ("no",)), (("role", "no"), ("extra",)), ((), ("done", "tail")),
)  # fmt: skip


def surround(request: Request, *, parts: Parts, rng: random.Random, copies: int, weight: float) -> Iterator[Request]:
    """``copies`` of ``request`` with other sentences before and after it; an extra adds to the expected support."""
    for _ in range(copies):
        before, after = rng.choice(PLANS)
        support = list(request.expects_support)
        pieces: list[list[str]] = [[], []]
        for side, kinds in enumerate((before, after)):
            for kind in kinds:
                row = parts.pick(kind, request, rng)
                if row is None or (kind == "extra" and support):
                    continue
                pieces[side].append(row["text"])
                if kind == "extra":
                    support += row["names"]
        text = " ".join([*pieces[0], request.text, *pieces[1]])
        if text != request.text:
            yield Request(text, request.task_type, request.complexity, tuple(support), request.language, weight)


def misspell(request: Request, rng: random.Random, weight: float) -> Request:
    """The request with one or two letters swapped or lost in its longer words."""
    words = request.text.split(" ")
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(words))
        word = words[at]
        if len(word) > 4 and word.isalpha():
            cut = rng.randrange(1, len(word) - 2)
            words[at] = rng.choice((word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :], word[:cut] + word[cut + 1 :]))
    return Request(" ".join(words).lower(), request.task_type, request.complexity, request.expects_support, request.language, weight)


def from_grammar(rng: random.Random, *, english: int, other: int, weight: float) -> Iterator[Request]:
    """Requests composed of verb, artefact and scope: ``english`` (or ``other``) for each task type and complexity."""
    grammar = json.loads((TRAINING / "grammar.json").read_text(encoding="utf-8"))
    for language, rules in grammar.items():
        for task_type, asks in rules["asks"].items():
            for complexity, scopes in rules["scopes"].items():
                for _ in range(english if language == "en" else other):
                    ask = _fill(rng.choice(asks), rules, scope=rng.choice(scopes), rng=rng).rstrip()
                    text = " ".join(rng.choice(rules["frames"]).format(x=ask, v=ask).split()).replace(" .", ".").replace(" ,", ",")
                    yield Request(text[0].upper() + text[1:], task_type, complexity, (), language, weight)


def short_ones(rng: random.Random, *, copies: int, weight: float) -> Iterator[Request]:
    """Requests of a few words ("Check two quizzes."), ``copies`` of each pattern."""
    grammar = json.loads((TRAINING / "grammar.json").read_text(encoding="utf-8"))
    for language, rules in grammar.items():
        for task_type, complexity, pattern in rules.get("short", []):
            for _ in range(copies):
                yield Request(_fill(pattern, rules, scope="", rng=rng), task_type, complexity, (), language, weight)


def _fill(ask: str, rules: dict[str, Any], *, scope: str, rng: random.Random) -> str:
    numbers = {
        "n": str(rng.randint(1, 12)),
        "big": str(rng.randint(10, 30)),
        "huge": str(rng.choice((60, 120, 300, 900, 2500))),
    }
    lists = {name: rng.choice(words) for name, words in rules["lists"].items()}
    topic = rng.choice(rules["topics"])
    text = ask.format(s=scope, t="{t}", **{k: v for k, v in lists.items() if "{" + k + "}" in ask})
    return text.format(t=topic, **numbers)


def compose(seed: int = 7, *, around: int = 6, english: int = 50, other: int = 14) -> list[Request]:
    """All training requests: the written ones, variations of them, and those of the grammar."""
    rng = random.Random(seed)
    parts = read_parts()
    written = read_requests(TRAINING / "requests.jsonl")
    composed = [*from_grammar(rng, english=english, other=other, weight=0.3), *short_ones(rng, copies=30, weight=0.3)]
    return vary(written, parts=parts, rng=rng, around=around) + composed


def vary(written: list[Request], *, parts: Parts, rng: random.Random, around: int) -> list[Request]:
    """The written requests with weight 1 and their variations with less."""
    out = []
    for request in written:
        out.append(request)
        out.extend(surround(request, parts=parts, rng=rng, copies=around, weight=0.4))
        out.append(misspell(request, rng, 0.4))
    return out
