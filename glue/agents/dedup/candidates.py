"""Which conversations are worth comparing: those that share rare runs of words. No look at all pairs."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from glue.agents.dedup.canonical import Conversation
from glue.agents.dedup.compare import DIFFERENT, DUPLICATE, compare
from glue.agents.words import fold

RUN = 3  # words in a run
KEEP_ONE_IN = 4  # of a long conversation's runs, by their hash: the same ones in every conversation
TOO_COMMON = 150  # conversations that share a run before it says nothing
LEAST_SHARE = 0.2  # of the shorter one's runs that must be shared


class Pair(NamedTuple):
    """Two related conversations; ``label`` is duplicate or near."""

    a: str
    b: str
    label: str


def find_related(conversations: Sequence[Conversation]) -> Iterator[Pair]:
    """All pairs that are duplicate or near, in the order of the conversations; everything else is different."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, conversation in enumerate(conversations):
        groups[_signature(conversation)].append(number)
    for members in groups.values():
        for at, first in enumerate(members):
            for second in members[at + 1 :]:
                yield Pair(conversations[first].id, conversations[second].id, DUPLICATE)
    leaders = [members[0] for members in groups.values()]
    members_of = {members[0]: members for members in groups.values()}
    for first, second in _candidates([conversations[leader] for leader in leaders]):
        label = compare(conversations[leaders[first]], conversations[leaders[second]])
        if label != DIFFERENT:
            for one in members_of[leaders[first]]:
                for other in members_of[leaders[second]]:
                    yield Pair(conversations[one].id, conversations[other].id, label)


def _signature(conversation: Conversation) -> tuple[object, ...]:
    """Equal for duplicates, whichever way they were exported."""
    forward, backward = (tuple(token for unit in units for token in unit) for units in (conversation.units, conversation.backwards.units))
    return min(forward, backward)


def _candidates(conversations: Sequence[Conversation]) -> Iterator[tuple[int, int]]:
    runs = [_runs(conversation) for conversation in conversations]
    places: dict[int, list[int]] = defaultdict(list)
    for number, own in enumerate(runs):
        for run in own:
            places[run].append(number)
    for second, own in enumerate(runs):
        shared: Counter[int] = Counter()
        rare = [places[run] for run in own if len(places[run]) <= TOO_COMMON]
        for numbers in rare:
            shared.update(number for number in numbers if number < second)
        for first in sorted(shared):
            if shared[first] >= LEAST_SHARE * min(len(rare), len(runs[first])):
                yield first, second


def _runs(conversation: Conversation) -> set[int]:
    words = [fold(token.text) for unit in conversation.units for token in unit if token.text[0].isalnum()]
    hashes = {zlib.crc32(" ".join(words[at : at + RUN]).encode()) for at in range(max(1, len(words) - RUN + 1))}
    kept = {number for number in hashes if number % KEEP_ONE_IN == 0} if len(hashes) > 200 else hashes
    return kept or hashes
