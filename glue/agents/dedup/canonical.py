"""A conversation without what an export adds or mangles: stamps, ids, marks, Unicode forms, white space, pieces."""

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

ROLES = {
    "human": "user",
    "customer": "user",
    "ai": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "developer": "system",
    "function": "tool",
}

_DAY = r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}\.? [A-Za-zé]{3,9}\.? \d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4})"
_TIME = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?(?: ?(?:Z|UTC|GMT|CET|CEST|[+-]\d\d:?\d\d))?"
_STAMP = rf"(?:{_DAY}(?:(?:,|T| at| um| à| a las| às)? ?{_TIME})?|{_TIME})"
_SAID = r"(?:sent|received|gesendet|empfangen|envoyé|enviado|am|on|at|le|el|em)"
_ID = r"(?:(?:msg|message|mid|m|id|evt|chat|ref)[ _:#-]{1,2}[\w-]*\d[\w-]*|#\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,32})"
# What a line of an export may start or end with. Each is taken off only if every message of the conversation has it.
_EDGES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^[\[(<{{]\s*{_STAMP}\s*[\])>}}]\s*[:|–—-]?\s*",
        rf"^{_STAMP}\s*[:|–—-]?\s+",
        rf"^[\[(<{{]\s*(?i:{_ID})\s*[\])>}}]\s*[:|–—-]?\s*",
        rf"^(?i:{_ID})\s*[:|–—-]?\s+",
        r"^(?i:user|assistant|system|tool|human|agent|customer|bot)\s*[:>]\s+",
        rf"\s*[\[(<{{–—-]*\s*(?i:{_SAID}:?\s+)*{_STAMP}\s*[\])>}}]?$",
        rf"\s*[\[(<{{]\s*(?i:{_ID})\s*[\])>}}]$",
        rf"\s+[–—-]\s*(?i:{_ID})$",
    )
)
_BRACKETED = frozenset((0, 2, 5, 6))  # clear enough for a conversation of a single message
_MARKS = re.compile(r"\*\*|__|</?(?:b|i|em|strong|p|div|span|br) ?/?>", re.IGNORECASE)
_QUOTES = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "‚": "'",
        "´": "'",
        "`": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "–": "-",
        "—": "-",
        "‑": "-",
        "‐": "-",
    }
)
TOKEN = re.compile(r"\[[A-Z][A-Z_ ]*\d*\]|<[A-Z][A-Z_ ]*\d*>|\{\{\w+\}\}|█+|\*{3,}|\w+(?:['.,:/_@-]\w+)*|[^\w\s]")


class Token(NamedTuple):
    """One word or mark; ``role`` is who said it, "quoted" inside a quotation of mail style."""

    role: str
    text: str


@dataclass(frozen=True)
class Conversation:
    """``units`` are sentences in order, each a tuple of tokens of one role; messages and pieces make no difference to them."""

    id: str
    units: tuple[tuple[Token, ...], ...]

    @cached_property
    def own_words(self) -> tuple[tuple[Token, ...], ...]:
        """The units without quotations of what the conversation itself has said before."""
        said: set[tuple[str, ...]] = set()
        kept = []
        for unit in self.units:
            texts = tuple(token.text for token in unit)
            if unit[0].role != "quoted" or texts not in said:
                said.add(texts)
                kept.append(unit)
        return tuple(kept)

    @cached_property
    def backwards(self) -> "Conversation":
        """The same as it would be, had it been exported newest message first."""
        turns: list[list[tuple[Token, ...]]] = []
        for unit in self.units:
            if turns and _speaker(turns[-1][0]) == _speaker(unit):
                turns[-1].append(unit)
            else:
                turns.append([unit])
        return Conversation(self.id, tuple(unit for turn in reversed(turns) for unit in turn))


def _speaker(unit: tuple[Token, ...]) -> str:
    return unit[0].role


def read_conversation(row: dict[str, Any]) -> Conversation:
    """The conversation of ``{id, messages: [{role, content}]}``.

    Raises:
        ValueError: when an id or message lacks what it needs.
    """
    messages = row.get("messages")
    if "id" not in row or not isinstance(messages, list):
        raise ValueError("a conversation needs an 'id' and a list of 'messages'")
    if not all(isinstance(message, dict) and isinstance(message.get("content"), str) for message in messages):
        raise ValueError("each message needs a 'role' and a 'content'")
    texts = _strip_edges([clean(message["content"]) for message in messages])
    units: list[tuple[Token, ...]] = []
    for message, text in zip(messages, texts, strict=True):
        role = str(message.get("role", "user")).lower()
        units.extend(_units(text, ROLES.get(role, role)))
    return Conversation(str(row["id"]), tuple(units))


def clean(text: str) -> str:
    """``text`` in one Unicode form, without entities, invisible characters and bold marks; lines kept."""
    text = unicodedata.normalize("NFKC", html.unescape(html.unescape(text)))
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    text = _MARKS.sub("", text.translate(_QUOTES).replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()


def _strip_edges(texts: list[str]) -> list[str]:
    """Without the stamps and ids that every message carries at the same edge; what only some carry has been said by somebody."""
    again = True
    while again:
        again = False
        for number, edge in enumerate(_EDGES):
            if len(texts) < 2 and number not in _BRACKETED:
                continue
            stripped = [edge.sub("", text, count=1).strip() for text in texts]
            if texts and all(short != text and short for short, text in zip(stripped, texts, strict=True)):
                texts, again = stripped, True
    return texts


_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[^\s])")


def _units(text: str, role: str) -> list[tuple[Token, ...]]:
    units = []
    for line in text.split("\n"):
        depth = re.match(r"(?:>\s*)*", line)
        quoted = depth is not None and bool(depth.group())
        plain = line[depth.end() :] if depth else line
        for sentence in _SENTENCE_END.split(plain):
            tokens = tuple(Token("quoted" if quoted else role, match.group()) for match in TOKEN.finditer(sentence))
            if tokens:
                units.append(tokens)
    return units
