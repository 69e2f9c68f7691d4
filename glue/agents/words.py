"""Words of a text in five languages: folded for comparing, with their place in the original."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

# An elided article or pronoun ("l'", "qu'") is a word of its own; "don't" and "I'm" stay whole.
_WORD = re.compile(r"\d+(?:[.,]\d{3})+(?!\d)|\d+|\b(?:[cdjlmnst]|qu)(?=['’])|[^\W\d_]+(?:['’](?:t|s|re|ve|ll|d|m)\b)?", re.IGNORECASE)


class Word(NamedTuple):
    """``text`` is folded (lower case, no accents); ``start`` and ``end`` count characters of the original."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=1 << 16)
def fold(text: str) -> str:
    """Lower case without accents, compatibility forms resolved; the length may change."""
    decomposed = unicodedata.normalize("NFKD", text.replace("’", "'").replace("ß", "ss"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).lower()


def split_words(text: str, *, offset: int = 0) -> list[Word]:
    """The words of ``text`` in order, places counted from ``offset``."""
    return [Word(fold(match.group()), match.start() + offset, match.end() + offset) for match in _WORD.finditer(text)]


def word_set(words: str) -> frozenset[str]:
    """The words of one line as a set: the way all word lists here are written."""
    return frozenset(words.split())
