"""Tickets: what a customer needs help with, what was answered, and by when an answer is due."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from glue.clock import Clock
from glue.db import Database, System, TenantScoped, Utc
from glue.errors import BadInput, Conflict, NotFound
from glue.rules.names import TenantId

LONGEST_SUBJECT, LONGEST_TEXT = 150, 20_000
LARGEST_FILE, MOST_FILES = 5 * 2**20, 5
FILE_TYPES = {
    ".png": b"\x89PNG",
    ".jpg": b"\xff\xd8\xff",
    ".jpeg": b"\xff\xd8\xff",
    ".pdf": b"%PDF-",
    ".zip": b"PK\x03\x04",
    ".txt": b"",
    ".log": b"",
    ".csv": b"",
    ".json": b"",
}
_FILE_NAME = re.compile(r"[\w. ()+-]{1,100}")
_OPERATORS = System("operators see the tickets of all customers")


class Category(StrEnum):
    QUESTION = "question"
    BILLING = "billing"
    LICENSE = "license"
    RUN = "run"
    DEFECT = "defect"


class TicketPriority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    URGENT = "urgent"


class State(StrEnum):
    """open → waiting (for the customer) → open …; solved can be opened again by a reply, closed cannot."""

    OPEN = "open"
    WAITING = "waiting"
    SOLVED = "solved"
    CLOSED = "closed"


class Ticket(TenantScoped, table=True):
    __tablename__ = "tickets"

    id: str = Field(primary_key=True)
    subject: str
    category: str
    priority: str
    state: str = Field(default=State.OPEN, index=True)
    opened_by: str = ""
    email: str = ""
    opened_at: datetime = Field(sa_type=Utc)
    changed_at: datetime = Field(sa_type=Utc, index=True)
    answer_due_at: datetime | None = Field(default=None, sa_type=Utc)
    answered_at: datetime | None = Field(default=None, sa_type=Utc)
    answer_hours: float = 72
    nonce: str = Field(default="", unique=True)


class TicketMessage(TenantScoped, table=True):
    """One contribution; ``by_operator`` tells which side wrote it. An ``internal`` one is for operators' eyes only."""

    __tablename__ = "ticket_messages"

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: str = Field(index=True)
    author: str
    by_operator: bool = False
    internal: bool = False
    key: str | None = Field(default=None, unique=True)  # of what it came with; the same again is not kept twice
    text: str
    at: datetime = Field(sa_type=Utc)


class TicketFile(TenantScoped, table=True):
    __tablename__ = "ticket_files"

    id: int | None = Field(default=None, primary_key=True)
    ticket_id: str = Field(index=True)
    name: str
    content: bytes


@dataclass(frozen=True)
class NewFile:
    """A file that came with a message; ``checked_file`` makes them."""

    name: str
    content: bytes


@dataclass(frozen=True)
class TicketView:
    ticket: Ticket
    messages: tuple[TicketMessage, ...]
    files: tuple[tuple[int, str, int], ...]  # id, name, bytes


