"""Fills the written router sentences with made-up names and derives the list of known words from all training sentences."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glue.agents.router import DESTRUCTIVE, NONE
from glue.agents.router.commands import READ_ONLY
from glue.agents.understanding.clauses import split_clauses
from glue.agents.understanding.details import find_details
from glue.agents.words import fold

AGENTS = Path(__file__).parents[1] / "glue/agents"
FRAMES: dict[str, dict[str, list[str]]] = json.loads((AGENTS / "router/training/frames.json").read_text(encoding="utf-8"))
TENANTS = (
    "Ashgrove Belmont Calder Dovecote Elmhurst Farrow Glenside Hawthorn Inverley Jarrow Kingsmead Lowther Meriden Northgate Oakhurst Parnell Quayside Rutland "
    "Silverton Thornbury Ulmer Verdant Westbrook Yarrow Zellweg Bergmann Castelo Duarte Escobar Fournier Gautier Herrera Lindqvist Montero Nogueira"
).split()
MACHINES = "lynx-4 mbp-anna thinkpad-07 ws-112 falcon-3 desk-19 pc-0815 gull-2 build-box-1 wren-6".split()
EMAILS = "jo@ashgrove.example m.reyes@belmont.example lena.fuchs@calder.example p.dumont@fournier.example ops@quayside.example".split()
PLANS = "Team Solo Business Enterprise Pro Starter Growth".split()
VALUES = {
    "T": TENANTS, "M": MACHINES, "E": EMAILS, "P": PLANS,
    "L": ["LIC-1A2B", "LIC-77F0", "LIC-E51C", "LIC-0042"], "R": ["run_007", "run_311", "run_58", "run_902"], "K": ["T-7", "T-105", "T-42"],
    "D": ["dlv_0007", "dlv_4411", "dlv_208"], "F": ["plan-0311.json", "plan-0820.json", "plan-12.json"],
    "B": ["backup-2026-01-15.tar", "backup-2026-08-30.tar.gz", "backup-2025-12-31.tar"],
    "1": ["3 March 2026", "2026-05-04", "April 9, 2026"], "2": ["17 March 2026", "2026-05-20", "April 30, 2026"], "mo": ["May 2026", "January 2026"],
    "1fr": ["4 mars 2026"], "1es": ["2 de mayo de 2026"], "1pt": ["5 de junho de 2026"],
}  # fmt: skip


@dataclass(frozen=True)
class Sentence:
    """One labelled sentence with its weight in training."""

    text: str
    command: str
    weight: float


def read_templates() -> list[dict[str, str]]:
    """The written sentences, names still as slots."""
    lines = (AGENTS / "router/training/sentences.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def compose(seed: int = 11, *, rounds: int = 3) -> list[Sentence]:
    """Every written sentence with made-up names, ``rounds`` times over: as it is, politely framed, carelessly typed, and in ``frames.json``'s frames."""
    rng = random.Random(seed)
    rows = read_templates()
    return [
        Sentence(sentence.text, sentence.command, sentence.weight / rounds * (CAUTION if sentence.command == NONE else 1))
        for _ in range(rounds)
        for row in rows
        for sentence in (*vary(row["text"], row["command"], rng), *surround(row["text"], row["command"], rng))
    ]


CAUTION = 0.55  # the doubts are looked for apart from what is learned, so that fewer harmless wishes need be declined
POLITE = (
    "Please: {x}",
    "{x} Thanks!",
    "Hi, {x}",
    "{x} It's urgent.",
    "{x} Today, please.",
    "Good morning. {x}",
    "{x} They know about it.",
    "OK. {x}",
    "{x} Thank you.",
    "It's decided: {x}",
    "{x} Everybody has agreed.",
    "Hello, one thing for today. {x}",
    "{x} I have checked it twice.",
)


def vary(template: str, command: str, rng: random.Random) -> Iterator[Sentence]:
    """The sentence and two variations."""
    yield Sentence(_fill(template, rng), command, 1.0)
    yield Sentence(rng.choice(POLITE).format(x=_fill(template, rng)), command, 0.4)
    yield Sentence(_mistype(_fill(template, rng), rng), command, 0.4)


def surround(template: str, command: str, rng: random.Random) -> Iterator[Sentence]:
    """A destructive order made certain, and made a condition, a question, a report or a joke, which is not to be followed; a look with destruction ruled out."""
    order = template.rstrip(".! ")
    if re.search(r"[.!:;?] ", order) or order.startswith("{"):
        return
    language = find_details(order, split_clauses(order)).language
    kinds = (
        [("doubtful", NONE, 2), ("certain", command, 2)]
        if command in DESTRUCTIVE
        else [("harmless", command, 1)]
        if command in READ_ONLY
        else []
    )
    for kind, meant, copies in kinds:
        for frame in rng.sample(FRAMES[kind][language], copies):
            end = "" if order.endswith("?") else "."
            text = frame.format(x=_fill(order, rng) + end, y=order[0].lower() + _fill(order[1:], rng)).replace(".?", "?")
            yield Sentence(text, meant, 0.3)


def _fill(template: str, rng: random.Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda slot: rng.choice(VALUES[slot[1]]), template)


def _mistype(text: str, rng: random.Random) -> str:
    words = text.rstrip(".!").split(" ")
    at = rng.randrange(len(words))
    word = words[at]
    if len(word) > 4 and word.isalpha() and word.islower():
        cut = rng.randrange(1, len(word) - 2)
        words[at] = rng.choice((word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :], word[:cut] + word[cut + 1 :]))
    return " ".join(words)


def known_words() -> list[str]:
    """Folded words of all training sentences, the made-up names left out."""
    texts = [re.sub(r"\{\w+\}", " ", row["text"]) for row in read_templates()]
    for path in sorted((AGENTS / "understanding/training").glob("*.jsonl")):
        texts += [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted({word for text in texts for word in re.findall(r"[a-z']+", fold(text)) if len(word) > 1})


def write_known_words() -> None:
    """Writes ``known_words.txt``, which the router's argument finder reads."""
    (AGENTS / "router/known_words.txt").write_text("\n".join(known_words()) + "\n", encoding="utf-8")
