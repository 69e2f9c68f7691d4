"""Scores the three text engines of the dispatcher and writes docs/evaluation.md (``make eval``).

Two sets each: the shared development set (in ``$GLUE_SHARED``, by default ``../shared``; skipped when it is not there) and our own
held-out set under ``tests/agents``. Neither is used in training.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from glue.agents.dedup import find_related, read_conversation
from glue.agents.router import DESTRUCTIVE, NONE, route
from glue.agents.understanding import analyse

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("GLUE_SHARED", ROOT.parent / "shared"))
OWN = ROOT / "tests/agents"

Row = dict[str, Any]


def read(path: Path) -> list[Row]:
    """The rows of a JSON Lines file, none when it is missing."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()] if path.exists() else []


def f1(hits: int, said: int, gold: int) -> float:
    """The harmonic mean of precision and recall; 0 when nothing was said or wanted."""
    return 2 * hits / (said + gold) if said + gold else 0.0


def score(gold: Sequence[str], said: Sequence[str]) -> tuple[float, float]:
    """Accuracy, and the mean of each gold label's F1."""
    right = sum(g == s for g, s in zip(gold, said, strict=True))
    per_label = [
        f1(sum(g == s == label for g, s in zip(gold, said, strict=True)), sum(s == label for s in said), sum(g == label for g in gold))
        for label in sorted(set(gold))
    ]
    return right / len(gold), sum(per_label) / len(per_label)


def timed(answer: Callable[[str], Any], texts: Sequence[str]) -> tuple[list[Any], float]:
    """The answers and the milliseconds of processor time an item took, start-up left out."""
    answer("warm up")
    started = time.process_time()
    answers = [answer(text) for text in texts]
    return answers, (time.process_time() - started) * 1000 / len(texts)


def shared_pairs(gold: Sequence[dict[str, str]], said: Sequence[dict[str, str]]) -> float:
    """Micro-F1 of named arguments, case ignored."""
    wanted = [{(name, value.casefold()) for name, value in row.items()} for row in gold]
    found = [{(name, value.casefold()) for name, value in row.items()} for row in said]
    hits = sum(len(w & f) for w, f in zip(wanted, found, strict=True))
    return f1(hits, sum(map(len, found)), sum(map(len, wanted)))


def evaluate_requests(rows: list[Row]) -> list[str]:
    """Lines about task type, complexity and extras."""
    answers, milliseconds = timed(analyse, [row["text"] for row in rows])
    lines = []
    for field in ("task_type", "complexity"):
        accuracy, macro = score([row[field] for row in rows], [str(getattr(answer, field)) for answer in answers])
        lines.append(f"{field} | {accuracy:.3f} | {macro:.3f} | {milliseconds:.1f}")
    hits = sum(len(set(row["expects_support"]) & set(answer.supports)) for row, answer in zip(rows, answers, strict=True))
    support = f1(hits, sum(len(answer.supports) for answer in answers), sum(len(row["expects_support"]) for row in rows))
    return [*lines, f"expects_support (micro-F1) | – | {support:.3f} | "]


def evaluate_commands(rows: list[Row]) -> list[str]:
    """Lines about commands, harm and arguments."""
    answers, milliseconds = timed(route, [row["text"] for row in rows])
    accuracy, macro = score([row["command"] for row in rows], [answer.command for answer in answers])
    harm = sum(answer.command in DESTRUCTIVE and answer.command != row["command"] for row, answer in zip(rows, answers, strict=True))
    wanted = [(row, answer) for row, answer in zip(rows, answers, strict=True) if row["command"] != NONE]
    arguments = shared_pairs([row.get("args") or {} for row, _ in wanted], [answer.args for _, answer in wanted])
    return [f"command (harm: {harm}) | {accuracy:.3f} | {macro:.3f} | {milliseconds:.1f}", f"arguments (micro-F1) | – | {arguments:.3f} | "]