class Tickets:
    """What customers and operators do with tickets. ``support_hours`` maps a tier's code to the hours until the first answer."""

    def __init__(self, database: Database, clock: Clock, *, support_hours: Mapping[str, int]) -> None:
        self._database, self._clock, self._support_hours = database, clock, support_hours

    def open(
        self, tenant: TenantId, *, tier: str, author: str, email: str, subject: str, text: str, category: str, priority: str, nonce: str,
        files: Sequence[NewFile] = (),
    ) -> str:  # fmt: skip
        """A new ticket's id, kept with its files or not at all; the same ``nonce`` again gives the same ticket. Raises BadInput."""
        subject, text = _checked(subject, "subject", LONGEST_SUBJECT), _checked(text, "text", LONGEST_TEXT)
        _one_of(category, Category, "category")
        _one_of(priority, TicketPriority, "priority")
        now = self._clock.now()
        hours = self._support_hours.get(tier, 72) / (2 if priority == TicketPriority.URGENT else 1)
        ticket = Ticket(
            tenant_id=tenant, id=f"tkt_{secrets.token_hex(5)}", subject=subject, category=category, priority=priority, opened_by=author, email=email,
            opened_at=now, changed_at=now, answer_due_at=now + timedelta(hours=hours), answer_hours=hours, nonce=f"{tenant}:{nonce}",
        )  # fmt: skip
        with self._database.write(tenant) as session:
            known = session.exec(select(Ticket).where(Ticket.nonce == ticket.nonce)).first()
            if known is not None:
                return known.id
            session.add(ticket)
            session.add(TicketMessage(tenant_id=tenant, ticket_id=ticket.id, author=author, text=text, at=now))
            _keep_files(session, ticket, files)
        return ticket.id

    def reply(
        self,
        ticket_id: str,
        *,
        author: str,
        text: str,
        tenant: TenantId | None = None,
        key: str | None = None,
        files: Sequence[NewFile] = (),
    ) -> Ticket:
        """The customer's reply, or with no ``tenant`` the operator's: sets whose turn it is; the same ``key`` again changes nothing.

        Raises BadInput, NotFound, Conflict.
        """
        text = _checked(text, "text", LONGEST_TEXT)
        now = self._clock.now()
        with self._database.write(tenant or _OPERATORS) as session:
            ticket = _get(session, ticket_id)
            if key is not None and session.exec(select(TicketMessage.id).where(TicketMessage.key == key)).first() is not None:
                return ticket
            if ticket.state == State.CLOSED:
                raise Conflict("This ticket is closed.", remedy="Open a new one.")
            if tenant is None:
                ticket.state, ticket.answered_at = State.WAITING, now
            elif ticket.answered_at is not None:  # our turn again: the clock of the plan starts anew
                ticket.state, ticket.answered_at = State.OPEN, None
                ticket.answer_due_at = now + timedelta(hours=ticket.answer_hours)
            else:
                ticket.state = State.OPEN
            ticket.changed_at = now
            session.add(ticket)
            session.add(
                TicketMessage(
                    tenant_id=ticket.tenant_id, ticket_id=ticket_id, author=author, by_operator=tenant is None, key=key, text=text, at=now
                )
            )
            _keep_files(session, ticket, files)
            return ticket

    def note(self, ticket_id: str, *, author: str, text: str, key: str | None = None) -> None:
        """Keep something for operators only; the same ``key`` again changes nothing. Raises BadInput, NotFound."""
        text = _checked(text[:LONGEST_TEXT], "text", LONGEST_TEXT)
        with self._database.write(_OPERATORS) as session:
            ticket = _get(session, ticket_id)
            if key is not None and session.exec(select(TicketMessage.id).where(TicketMessage.key == key)).first() is not None:
                return
            session.add(
                TicketMessage(
                    tenant_id=ticket.tenant_id,
                    ticket_id=ticket_id,
                    author=author,
                    by_operator=True,
                    internal=True,
                    key=key,
                    text=text,
                    at=self._clock.now(),
                )
            )

    def set_state(self, ticket_id: str, state: str, *, tenant: TenantId | None = None) -> None:
        """Raises BadInput, NotFound."""
        _one_of(state, State, "state")
        with self._database.write(tenant or _OPERATORS) as session:
            ticket = _get(session, ticket_id)
            ticket.state, ticket.changed_at = state, self._clock.now()
            session.add(ticket)

    def page(
        self, *, tenant: TenantId | None = None, of: TenantId | None = None, state: str = "", offset: int = 0, limit: int = 50
    ) -> tuple[list[Ticket], int]:
        """A page and the whole number; overdue answers first for operators (``of`` one customer), newest first for customers."""
        query = select(Ticket).where(Ticket.tenant_id == of) if of else select(Ticket)
        if state:
            query = query.where(Ticket.state == state)
        order = (
            col(Ticket.changed_at).desc()
            if tenant
            else sa.nulls_last(sa.case((col(Ticket.answered_at).is_(None), col(Ticket.answer_due_at)), else_=None).asc())
        )
        with self._database.read(tenant or _OPERATORS) as session:
            total = session.exec(select(sa.func.count()).select_from(query.subquery())).one()
            return list(session.exec(query.order_by(order, col(Ticket.changed_at).desc()).offset(offset).limit(limit))), total

    def view(self, ticket_id: str, *, tenant: TenantId | None = None) -> TicketView:
        """Raises NotFound, also for another customer's."""
        with self._database.read(tenant or _OPERATORS) as session:
            ticket = _get(session, ticket_id)
            query = select(TicketMessage).where(TicketMessage.ticket_id == ticket_id).order_by(col(TicketMessage.id))
            messages = session.exec(query.where(col(TicketMessage.internal).is_(False)) if tenant else query)
            files = session.exec(
                select(TicketFile.id, TicketFile.name, sa.func.length(TicketFile.content)).where(TicketFile.ticket_id == ticket_id)
            )
            return TicketView(ticket, tuple(messages), tuple((int(row[0] or 0), row[1], int(row[2])) for row in files))

    def file(self, ticket_id: str, file_id: int, *, tenant: TenantId | None = None) -> tuple[str, bytes]:
        with self._database.read(tenant or _OPERATORS) as session:
            row = session.exec(select(TicketFile).where(TicketFile.id == file_id, TicketFile.ticket_id == ticket_id)).first()
            if row is None:
                raise NotFound("There is no such file.")
            return row.name, row.content


