"""A plan of milestones and issues in one file: imported once however often, exported from the tracker."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glue.errors import BadInput
from glue.rules.privacy import find_personal, redact
from glue.upstream.issues import IssueTracker


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedMilestone(_Part):
    title: str = Field(min_length=1, max_length=200)
    description: str = ""
    due: date | None = None
    open: bool = True


class PlannedIssue(_Part):
    """Known by its title: a second import finds it by that."""

    title: str = Field(min_length=1, max_length=200)
    body: str = ""
    labels: tuple[str, ...] = ()
    milestone: str = ""
    open: bool = True


class Plan(_Part):
    """What a plan's file holds."""

    milestones: tuple[PlannedMilestone, ...] = ()
    issues: tuple[PlannedIssue, ...] = ()


@dataclass(frozen=True)
class Imported:
    """Titles of what was made (or would be), the number that was there, and how much personal data was taken out."""

    milestones: tuple[str, ...]
    issues: tuple[str, ...]
    known: int
    taken_out: int


def parse_plan(document: Any) -> Plan:
    """Raises BadInput that names the place."""
    try:
        plan = Plan.model_validate(document or {})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(
            f"The plan cannot be used: {first['msg']}.", field=".".join(map(str, first["loc"])), expected=first["msg"]
        ) from error
    for kind, titles in (("milestones", [item.title for item in plan.milestones]), ("issues", [item.title for item in plan.issues])):
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice is not None:
            raise BadInput(f"“{twice}” stands twice.", field=kind, expected="a title of its own each")
    return plan


def import_plan(tracker: IssueTracker, plan: Plan, *, dry_run: bool = False) -> Imported:
    """Make what is missing, without personal data; what is there stays as it is. Raises UpstreamError: then run it again."""
    taken_out = sum(len(find_personal(text)) for text in _texts(plan))
    there = {item.title for item in tracker.list_milestones()}
    issues = {item.title for item in tracker.list_issues()}
    new_milestones = [item for item in plan.milestones if redact(item.title) not in there]
    new_issues = [item for item in plan.issues if redact(item.title) not in issues]
    if not dry_run:
        for milestone in new_milestones:
            due = milestone.due.isoformat() if milestone.due else ""
            tracker.ensure_milestone(redact(milestone.title), description=redact(milestone.description), due=due, is_open=milestone.open)
        for item in new_issues:
            made = tracker.create_issue(
                title=redact(item.title), body=redact(item.body), labels=item.labels, milestone=redact(item.milestone)
            )
            if not item.open:
                tracker.set_open(made.number, is_open=False)
    known = len(plan.milestones) + len(plan.issues) - len(new_milestones) - len(new_issues)
    return Imported(tuple(item.title for item in new_milestones), tuple(item.title for item in new_issues), known, taken_out)


def export_plan(tracker: IssueTracker) -> dict[str, Any]:
    """The tracker's milestones and issues as a plan's file has them, oldest first: importing it changes nothing."""
    milestones = [
        _said({"title": item.title, "description": item.description, "due": item.due, "open": item.is_open})
        for item in tracker.list_milestones()
    ]
    issues = [
        _said({"title": item.title, "body": item.body, "labels": list(item.labels), "milestone": item.milestone, "open": item.is_open})
        for item in sorted(tracker.list_issues(), key=lambda item: item.number)
    ]
    return {"milestones": milestones, "issues": issues}


def _texts(plan: Plan) -> list[str]:
    milestones = [text for item in plan.milestones for text in (item.title, item.description)]
    return milestones + [text for item in plan.issues for text in (item.title, item.body)]


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """Without what says nothing: empty texts and lists, and open ones, as that is what they are if nothing is said."""
    return {name: value for name, value in values.items() if value not in ("", []) and (name, value) != ("open", True)}
