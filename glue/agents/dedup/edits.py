"""Whether two short runs of words say the same: typing errors, synonyms, masked names, spelling — or something else."""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

from glue.agents.words import fold

_MASK = re.compile(r"^(?:[\[<{]+[A-Za-z_ ]+\d*[\]>}]+|█+|\*{3,}|x{3,}|redacted)$", re.IGNORECASE)
_WORD = re.compile(r"\w")


@lru_cache(maxsize=1)
def _lists() -> tuple[frozenset[str], frozenset[str], tuple[frozenset[str], ...], frozenset[str]]:
    data = json.loads(files("glue.agents.dedup").joinpath("words.json").read_text(encoding="utf-8"))
    known = files("glue.agents.router").joinpath("known_words.txt").read_text(encoding="utf-8").split()
    groups = tuple(frozenset(group.split()) for group in data["synonyms"])
    return frozenset(data["decisive"].split()), frozenset(data["filler"].split()), groups, frozenset(known)


def words_of(run: Sequence[str]) -> list[str]:
    """The tokens that are words; marks between them do not count."""
    return [token for token in run if _WORD.search(token) or _MASK.match(token)]


def is_decisive(word: str) -> bool:
    """Numbers, names of things with digits, and words that turn a sentence around."""
    return any(letter.isdigit() for letter in word) or fold(word) in _lists()[0]


def harmless_inside(run: Sequence[str]) -> bool:
    """Whether ``run`` may stand inside a sentence of one side only."""
    return all(fold(word) in _lists()[1] or (not is_decisive(word) and word.islower()) for word in words_of(run))


def compare_runs(one: Sequence[str], other: Sequence[str]) -> str:
    """What the second run makes of the first: same, typo, synonym, masked, unknown (an ordinary word for another) or changed."""
    a, b = words_of(one), words_of(other)
    if [fold(word) for word in a] == [fold(word) for word in b] or _letters(a) == _letters(b):
        return "same"
    for masks, names in ((a, b), (b, a)):
        if masks and all(_MASK.match(word) for word in masks):
            return "masked" if names and len(names) <= 4 * len(masks) and not all(name.islower() for name in names) else "changed"
    a, b = [fold(word) if word[0].islower() else word for word in a], [fold(word) if word[0].islower() else word for word in b]
    if _all_in_one_group(a, b):
        return "synonym"
    if len(a) != len(b):
        rest_a, rest_b = ([word for word in run if fold(word) not in _lists()[1]] for run in (a, b))
        if len(rest_a) != len(rest_b) or (len(rest_a), len(rest_b)) == (len(a), len(b)):
            ordinary = max(len(a), len(b)) <= 2 and all(word.islower() and not is_decisive(word) for word in (*a, *b))
            return "unknown" if ordinary else "changed"
        return compare_runs(rest_a, rest_b)
    kinds = {_compare_words(x, y) for x, y in zip(a, b, strict=True)} - {"same"}
    for kind in ("changed", "unknown", "synonym", "masked"):
        if kind in kinds:
            return kind
    return "typo"


def _letters(run: Sequence[str]) -> str:
    return "".join(letter for word in run for letter in fold(word) if letter.isalnum())


def _all_in_one_group(a: Sequence[str], b: Sequence[str]) -> bool:
    """Word for word, or one phrase for another ("at once", "immediately"; in the list joined by "_")."""
    words = {fold(word) for word in (*a, *b)}
    phrases = {"_".join(fold(word) for word in run) for run in (a, b)}
    return any(words <= group or phrases <= group for group in _lists()[2])


def _compare_words(one: str, other: str) -> str:
    a, b = fold(one), fold(other)
    if a == b:
        return "same"
    if _MASK.match(one) or _MASK.match(other):
        return "masked"
    if any(letter.isdigit() for letter in a + b):
        return "changed"
    if _all_in_one_group([a], [b]):
        return "synonym"
    decisive, _, _, known = _lists()
    named = one[0].isupper() and other[0].isupper()
    if (
        _is_slip(a, b)
        and not {a, b} <= decisive
        and (_undoubled(a) == _undoubled(b) or not (a in known and b in known))
        and not (named and a[0] != b[0])
    ):
        return "typo"
    if a in decisive or b in decisive or one[0].isupper() or other[0].isupper():
        return "changed"
    return "typo" if _inflected(a, b) else "unknown"


def _inflected(a: str, b: str) -> bool:
    short, long = sorted((a, b), key=len)
    return len(short) > 3 and long in (short + "s", short + "es", short + "n", short + "en", short + "e")


def _is_slip(a: str, b: str) -> bool:
    """One letter more, less, other or swapped; two in long words."""
    short = min(len(a), len(b))
    return short >= 3 and _distance(a, b) <= (1 if short < 8 else 2)


def _undoubled(word: str) -> str:
    return re.sub(r"(.)\1", r"\1", word)


def _distance(a: str, b: str) -> int:
    """Edit distance with swaps of neighbors."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        following = [i]
        for j, y in enumerate(b, 1):
            best = min(row[j] + 1, following[-1] + 1, row[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                best = min(best, before[j - 2] + 1)
            following.append(best)
        before, row = row, following
    return row[-1]
