"""What the classifier sees of a request: words by the part their clause plays, openings of sentences, pieces of words, sizes."""

import json
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files

from glue.agents.understanding.clauses import Clause, split_clauses
from glue.agents.understanding.quantities import find_quantities, noun_kind, number_of, size_of
from glue.agents.words import fold, word_set

DULL = word_set(
    "a an the of to for in on and or is are be it its i we my our your you me us that this these those with at by as so if from please und der die das "
    "den dem des ein eine einen fur zu mit von im am ist le la les un une des du de d l et en a au aux pour dans que qui el los las un una del al por para "
    "con y o os as um uma do da dos das no na nos nas ao"
)


def extract_features(text: str) -> list[str]:
    """Feature names of ``text``, some of them more than once."""
    return features_of(split_clauses(text))


def features_of(clauses: list[Clause]) -> list[str]:
    """Feature names of a text that has been cut into ``clauses``."""
    return list(_features(clauses)) if clauses else []


def _features(clauses: list[Clause]) -> Iterator[str]:
    main = [clause for clause in clauses if clause.role == "ask"] or clauses
    for clause in clauses:
        yield from _clause_features(clause, leading=clause is main[0], last=clause is main[-1])
    yield from _cue_features(clauses, main[0])
    flat = [word for clause in clauses for word in clause.words]
    roles = [clause.role for clause in clauses for _ in clause.words]
    for quantity in find_quantities(flat):
        size = size_of(quantity.value)
        yield f"n|{size}|{quantity.kind}|{int(quantity.numbered)}"
        yield f"n|{size}"
        yield f"n|{roles[quantity.place]}|{size}|{quantity.kind}"
        if quantity.kind:
            yield f"n|{quantity.kind}"
    yield f"len|{min(len(flat) // 12, 6)}"


def _clause_features(clause: Clause, *, leading: bool, last: bool) -> Iterator[str]:
    role = clause.role
    topics = clause.topic_words
    texts = ["#" if number_of(word.text) is not None else word.text for word in clause.words]
    if clause.question and clause.opens:
        yield "question"
        yield f"q|{texts[0]}"
    if clause.opens and role in ("ask", "besides"):
        yield f"open|{texts[0]}"
        yield f"open|{_stem(texts[0])}|{role}"
        yield f"open2|{' '.join(texts[:2])}"
        if leading:
            yield f"first|{_stem(texts[0])}"
    for index, word in enumerate(texts):
        stem = _stem(word)
        part = "topic" if index in topics else role
        yield f"w|{word}"
        yield f"{part}|{stem}"
        if part == "ask" and word not in DULL:
            if leading:
                yield f"lead|{stem}"
            if last:
                yield f"end|{stem}"
        kind = noun_kind(word)
        if kind and index and texts[index - 1] in _WHOLE:
            yield f"whole|{kind}"
        if index + 1 < len(texts):
            yield f"2|{part if part == 'topic' else ''}|{word} {texts[index + 1]}"
        if index + 2 < len(texts) and word not in DULL and role == "ask":
            yield f"3|{stem} {_stem(texts[index + 2])}"
        if len(word) > 4 and part in ("ask", "besides"):
            padded = f"<{word}>"
            for size in (4, 5):
                for at in range(len(padded) - size + 1):
                    yield f"c|{padded[at : at + size]}"


@lru_cache(maxsize=1)
def _cues() -> tuple[dict[str, tuple[str, ...]], list[tuple[str, str]]]:
    """Words and beginnings of words that tell verbs of making, checking, planning … and what they are done to."""
    table: dict[str, list[str]] = json.loads(files("glue.agents.understanding").joinpath("cues.json").read_text(encoding="utf-8"))
    exact: dict[str, tuple[str, ...]] = {}
    beginnings = []
    for name, words in table.items():
        for word in words:
            if word.endswith("*"):
                beginnings.append((fold(word[:-1]), name))
            else:
                exact[fold(word)] = (*exact.get(fold(word), ()), name)
    return exact, beginnings


@lru_cache(maxsize=1 << 13)
def cues_of(word: str) -> tuple[str, ...]:
    """Kinds of work (``v_…``) and of things (``n_…``) that a folded word can name."""
    exact, beginnings = _cues()
    return tuple(dict.fromkeys([*exact.get(word, ()), *(name for beginning, name in beginnings if word.startswith(beginning))]))


def _cue_features(clauses: list[Clause], leading: Clause) -> Iterator[str]:
    """What is done to what: kinds of verbs and things per role, and which of them meet in one clause."""
    for clause in clauses:
        topics = clause.topic_words
        named = [(cues_of(word.text), index in topics) for index, word in enumerate(clause.words)]
        verbs = [cue for cues, about in named if not about for cue in cues if cue.startswith("v_")]
        things = {cue for cues, about in named if not about for cue in cues if cue.startswith("n_")}
        for cue in {*verbs, *things}:
            yield f"k|{clause.role}|{cue}"
            if clause is leading:
                yield f"k1|{cue}"
        first = next((cues for cues, about in named if not about and any(cue.startswith("v_") for cue in cues)), ())
        for verb in (cue for cue in first if cue.startswith("v_")):
            yield f"kv|{clause.role}|{verb}"
            for thing in things:
                yield f"kvn|{clause.role}|{verb}|{thing}"
        if not first:
            for thing in things:
                yield f"k0|{clause.role}|{thing}"


_WHOLE = word_set(
    "all every each whole entire complete full alle aller allen jede jeder jedes gesamte gesamten ganze ganzen samtliche tous toutes tout toute ensemble "
    "entier complet todo toda todos todas completo completa"
)


def _stem(word: str) -> str:
    """The beginning of a word, without the commonest plural and verb endings."""
    for ending in ("ing", "ies", "es", "s", "ed"):
        if len(word) - len(ending) >= 4 and word.endswith(ending):
            word = word[: -len(ending)]
            break
    return word[:7]
