"""A repository's issues at GitHub or Forgejo: both speak nearly the same API. Follows no redirect, fetches no address out of an answer."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from glue.settings import IssueSettings
from glue.upstream.http import HttpCalls

_PAGE, _MOST_PAGES = 50, 200


@dataclass(frozen=True)
class Issue:
    number: int
    title: str
    body: str
    is_open: bool
    labels: tuple[str, ...]
    milestone: str
    url: str
    updated_at: datetime


@dataclass(frozen=True)
class Comment:
    id: int
    author: str
    body: str
    at: datetime


@dataclass(frozen=True)
class Milestone:
    """``id`` is what issues name it by: GitHub's number, Forgejo's id."""

    id: int
    title: str
    description: str
    due: str
    is_open: bool


class IssueTracker:
    """One repository; safe for many threads. All calls raise UpstreamUnavailable, UpstreamRefused and its children."""

    def __init__(self, settings: IssueSettings) -> None:
        token = settings.token.get_secret_value() if settings.token else ""
        self.repository, self._is_github = settings.repository, settings.kind == "github"
        headers = {"Authorization": f"{'Bearer' if self._is_github else 'token'} {token}", "Accept": "application/json"}
        self._http = HttpCalls(
            "issues",
            base_url=f"{settings.url.rstrip('/')}/repos/{settings.repository}",
            headers=headers if token else {"Accept": "application/json"},
            timeout_seconds=settings.timeout_seconds,
            codes_of=lambda body: (str(body["message"]),),
            is_conflict=lambda code: "already exists" in code,
            secrets=(token,),
        )

    def close(self) -> None:
        self._http.close()

    def list_issues(self, *, since: datetime | None = None) -> list[Issue]:
        """Open and closed ones without pull requests, changed ``since``, the last changed first."""
        params = {"state": "all", "sort": "updated", "direction": "desc", "type": "issues"} | (
            {"since": since.strftime("%Y-%m-%dT%H:%M:%SZ")} if since else {}
        )
        return [_issue(row) for row in self._list("issues", params) if not row.get("pull_request")]

    def get_issue(self, number: int) -> Issue:
        return self._http.send("get_issue", "GET", f"/issues/{number}", _issue)

    def create_issue(self, *, title: str, body: str, labels: Iterable[str] = (), milestone: str = "") -> Issue:
        """Labels and milestone are made where they are missing."""
        document: dict[str, Any] = {"title": title, "body": body, "labels": self._labels(labels)}
        if milestone:
            document["milestone"] = self.ensure_milestone(milestone).id
        return self._http.send("create_issue", "POST", "/issues", _issue, json=document)

    def set_open(self, number: int, *, is_open: bool) -> Issue:
        document = {"state": "open" if is_open else "closed"}
        return self._http.send("set_open", "PATCH", f"/issues/{number}", _issue, json=document, accept=(201,))

    def list_comments(self, number: int) -> list[Comment]:
        """Oldest first."""
        return [
            Comment(int(row["id"]), str(row["user"]["login"]), str(row["body"] or ""), datetime.fromisoformat(row["created_at"]))
            for row in self._list(f"issues/{number}/comments", {})
        ]

    def add_comment(self, number: int, body: str) -> int:
        """The new comment's id."""
        return self._http.send("add_comment", "POST", f"/issues/{number}/comments", lambda row: int(row["id"]), json={"body": body})

    def list_milestones(self) -> list[Milestone]:
        return [_milestone(row, github=self._is_github) for row in self._list("milestones", {"state": "all"})]

    def ensure_milestone(self, title: str, *, description: str = "", due: str = "", is_open: bool = True) -> Milestone:
        """The one of this title; made with what is given when there is none."""
        known = next((item for item in self.list_milestones() if item.title == title), None)
        if known is not None:
            return known
        document = {"title": title, "description": description, "state": "open" if is_open else "closed"}
        document |= {"due_on": f"{due}T00:00:00Z"} if due else {}
        return self._http.send(
            "ensure_milestone", "POST", "/milestones", lambda row: _milestone(row, github=self._is_github), json=document
        )

    def _labels(self, names: Iterable[str]) -> list[Any]:
        """Labels as a new issue names them: GitHub by name, Forgejo by id."""
        known = {str(row["name"]): int(row["id"]) for row in self._list("labels", {})}
        for name in names:
            if name not in known:
                color = hashlib.sha256(name.split("/", maxsplit=1)[0].encode()).hexdigest()[:6]
                known[name] = self._http.send(
                    "create_label", "POST", "/labels", lambda row: int(row["id"]), json={"name": name, "color": color}
                )
        return [name if self._is_github else known[name] for name in names]

    def _list(self, path: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for page in range(1, _MOST_PAGES):
            asked = {**params, "page": str(page), "per_page": str(_PAGE), "limit": str(_PAGE)}
            found: list[dict[str, Any]] = self._http.send(
                f"list {path.rsplit('/', maxsplit=1)[-1]}", "GET", f"/{path}", lambda body: list(body or []), params=asked
            )
            rows += found
            if len(found) < _PAGE:
                break
        return rows


def is_signed(body: bytes, headers: Mapping[str, str], *, secrets: Iterable[str]) -> bool:
    """Whether a delivery carries the HMAC of one of the secrets: GitHub's header, or Forgejo's and Gitea's bare one."""
    given = (
        headers.get("x-hub-signature-256", "").removeprefix("sha256=")
        or headers.get("x-forgejo-signature", "")
        or headers.get("x-gitea-signature", "")
    )
    made = [hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets]
    return any(hmac.compare_digest(one.encode(), given.encode()) for one in made)


def _issue(row: Any) -> Issue:
    url = str(row.get("html_url") or "")
    return Issue(
        number=int(row["number"]),
        title=str(row["title"]),
        body=str(row.get("body") or ""),
        is_open=row["state"] == "open",
        labels=tuple(str(label["name"]) for label in row.get("labels") or ()),
        milestone=str((row.get("milestone") or {}).get("title") or ""),
        url=url if url.startswith(("https://", "http://")) else "",
        updated_at=datetime.fromisoformat(row["updated_at"]),
    )


def _milestone(row: Any, *, github: bool) -> Milestone:
    due = str(row.get("due_on") or "")[:10]
    return Milestone(
        int(row["number" if github else "id"]), str(row["title"]), str(row.get("description") or ""), due, row["state"] == "open"
    )
