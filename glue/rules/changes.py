"""Changes that convergence wants, each of one declared field in normal form, and the rules that hold for all of them.

Normal form is plain JSON: instants as ISO text in whole seconds, sets as sorted lists, absent as None.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Plain = Any


def value_in_words(value: Plain) -> str:
    """A value as a person reads it: yes and no, a collection by its members, nothing as none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (set, frozenset, tuple, list)):
        return ", ".join(sorted(str(one) for one in value)) or "none"
    return "none" if value is None else str(value)


class Part(StrEnum):
    """What a change belongs to: all changes of one part are written together."""

    ORGANIZATION = "organization"
    OWNER = "owner"
    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"
    ENTITLEMENT = "entitlement"
    LICENSE = "license"
    MEMBER = "member"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Want:
    """A value that a field should have, and why."""

    value: Plain
    because: str
    asked: bool = False  # a person asked for it: never counted as a loss


@dataclass(frozen=True, slots=True)
class Change:
    """``field`` of ``part`` should be ``after`` and was found as ``before``.

    ``restrictive`` takes something from the tenant; ``adds`` creates or gives; ``asked`` was a person's wish;
    ``foreign`` repairs what somebody else changed (drift).
    """

    part: Part
    field: str
    before: Plain
    after: Plain
    cause: str
    restrictive: bool = False
    adds: bool = False
    asked: bool = False
    foreign: bool = False

    @property
    def name(self) -> str:
        return f"{self.part}.{self.field}"


class FindingState(StrEnum):
    """What became of a difference: ``mended`` is history, the others are open."""

    MENDED = "mended"
    NEEDS_DECISION = "needs_decision"
    STUCK = "stuck"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference that is not (or not yet) written: what was expected, what was found, why it stays."""

    name: str
    expected: Plain
    found: Plain
    cause: str
    state: FindingState = FindingState.NEEDS_DECISION


def sentence_of(difference: Change | Finding) -> str:
    """What the timeline says of a change that was written, or of a difference that stays."""
    if isinstance(difference, Finding):
        kinds = {FindingState.STUCK: "is stuck", FindingState.HELD: "is held until an operator confirms"}
        found = f"expected {value_in_words(difference.expected)}, found {value_in_words(difference.found)}"
        return f"{difference.name} {kinds.get(difference.state, 'needs a decision')}: {found}."
    if difference.field == "exists":
        return f"Made the {difference.part}."
    return f"Set {difference.name} from {value_in_words(difference.before)} to {value_in_words(difference.after)}."


@dataclass(frozen=True, slots=True)
class Applied:
    """What we last wrote to a field: ``value`` was read back, ``writing`` is on its way, ``attempts`` writes had no effect.

    A value that was right when first seen is remembered too, with ``written`` False.
    """

    value: Plain = None
    known: bool = False
    written: bool = False
    writing: Plain = None
    is_writing: bool = False
    attempts: int = 0
    tried_at: datetime | None = None
    error: str = ""


def generosity(name: str, value: Plain, *, ranks: dict[str, int] | None = None) -> float | None:
    """How much a field's value gives the tenant, for comparing two values of one field; None where no order exists."""
    last = name.rsplit(".", 1)[-1]
    if last == "suspended":
        return 0 if value else 1
    if last == "enabled":
        return 1 if value else 0
    if last in {"exists", "features"}:
        return float(len(value)) if isinstance(value, list) else float(bool(value))
    if last == "expiry":
        return float("inf") if value is None else datetime.fromisoformat(value).timestamp()
    if last in {"max_machines", "max", "limit"}:
        return float("inf") if value is None or value == -1 else float(value)
    if last in {"policy", "plan"} and ranks is not None:
        rank = ranks.get(str(value))
        return None if rank is None else float(rank)
    if last == "standing":
        # A claim that is missing or unknown is no restriction that somebody meant.
        return {"trialing": 1, "active": 1, "past_due": 1, "pending": 0, "suspended": 0, "canceled": 0}.get(str(value))
    return None


def compare(name: str, have: Plain, want: Plain, *, ranks: dict[str, int] | None = None) -> int:
    """-1: ``want`` gives less than ``have``; 1: it gives more; 0: neither, or not comparable."""
    old, new = generosity(name, have, ranks=ranks), generosity(name, want, ranks=ranks)
    if old is None or new is None:
        return 0
    return (new > old) - (new < old)


def instant(value: datetime | None) -> str | None:
    """Normal form of an instant: UTC, whole seconds."""
    return None if value is None else value.astimezone(UTC).replace(microsecond=0).isoformat()