def evaluate_pairs(folder: Path) -> list[str]:
    """A line about duplicate, near and different."""
    conversations, pairs = read(folder / "conversations.jsonl"), read(folder / "pairs.jsonl")
    if not pairs:
        return []
    started = time.process_time()
    found = {frozenset((pair.a, pair.b)): pair.label for pair in find_related([read_conversation(row) for row in conversations])}
    milliseconds = (time.process_time() - started) * 1000 / len(conversations)
    gold = [pair["label"] for pair in pairs]
    said = [found.get(frozenset((pair["a"], pair["b"])), "different") for pair in pairs]
    accuracy, macro = score(gold, said)
    lost = sum(s == "duplicate" != g for g, s in zip(gold, said, strict=True))
    merged = sum(g == "different" != s for g, s in zip(gold, said, strict=True))
    return [f"pairs (content lost: {lost}, false merges: {merged}) | {accuracy:.3f} | {macro:.3f} | {milliseconds:.1f}"]


def main() -> None:
    """Prints the table and writes it to docs/evaluation.md."""
    sets = {
        "shared development set": (SHARED / "dispatch/dev.jsonl", SHARED / "router/dev.jsonl", SHARED / "dedup"),
        "own held-out set": (OWN / "understanding/held_out.jsonl", OWN / "router/held_out.jsonl", OWN / "dedup"),
        "other voices": (OWN / "understanding/voices.jsonl", OWN / "router/voices.jsonl", OWN / "none"),
        "last set": (OWN / "understanding/last_look.jsonl", OWN / "router/last_look.jsonl", OWN / "none"),
    }
    table = ["| set | items | what | accuracy | macro-F1 | ms an item |", "| --- | --- | --- | --- | --- | --- |"]
    for name, (requests, commands, conversations) in sets.items():
        for rows, lines in (
            (read(requests), evaluate_requests),
            (read(commands), evaluate_commands),
        ):
            table += [f"| {name} | {len(rows)} | {line} |" for line in (lines(rows) if rows else [])]
        table += [f"| {name} | {len(read(conversations / 'pairs.jsonl'))} | {line} |" for line in evaluate_pairs(conversations)]
    text = INTRODUCTION + "\n".join(table) + "\n"
    (ROOT / "docs/evaluation.md").write_text(text, encoding="utf-8")
    sys.stdout.write("\n".join(table) + "\n")


INTRODUCTION = """# How well the dispatcher understands

Written by `make eval`. Everything here runs offline, without a language model; time is processor time on the machine that ran it.

*Requests*: one of seven task types and one of four complexities, in five languages. *Commands*: one of 40 commands or none; **harm**
counts destructive commands said where they were not asked for. *Pairs*: duplicate, near or different; **content lost** counts pairs
called duplicate that are not, **false merges** different ones called anything else.

The classifiers are linear models over words, pieces of words, clauses and their roles, and sizes. They learn from the sentences under
`glue/agents/*/training` only (`uv run --group train python scripts/train_understanding.py`). Neither set below is used for that,
but mistakes on our own held-out set and on the *other voices* (a busy teacher, a corporate buyer, an engineer, non-native speakers, chatty
and terse ones, five languages) have led to more training sentences, so those numbers flatter. The *last set* was written after the
last training sentence for commands and before the last forty short ones for requests; it was measured once, and no weight was learned after that.
Sets and sentences have one author, so strangers' words may score lower.

First looks, each measured once before anything was learned from the set:

| set | task type | complexity | commands | harm |
| --- | --- | --- | --- | --- |
| earlier sets | 0.76 to 0.87 | 0.94 to 0.98 | 0.85 to 0.92 | 0 to 2 in 200 |
| other voices, first part (89 requests, 105 commands) | 0.933 | 0.933 | 0.943 | 0 |
| other voices, second part (80, 105) | 0.875 | 0.950 | 0.895 | 4 |
| other voices, third part (80, 105) | (0.912) | (0.912) | 0.962 | 1 |
| **last set** (61, 90) | 0.984 | 0.967 | 0.989 | 0 |

Some requests of the third part were known to the writer of the training sentences, so its two numbers for requests are no true first look.
Of 750 destructive orders in frames of doubt ("if they agree, …", "should we …?") the engine of before followed 208; now none are followed
(learned from), and 181 of 190 plain orders are heard (before: 152). In twenty frames never looked at before, 29 of 260 were followed
(before: 93; the reasons found there are heard since): whoever lets the router act must ask before anything destructive.

"""

if __name__ == "__main__":
    main()
