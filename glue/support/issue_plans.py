"""A plan of milestones and issues in one file: brought to the tracker, and read from it. Titles are what they are known by."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from glue.errors import BadInput
from glue.rules.privacy import redact
from glue.upstream.issues import IssueTracker

LARGEST_FILE, MOST_ITEMS, LONGEST_TITLE, LONGEST_BODY = 2**20, 1000, 200, 60_000


@dataclass(frozen=True)
class PlannedMilestone:
    """``due`` is a day, YYYY-MM-DD, or empty."""

    title: str
    description: str = ""
    due: str = ""
    is_open: bool = True


@dataclass(frozen=True)
class PlannedIssue:
    title: str
    body: str = ""
    labels: tuple[str, ...] = ()
    milestone: str = ""
    is_open: bool = True


@dataclass(frozen=True)
class IssuePlan:
    milestones: tuple[PlannedMilestone, ...] = ()
    issues: tuple[PlannedIssue, ...] = ()


@dataclass
class Brought:
    """Titles of what was made, and of issues opened or closed; what was there as it should be is not named."""

    milestones: list[str] = field(default_factory=list)
    issues: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


def parse_plan(text: str) -> IssuePlan:
    """From YAML or JSON; what is personal is taken out at once. Raises BadInput that names the item."""
    if len(text.encode()) > LARGEST_FILE:
        raise BadInput("The file is too large.", field="file", expected=f"at most {LARGEST_FILE // 2**20} MB")
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise BadInput(
            f"This is neither YAML nor JSON: {' '.join(str(error).split())[:200]}", field="file", expected="YAML or JSON"
        ) from error
    _check_keys(document, {"milestones", "issues"}, "the file")
    plan = IssuePlan(
        tuple(_milestone(row, f"milestones[{index}]") for index, row in enumerate(_rows(document, "milestones"))),
        tuple(_issue(row, f"issues[{index}]") for index, row in enumerate(_rows(document, "issues"))),
    )
    for kind, titles in (("milestones", [row.title for row in plan.milestones]), ("issues", [row.title for row in plan.issues])):
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice is not None:
            raise BadInput(f"Two {kind} have the title {twice!r}.", field=kind, expected="each title once")
    return plan


def write_plan(plan: IssuePlan, *, as_json: bool = False) -> str:
    """The file of a plan; ``parse_plan`` reads it as the same."""
    document = {
        "milestones": [
            _without_empty({"title": row.title, "description": row.description, "due": row.due, "state": _state(row.is_open)})
            for row in plan.milestones
        ],
        "issues": [
            _without_empty(
                {"title": row.title, "body": row.body, "labels": list(row.labels), "milestone": row.milestone, "state": _state(row.is_open)}
            )
            for row in plan.issues
        ],
    }
    if as_json:
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    stream, yaml = StringIO(), YAML()
    yaml.width = 10_000
    yaml.dump(document, stream)
    return stream.getvalue()


def read_tracker(tracker: IssueTracker) -> IssuePlan:
    """Everything at the tracker as a plan, oldest first, without what is personal. Raises UpstreamError."""
    milestones = [PlannedMilestone(redact(row.title), redact(row.description), row.due, row.is_open) for row in tracker.list_milestones()]
    issues = [
        PlannedIssue(redact(row.title), redact(row.body), row.labels, redact(row.milestone), row.is_open)
        for row in sorted(tracker.list_issues(), key=lambda row: row.number)
    ]
    return IssuePlan(tuple(milestones), tuple(issues))


def bring(tracker: IssueTracker, plan: IssuePlan, *, write: bool = True) -> Brought:
    """Make what is missing, and open or close what the plan says otherwise; nothing else of theirs is touched.

    The same plan again makes nothing, also after an end in between. ``write=False`` only tells. Raises UpstreamError.
    """
    brought = Brought()
    milestones = {redact(row.title) for row in tracker.list_milestones()}
    named = {row.milestone for row in plan.issues if row.milestone} - {row.title for row in plan.milestones}
    for row in (*plan.milestones, *(PlannedMilestone(title) for title in sorted(named))):
        if row.title not in milestones:
            brought.milestones.append(row.title)
            if write:
                tracker.ensure_milestone(row.title, description=row.description, due=row.due, is_open=row.is_open)
    known = {redact(row.title): row for row in reversed(tracker.list_issues())}
    for wanted in plan.issues:
        issue = known.get(wanted.title)
        if issue is None:
            brought.issues.append(wanted.title)
            if not write:
                continue
            issue = tracker.create_issue(title=wanted.title, body=wanted.body, labels=wanted.labels, milestone=wanted.milestone)
            if not wanted.is_open:
                tracker.set_open(issue.number, is_open=False)
        elif issue.is_open != wanted.is_open:
            brought.changed.append(wanted.title)
            if write:
                tracker.set_open(issue.number, is_open=wanted.is_open)
    return brought


def _milestone(row: Any, where: str) -> PlannedMilestone:
    _check_keys(row, {"title", "description", "due", "state"}, where)
    due = str(row.get("due") or "")
    try:
        due = date.fromisoformat(due).isoformat() if due else ""
    except ValueError as error:
        raise BadInput(f"{where}: this is not a day.", field=f"{where}.due", expected="YYYY-MM-DD") from error
    return PlannedMilestone(_title(row, where), _text(row, "description", where), due, _is_open(row, where))


def _issue(row: Any, where: str) -> PlannedIssue:
    _check_keys(row, {"title", "body", "labels", "milestone", "state"}, where)
    labels = row.get("labels") or []
    if not isinstance(labels, list) or not all(isinstance(name, str) and 0 < len(name) <= 50 for name in labels):
        raise BadInput(f"{where}: labels are a list of short words.", field=f"{where}.labels", expected="a list of words")
    return PlannedIssue(
        _title(row, where), _text(row, "body", where), tuple(dict.fromkeys(labels)), _text(row, "milestone", where), _is_open(row, where)
    )


def _title(row: Mapping[str, Any], where: str) -> str:
    title = " ".join(_text(row, "title", where).split())
    if not title or len(title) > LONGEST_TITLE:
        raise BadInput(f"{where} needs a title of 1 to {LONGEST_TITLE} characters.", field=f"{where}.title", expected="a title")
    return title


def _text(row: Mapping[str, Any], name: str, where: str) -> str:
    value = row.get(name)
    if value is not None and (not isinstance(value, (str, int, float)) or len(str(value)) > LONGEST_BODY):
        raise BadInput(f"{where}: {name} is no text, or too long.", field=f"{where}.{name}", expected=f"at most {LONGEST_BODY} characters")
    return redact(str(value).strip()) if value is not None else ""


def _is_open(row: Mapping[str, Any], where: str) -> bool:
    state = row.get("state", "open")
    if state not in ("open", "closed"):
        raise BadInput(f"{where}: a state is open or closed.", field=f"{where}.state", expected="open or closed")
    return bool(state == "open")


def _rows(document: Mapping[str, Any], name: str) -> list[Any]:
    rows = document.get(name, [])
    if not isinstance(rows, list) or len(rows) > MOST_ITEMS:
        raise BadInput(f"{name} is a list of at most {MOST_ITEMS}.", field=name, expected="a list")
    return rows


def _check_keys(row: Any, known: set[str], where: str) -> None:
    if not isinstance(row, dict) or set(row) - known:
        strange = ", ".join(sorted(str(key) for key in set(row) - known)) if isinstance(row, dict) else "no mapping"
        raise BadInput(f"{where} holds {', '.join(sorted(known))} only (found: {strange}).", field=where, expected=", ".join(sorted(known)))


def _state(is_open: bool) -> str:
    return "open" if is_open else "closed"


def _without_empty(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value}
