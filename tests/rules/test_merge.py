"""Three-way merge: whose edit stays, whose is written over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glue.rules.changes import Applied, FindingState, Part, Want, compare
from glue.rules.merge import STUCK_AFTER, merge, without_stuck
from tests.fakes.world import START


def _merge(field, *, have, want, base=None, writing=None):
    applied = {}
    if base is not None or writing is not None:
        applied[f"license.{field}"] = Applied(value=base, known=base is not None, writing=writing, is_writing=writing is not None)
    return merge(Part.LICENSE, {field: Want(want, "test")}, {field: have}, applied)


@pytest.mark.parametrize(
    ("field", "base", "have", "want", "outcome"),
    [
        ("suspended", False, False, False, "settled"),
        ("suspended", False, False, True, "change"),  # ours, now overdue
        ("suspended", True, True, False, "change"),  # ours, now paid
        ("suspended", False, True, False, "finding"),  # somebody suspended it
        ("suspended", True, False, True, "change"),  # somebody lifted our suspension
        ("suspended", None, True, False, "finding"),  # found so in a database made anew
        ("max_machines", 2, 9, 2, "change"),  # somebody gave more
        ("max_machines", 5, 1, 5, "finding"),  # somebody gave less
        ("max_machines", 5, None, 5, "change"),  # somebody made it unlimited
        ("max_machines", 5, 5, 2, "change"),  # a downgrade
        ("expiry", "2026-05-01T00:00:00+00:00", "2026-04-01T00:00:00+00:00", "2026-05-01T00:00:00+00:00", "finding"),
        ("expiry", "2026-05-01T00:00:00+00:00", None, "2026-05-01T00:00:00+00:00", "change"),
        ("name", "A", "B", "A", "change"),  # no order: ours to say
        ("name", None, "B", "A", "change"),
    ],
)
def test_merge(field, base, have, want, outcome):
    changes, findings, settled = _merge(field, have=have, want=want, base=base)
    assert (bool(changes), bool(findings), bool(settled)) == (outcome == "change", outcome == "finding", outcome == "settled")


def test_crash_between_writing_and_remembering_is_recognized_as_ours():
    changes, findings, _ = _merge("suspended", base=False, writing=True, have=True, want=False)
    assert changes
    assert not findings


def test_value_set_by_somebody_else_that_we_want_too_is_not_taken_for_ours():
    _, _, settled = _merge("suspended", base=False, have=True, want=True)
    assert settled == {}


def test_three_writes_without_effect_are_stuck():
    changes, _, _ = _merge("max_machines", base=2, have=9, want=2)
    tries = Applied(writing=2, is_writing=True, attempts=STUCK_AFTER, tried_at=START, error="refused")
    moving, stuck = without_stuck(changes, {"license.max_machines": tries}, now=START)
    assert moving == []
    assert (stuck[0].state, "refused" in stuck[0].cause) == (FindingState.STUCK, True)


values = st.one_of(st.none(), st.integers(0, 50))


@given(base=values, have=values, want=values)
def test_a_restriction_by_others_is_never_written_over(base, have, want):
    changes, findings, _ = merge(
        Part.LICENSE, {"max_machines": Want(want, "t")}, {"max_machines": have}, {"license.max_machines": Applied(value=base, known=True)}
    )
    if have != base and compare("license.max_machines", have, want) > 0:
        assert not changes
        assert findings
    else:
        assert not findings


@given(have=values, want=values)
def test_written_value_is_settled_at_the_next_look(have, want):
    name = "license.max_machines"
    changes, _, _ = merge(Part.LICENSE, {"max_machines": Want(want, "t")}, {"max_machines": have}, {name: Applied(value=have, known=True)})
    after = changes[0].after if changes else have
    again, findings, settled = merge(
        Part.LICENSE,
        {"max_machines": Want(want, "t")},
        {"max_machines": after},
        {name: Applied(value=have, known=True, writing=want, is_writing=True)},
    )
    assert (again, findings, settled) == ([], [], {name: want})
