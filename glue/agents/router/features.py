"""What the router's classifier sees: words around the named things, the things' kinds, and the reasons for doubt."""

from collections.abc import Iterator

from glue.agents.router.arguments import Named, find_named
from glue.agents.router.dates import mask_dates
from glue.agents.router.doubts import find_doubts
from glue.agents.understanding.clauses import split_clauses


def extract_features(text: str) -> list[str]:
    """Feature names of ``text``."""
    return list(features_of(text, named=find_named(text), doubts=find_doubts(text)))


def features_of(text: str, *, named: list[Named], doubts: set[str]) -> Iterator[str]:
    """The same, for a text whose named things and doubts have been found."""
    masked = text
    for thing in reversed(named):
        masked = f"{masked[: thing.start]} x{thing.kind} {masked[thing.end :]}"
    kinds = sorted({thing.kind for thing in named})
    yield "named|" + "+".join(kinds)
    for kind in kinds:
        yield f"named|{kind}"
    for doubt in sorted(doubts):
        yield f"doubt|{doubt}"
    if text.rstrip().endswith("?"):
        yield "question"
    clauses = split_clauses(mask_dates(masked, by="xdate"))
    flat = [word.text for clause in clauses for word in clause.words]
    yield f"len|{min(len(flat) // 3, 5)}"
    for number, clause in enumerate(clauses):
        texts = [word.text for word in clause.words]
        if clause.opens:
            yield f"open|{texts[0]}"
        if not number:
            yield f"first|{texts[0]}"
            yield f"first2|{' '.join(texts[:2])}"
        for word in texts:
            if clause.role == "ruled_out":
                yield f"not|{word[:6]}"
    for index, word in enumerate(flat):
        yield f"w|{word}"
        yield f"s|{word[:5]}"
        if index + 1 < len(flat):
            yield f"2|{word} {flat[index + 1]}"
        if index + 2 < len(flat):
            yield f"3|{word} {flat[index + 2]}"
        if len(word) > 3 and not word.startswith("x"):
            padded = f"<{word}>"
            for at in range(len(padded) - 3):
                yield f"c|{padded[at : at + 4]}"
