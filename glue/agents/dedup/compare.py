"""Two conversations: duplicate, near or different.

Aligned sentence by sentence, then word by word where sentences differ. What only one side has is fine if it is whole sentences
(it goes on, a message is missing, a signature); what both sides have in the same place must say the same. When in doubt,
different: nobody misses a merge that was not made.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import chain, pairwise

from glue.agents.dedup.canonical import Conversation, Token
from glue.agents.dedup.edits import compare_runs, harmless_inside, is_decisive, words_of

DUPLICATE, NEAR, DIFFERENT = "duplicate", "near", "different"
LEAST_SHARED = 10  # words two conversations must have in common before they can be near
LEAST_SHARE = 0.5  # of the shorter one
MOST_UNKNOWN = 1  # ordinary words replaced by others that are no known synonyms, and only beside corrected typing errors

Unit = tuple[Token, ...]


def compare(one: Conversation, other: Conversation) -> str:
    """The label of the pair; the order of the two does not matter."""
    for candidate in (other, other.backwards):
        if _flat(one.units) == _flat(candidate.units):
            return DUPLICATE
    return NEAR if _is_near(one, other.backwards if _runs_backwards(one, other) else other) else DIFFERENT


def _flat(units: Sequence[Unit]) -> list[Token]:
    return list(chain.from_iterable(units))


def _runs_backwards(one: Conversation, other: Conversation) -> bool:
    """Whether the sentences that both have come in opposite order: one was exported newest message first."""
    place = {unit: at for at, unit in enumerate(one.own_words)}
    common = [place[unit] for unit in other.own_words if unit in place]
    steps = [later - earlier for earlier, later in pairwise(common)]
    return sum(step < 0 for step in steps) > sum(step > 0 for step in steps)


def _is_near(one: Conversation, other: Conversation) -> bool:
    a, b = one.own_words, other.own_words
    shared, edits = 0, Counter[str]()
    removed, added = Counter[str](), Counter[str]()
    for left, right in _gaps(a, b):
        if right is None:
            shared += len(words_of([token.text for token in _flat(left)]))
            continue
        kind, common = _judge_gap(left, right, removed=removed, added=added)
        if kind == "changed":
            return False
        shared += common
        edits[kind] += 1
    if edits["unknown"] and (edits["unknown"] > MOST_UNKNOWN or not edits["typo"]):
        return False
    if removed and removed == added:
        return False  # the same words in another order
    smaller = min(len(words_of([token.text for token in _flat(units)])) for units in (a, b))
    return shared >= max(LEAST_SHARED, LEAST_SHARE * smaller) if smaller >= LEAST_SHARED else False


def _gaps(a: Sequence[Unit], b: Sequence[Unit]) -> Iterator[tuple[Sequence[Unit], Sequence[Unit] | None]]:
    """Equal sentences as ``(sentences, None)``, places where the two differ as the sentences of each."""
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            yield a[a1:a2], None
        else:
            yield a[a1:a2], b[b1:b2]


def _judge_gap(left: Sequence[Unit], right: Sequence[Unit], *, removed: Counter[str], added: Counter[str]) -> tuple[str, int]:
    """What became of the sentences in one place: the worst kind of edit, and how many words they still share."""
    one, other = _flat(left), _flat(right)
    if not one or not other:
        return "more", 0
    worst, shared, boundaries = "same", 0, (_starts(left), _starts(right))
    for tag, a1, a2, b1, b2 in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        texts = [token.text for token in one[a1:a2]], [token.text for token in other[b1:b2]]
        if tag == "equal":
            shared += len(words_of(texts[0]))
            continue
        kind = _judge_run(
            texts, whole=(_is_whole(a1, a2, len(one), boundaries[0]), _is_whole(b1, b2, len(other), boundaries[1])), both=tag == "replace"
        )
        if kind == "changed":
            return kind, 0
        if kind != "more":
            removed.update(word.lower() for word in words_of(texts[0]))
            added.update(word.lower() for word in words_of(texts[1]))
        worst = max(worst, kind, key=_ORDER.index)
    if not shared:
        return "changed", 0
    return worst, shared


_ORDER = ("same", "more", "masked", "synonym", "typo", "unknown")


def _judge_run(texts: tuple[list[str], list[str]], *, whole: tuple[bool, bool], both: bool) -> str:
    if both:
        return compare_runs(*texts)
    alone, side_is_whole = (texts[0], whole[0]) if texts[0] else (texts[1], whole[1])
    if not words_of(alone):
        return "same"
    if side_is_whole:
        return "more"
    return "synonym" if harmless_inside(alone) and not any(is_decisive(word) for word in words_of(alone)) else "changed"


def _starts(units: Sequence[Unit]) -> set[int]:
    places, at = {0}, 0
    for unit in units:
        at += len(unit)
        places.add(at)
    return places


def _is_whole(start: int, end: int, length: int, boundaries: set[int]) -> bool:
    return start in boundaries and end in boundaries and (start, end) != (0, length)
