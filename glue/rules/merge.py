"""Three-way merge of one part: what should be, what was found, and what we last wrote there.

A foreign edit of one of our copies stays when it restricts (a person meant it: it needs a decision) and is reverted
when it permits or cannot be ordered. Our own earlier value is simply replaced.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from glue.rules.changes import Applied, Change, Finding, FindingState, Part, Plain, Want, compare, value_in_words

STUCK_AFTER = 3
STUCK_RETRY = timedelta(days=1)
NOTHING = Applied()

# Found off without our having ever written them (a database made anew from the three systems): a person's doing.
SWITCHES = frozenset({"license.suspended", "organization.enabled"})


def merge(
    part: Part,
    wanted: Mapping[str, Want],
    found: Mapping[str, Plain],
    applied: Mapping[str, Applied],
    *,
    ranks: dict[str, int] | None = None,
) -> tuple[list[Change], list[Finding], dict[str, Plain]]:
    """Changes to write, differences to show, and values that are as they should be (to remember as applied)."""
    changes: list[Change] = []
    findings: list[Finding] = []
    settled: dict[str, Plain] = {}
    for field, want in wanted.items():
        name = f"{part}.{field}"
        have = found.get(field)
        base = applied.get(name, NOTHING)
        ours = (base.known and have == base.value) or (base.is_writing and have == base.writing)
        if have == want.value:
            # A value that somebody else set is not remembered as ours: when we want another later, theirs still counts.
            if ours or not base.known:
                settled[name] = have
            continue
        direction = compare(name, have, want.value, ranks=ranks)
        if not ours and direction > 0 and (base.known or name in SWITCHES):
            because = f"Somebody else set it to {value_in_words(have)}, which restricts. {want.because}"
            findings.append(Finding(name, want.value, have, because))
        else:
            changes.append(
                Change(
                    part,
                    field,
                    have,
                    want.value,
                    want.because,
                    restrictive=direction < 0,
                    adds=direction > 0,
                    asked=want.asked,
                    foreign=base.known and not ours,
                )
            )
    return changes, findings, settled


def without_stuck(changes: list[Change], applied: Mapping[str, Applied], *, now: datetime) -> tuple[list[Change], list[Finding]]:
    """Apart: writes that were tried three times without effect. They are shown, and tried once a day."""
    moving: list[Change] = []
    stuck: list[Finding] = []
    for change in changes:
        base = applied.get(change.name, NOTHING)
        tried = base.attempts if base.is_writing and base.writing == change.after else 0
        if tried < STUCK_AFTER or (base.tried_at is not None and now >= base.tried_at + STUCK_RETRY):
            moving.append(change)
        else:
            because = f"Written {tried} times without effect. {base.error}".strip()
            stuck.append(Finding(change.name, change.after, change.before, because, FindingState.STUCK))
    return moving, stuck
