"""Tickets and issues that tell one story: comments, state, labels and milestone, both ways. What is personal stays here.

A link is a level: ``sync`` reads ticket and issue and writes the difference. Everything of ours at the tracker carries a signed mark,
so that a lost answer is found again and our own words never come back to us.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlmodel import Field, Session, col, select

from glue.clock import Clock
from glue.converge.tenants import Tenant
from glue.db import Database, System, TenantScoped, Utc
from glue.errors import BadInput, Conflict, GlueError, NotFound
from glue.rules.names import TenantId
from glue.rules.privacy import redact
from glue.support.tickets import LONGEST_TEXT, State, Ticket, Tickets, TicketView
from glue.upstream.issues import Comment, Issue, IssueTracker

log = structlog.get_logger()

_OPERATORS = System("operators link the tickets of all customers with issues")
_MARK = re.compile(r"<!-- glue:([\w:]{1,60}):([0-9a-f]{20}) -->")
_OPEN = {State.OPEN, State.WAITING}


class IssueLink(TenantScoped, table=True):
    """``is_open`` is what both sides last agreed on; ``due`` says that the issue has changed since."""

    __tablename__ = "issue_links"

    ticket_id: str = Field(primary_key=True)
    number: int = Field(unique=True)
    url: str = ""
    labels: str = ""
    milestone: str = ""
    is_open: bool = True
    due: bool = True
    seen_at: datetime = Field(sa_type=Utc)  # the tracker's clock
    synced_at: datetime = Field(sa_type=Utc)
    error: str = ""


class IssueLinks:
    """Links with the issues of one repository. ``keys`` sign our marks, newest first; ``people`` gives the names a customer's people have."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        tickets: Tickets,
        tracker: IssueTracker,
        *,
        keys: Sequence[str],
        people: Callable[[Tenant], Iterable[str]],
    ) -> None:
        self._database, self._clock, self._tickets, self._tracker = database, clock, tickets, tracker
        self._keys, self._people = keys, people

    def of(self, ticket_id: str) -> IssueLink | None:
        with self._database.read(_OPERATORS) as session:
            return session.get(IssueLink, ticket_id)

    def link(self, ticket_id: str, *, number: int | None = None) -> IssueLink:
        """Report a ticket as a new issue, or join it with a known one. The same again changes nothing.

        Raises BadInput, NotFound, Conflict, UpstreamError.
        """
        view = self._tickets.view(ticket_id)
        known = self.of(ticket_id)
        if known is not None:
            if number not in {None, known.number}:
                raise Conflict(f"This ticket is issue {known.number} already.")
            return known
        if number is not None and number < 1:
            raise BadInput("An issue has a number from 1.", field="issue", expected="a number")
        issue = self._tracker.get_issue(number) if number else self._report(view)
        with self._database.write(_OPERATORS) as session:
            if session.exec(select(IssueLink).where(IssueLink.number == issue.number)).first() is not None:
                raise Conflict(f"Issue {issue.number} belongs to another ticket.")
            session.add(
                IssueLink(
                    tenant_id=view.ticket.tenant_id, ticket_id=ticket_id, number=issue.number, url=issue.url, is_open=issue.is_open,
                    seen_at=issue.updated_at, synced_at=self._clock.now(),
                )
            )  # fmt: skip
        self.sync(ticket_id)
        return self._get(ticket_id)

    def sync(self, ticket_id: str) -> None:
        """Make both sides tell the same. Raises NotFound, UpstreamError: then nothing is taken as told."""
        link, now = self._get(ticket_id), self._clock.now()
        view, issue = self._tickets.view(ticket_id), self._tracker.get_issue(link.number)
        comments = self._tracker.list_comments(link.number)
        self._take_comments(ticket_id, comments)
        self._tell_messages(view, link, issue, comments)
        is_open = self._agree(view.ticket, link, issue)
        with self._database.write(_OPERATORS) as session:
            row = session.get_one(IssueLink, ticket_id)
            row.labels, row.milestone, row.url = ", ".join(issue.labels)[:500], issue.milestone[:200], issue.url
            row.is_open, row.due, row.error = is_open, False, ""
            row.seen_at, row.synced_at = issue.updated_at, now
            session.add(row)

    def look_at(self, number: int) -> bool:
        """The issue has changed, somebody says: look now, if it is linked. Raises UpstreamError."""
        with self._database.read(_OPERATORS) as session:
            link = session.exec(select(IssueLink).where(IssueLink.number == number)).first()
        if link is not None:
            self.hint([number])
            self.sync(link.ticket_id)
        return link is not None

    def hint(self, numbers: Iterable[int]) -> int:
        """These issues are looked at the next time; answers how many of them are linked."""
        with self._database.write(_OPERATORS) as session:
            changed = session.execute(sa.update(IssueLink).where(col(IssueLink.number).in_(list(numbers))).values(due=True))
            return int(changed.rowcount)  # type: ignore[attr-defined]

    def poll(self) -> int:
        """Ask what has changed at the tracker (a webhook may be lost), then bring every link up to date that needs it.

        Answers how many failed. Raises UpstreamError when the tracker could not be asked.
        """
        with self._database.read(_OPERATORS) as session:
            seen = {link.number: link.seen_at for link in session.exec(select(IssueLink))}
        if not seen:
            return 0
        changed = self._tracker.list_issues(since=max(seen.values()))
        self.hint(issue.number for issue in changed if issue.number in seen and issue.updated_at > seen[issue.number])
        return self.sync_due()

    def sync_due(self) -> int:
        """Every link whose ticket or issue has changed; one that fails keeps its error and is tried again. Answers how many failed."""
        stale = sa.or_(col(IssueLink.due), col(Ticket.changed_at) > col(IssueLink.synced_at))
        with self._database.read(_OPERATORS) as session:
            names = list(
                session.scalars(sa.select(col(IssueLink.ticket_id)).join(Ticket, col(Ticket.id) == col(IssueLink.ticket_id)).where(stale))
            )
        failed = 0
        for ticket_id in names:
            try:
                self.sync(ticket_id)
            except GlueError as error:
                failed += 1
                log.warning("issue_not_synced", ticket=ticket_id, error=error.code)
                with self._database.write(_OPERATORS) as session:
                    row = session.get_one(IssueLink, ticket_id)
                    row.due, row.error = True, str(error)[:500]
                    session.add(row)
        return failed

    def _report(self, view: TicketView) -> Issue:
        ticket = view.ticket
        # An answer may have been lost: look before asking again. The tracker lives on a clock of its own.
        since = min(ticket.opened_at, self._clock.wall()) - timedelta(days=1)
        made = next((issue for issue in self._tracker.list_issues(since=since) if self._mark_in(issue.body) == ticket.id), None)
        if made is not None:
            return made
        names = self._names(view)
        first = view.messages[0].text if view.messages else ""
        return self._tracker.create_issue(
            title=redact(ticket.subject, names=names),
            body=f"{_defused(redact(first, names=names))}\n\n{self._mark(ticket.id)}",
            labels=(f"category/{ticket.category}", f"priority/{ticket.priority}"),
        )

    def _take_comments(self, ticket_id: str, comments: Iterable[Comment]) -> None:
        for comment in comments:
            if not self._mark_in(comment.body) and comment.body.strip():
                self._tickets.note(
                    ticket_id,
                    author=f"{comment.author} (issue)",
                    text=comment.body.strip()[:LONGEST_TEXT],
                    key=f"issue-comment:{comment.id}",
                )

    def _tell_messages(self, view: TicketView, link: IssueLink, issue: Issue, comments: Iterable[Comment]) -> None:
        told = {self._mark_in(comment.body) for comment in comments}
        ours = self._mark_in(issue.body) == view.ticket.id  # then the first message is the issue's own text
        names: list[str] | None = None
        for message in view.messages[1 if ours else 0 :]:
            if message.internal or f"m{message.id}" in told:
                continue
            names = self._names(view) if names is None else names
            who = "Support" if message.by_operator else "The customer"
            body = f"{who}:\n\n{_defused(redact(message.text, names=names))}\n\n{self._mark(f'm{message.id}')}"
            self._tracker.add_comment(link.number, body)

    def _agree(self, ticket: Ticket, link: IssueLink, issue: Issue) -> bool:
        """Whoever left what was agreed on is followed."""
        if issue.is_open != link.is_open:
            if issue.is_open != (ticket.state in _OPEN):
                # Closed by the developers: solved, not closed, so that the customer may still object.
                self._tickets.set_state(ticket.id, State.OPEN if issue.is_open else State.SOLVED)
            return issue.is_open
        wanted = ticket.state in _OPEN
        if wanted != issue.is_open:
            self._tracker.set_open(link.number, is_open=wanted)
        return wanted

    def _names(self, view: TicketView) -> list[str]:
        with self._database.read(TenantId(view.ticket.tenant_id)) as session:
            tenant = session.get_one(Tenant, view.ticket.tenant_id)
        names = {tenant.display_name, view.ticket.opened_by, *(message.author for message in view.messages), *self._people(tenant)}
        return sorted(name for name in names if len(name) > 2)

    def _mark(self, name: str) -> str:
        return f"<!-- glue:{name}:{_sign(self._keys[0], name)} -->"

    def _mark_in(self, text: str) -> str:
        """What of ours this is; empty for what others wrote, also with a mark copied wrongly."""
        for name, signature in _MARK.findall(text):
            if any(hmac.compare_digest(_sign(key, name), signature) for key in self._keys):
                return str(name)
        return ""

    def _get(self, ticket_id: str) -> IssueLink:
        link = self.of(ticket_id)
        if link is None:
            raise NotFound("This ticket has no issue.")
        return link


def scrub_links(session: Session, tenant: TenantId) -> None:
    """Forget a customer's links, in the caller's transaction."""
    session.execute(sa.delete(IssueLink).where(col(IssueLink.tenant_id) == tenant))


def _sign(key: str, name: str) -> str:
    return hmac.new(key.encode(), f"issue:{name}".encode(), hashlib.sha256).hexdigest()[:20]


def _defused(text: str) -> str:
    """A customer's words cannot call people, name other issues, or hold a mark of their own."""
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", text.replace("<!--", "<! --"))