def checked_file(name: str, content: bytes) -> NewFile:
    """A file that a ticket may have. Raises BadInput for a name, type or size that is not taken."""
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    if not _FILE_NAME.fullmatch(name) or suffix not in FILE_TYPES:
        raise BadInput(
            "Files may be %(kinds)s with a plain name.", field="file", expected="a plain file name", kinds=", ".join(sorted(FILE_TYPES))
        )
    if len(content) > LARGEST_FILE:
        raise BadInput("Files may have 5 MB.", field="file", expected="at most 5 MB")
    if not content or not content.startswith(FILE_TYPES[suffix]) or (not FILE_TYPES[suffix] and b"\0" in content):
        raise BadInput("This is not a %(expected)s file.", field="file", expected=suffix)
    return NewFile(name, content)


def scrub_tickets(session: Session, tenant: TenantId) -> None:
    """Forget a customer's tickets, in the caller's transaction."""
    for table in (TicketFile, TicketMessage, Ticket):
        session.execute(sa.delete(table).where(col(table.tenant_id) == tenant))


def _get(session: Session, ticket_id: str) -> Ticket:
    ticket = session.exec(select(Ticket).where(Ticket.id == ticket_id)).first()
    if ticket is None:
        raise NotFound("There is no such ticket.")
    return ticket


def _keep_files(session: Session, ticket: Ticket, files: Sequence[NewFile]) -> None:
    count = session.exec(select(sa.func.count()).select_from(TicketFile).where(TicketFile.ticket_id == ticket.id)).one()
    if files and count + len(files) > MOST_FILES:
        raise BadInput("A ticket may have %(most)s files.", field="file", most=MOST_FILES)
    session.add_all(TicketFile(tenant_id=ticket.tenant_id, ticket_id=ticket.id, name=file.name, content=file.content) for file in files)


def _checked(text: str, field: str, longest: int) -> str:
    text = text.strip()
    if not text or len(text) > longest:
        raise BadInput("Please write 1 to %(longest)s characters.", field=field, expected=f"1 to {longest} characters", longest=longest)
    return text


def _one_of(value: str, kind: type[StrEnum], field: str) -> None:
    if value not in set(kind):
        raise BadInput("Please choose one of %(expected)s.", field=field, expected=", ".join(kind))
