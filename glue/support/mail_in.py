"""Mails that come in: into their ticket, as a new ticket, or aside with the reason. Nothing is answered to who is not known."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import getaddresses, parseaddr
from enum import StrEnum
from html.parser import HTMLParser

import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from glue.clock import Clock
from glue.converge.effects import Effect
from glue.converge.tenants import Tenant
from glue.db import Database, System, TenantScoped, Utc
from glue.errors import BadInput
from glue.rules.names import TenantId
from glue.support.answers import REPLY_LINE, ReplyAddresses, write_about
from glue.support.tickets import LONGEST_SUBJECT, LONGEST_TEXT, MOST_FILES, NewFile, State, Ticket, Tickets, checked_file
from glue.support.waiting import NOBODY

LARGEST_MAIL = 10 * 2**20
MOST_AN_HOUR = 20  # of one sender: more is a loop or a flood
KEPT_DAYS = 30
_OPERATORS = System("a mail says itself whose it is")
_OURS = re.compile(r"<ticket\.(tkt_[0-9a-f]{10})\.([^@<>\s]{1,100})@glue\.invalid>")
_ROBOTS = re.compile(r"(?:mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?)\b", re.IGNORECASE)
_QUOTED = re.compile(
    rf"^(?:.*{re.escape(REPLY_LINE)}|-- ?|_{{10,}}|-----.*(?:Original|Ursprüngliche|Message|Nachricht).*|(?:On|Am|Le|El|Em)\b.{{5,200}}(?:wrote|schrieb|écrit|escribió|escreveu).*:)\s*$"
)


class Outcome(StrEnum):
    """What became of a mail; the last four are kept aside for an operator to see."""

    REPLIED = "replied"
    OPENED = "opened"
    AUTOMATIC = "automatic"
    LOOP = "loop"
    FOREIGN = "foreign"
    FLOOD = "flood"
    EMPTY = "empty"


class TicketMail(TenantScoped, table=True):
    """A mail that came in, by the digest of its Message-ID; the text only of those that found no ticket. Kept thirty days."""

    __tablename__ = "ticket_mails"

    digest: str = Field(primary_key=True)
    ticket_id: str = ""
    outcome: str = Field(index=True)
    sender: str = Field(default="", index=True)
    subject: str = ""
    text: str = ""
    at: datetime = Field(sa_type=Utc, index=True)


@dataclass(frozen=True)
class Received:
    outcome: Outcome
    ticket_id: str = ""


class MailIn:
    """Takes raw mails (RFC 5322). The same mail again changes nothing."""

    def __init__(self, database: Database, clock: Clock, tickets: Tickets, addresses: ReplyAddresses, *, sender: str) -> None:
        self._database, self._clock, self._tickets, self._addresses = database, clock, tickets, addresses
        self._own = {parseaddr(sender)[1].lower(), addresses.support_address.lower()}

    def receive(self, raw: bytes) -> Received:
        """Place one mail. Raises BadInput for what is too large or no mail."""
        if len(raw) > LARGEST_MAIL:
            raise BadInput("The mail is too large.", field="body", expected=f"at most {LARGEST_MAIL // 2**20} MB")
        mail = BytesParser(policy=policy.default).parsebytes(raw)
        sender = parseaddr(_header(mail, "From"))[1].lower()
        if "@" not in sender:
            raise BadInput("This is no mail: it has no sender.", field="body", expected="a message as RFC 5322 has it")
        digest = hashlib.sha256(_header(mail, "Message-ID").encode() or raw).hexdigest()
        with self._database.read(_OPERATORS) as session:
            known = session.get(TicketMail, digest)
            if known is not None:
                return Received(Outcome(known.outcome), known.ticket_id)
            refused = self._refuse(session, mail, sender)
            ticket = None if refused else self._thread(session, mail, sender)
            owner = None if refused or ticket else _owner(session, sender)
        text = _words(mail)
        outcome = refused or (Outcome.FOREIGN if not (ticket or owner) else None) or (None if text or _attached(mail) else Outcome.EMPTY)
        if outcome:
            self._keep(digest, outcome, NOBODY, sender=sender, subject=_header(mail, "Subject"), text=text)
            return Received(outcome)
        placed, outcome = self._place(mail, sender, text or "(only files)", digest, ticket=ticket, owner=owner)
        self._keep(digest, outcome, TenantId(placed.tenant_id), ticket_id=placed.id, sender=sender)
        return Received(outcome, placed.id)

    def unplaced(self, *, limit: int = 50) -> list[TicketMail]:
        """Mails that found no ticket and that a person may want to read, newest first."""
        aside = col(TicketMail.outcome).in_([Outcome.FOREIGN, Outcome.FLOOD])
        with self._database.read(_OPERATORS) as session:
            return list(session.exec(select(TicketMail).where(aside).order_by(col(TicketMail.at).desc()).limit(limit)))

    def forget_old(self) -> None:
        with self._database.write(_OPERATORS) as session:
            session.execute(sa.delete(TicketMail).where(col(TicketMail.at) < self._clock.now() - timedelta(days=KEPT_DAYS)))

    def _refuse(self, session: Session, mail: EmailMessage, sender: str) -> Outcome | None:
        if sender in self._own or _header(mail, "Message-ID").endswith("@glue.invalid>"):
            return Outcome.LOOP
        if _is_automatic(mail, sender):
            return Outcome.AUTOMATIC
        if "dmarc=fail" in _header(mail, "Authentication-Results").lower():
            return Outcome.FOREIGN
        recent = select(sa.func.count()).select_from(TicketMail).where(TicketMail.sender == sender)
        count = session.exec(recent.where(col(TicketMail.at) > self._clock.now() - timedelta(hours=1))).one()
        return Outcome.FLOOD if count >= MOST_AN_HOUR else None

    def _thread(self, session: Session, mail: EmailMessage, sender: str) -> Ticket | None:
        """The ticket a mail answers: named by an address or a Message-ID of ours, and written by who may answer it."""
        ticket_id = self._addresses.find(" ".join(_header(mail, name) for name in ("To", "Cc", "Delivered-To", "X-Original-To")))
        if not ticket_id:
            for named, key in _OURS.findall(f"{_header(mail, 'In-Reply-To')} {_header(mail, 'References')}"):
                ticket_id = named if session.get(Effect, f"ticket/{named}/{key}") else ticket_id
        ticket = session.get(Ticket, ticket_id) if ticket_id else None
        if ticket is None:
            return None
        tenant = session.get(Tenant, ticket.tenant_id)
        allowed = {ticket.email.lower()} | ({tenant.email.lower()} if tenant else set())
        return ticket if sender in allowed else None

    def _place(
        self, mail: EmailMessage, sender: str, text: str, digest: str, *, ticket: Ticket | None, owner: Tenant | None
    ) -> tuple[Ticket, Outcome]:
        if ticket is not None and ticket.state != State.CLOSED:
            tenant = TenantId(ticket.tenant_id)
            files, refused = _files(mail, room=MOST_FILES - len(self._tickets.view(ticket.id, tenant=tenant).files))
            self._tickets.reply(ticket.id, author=_author(mail, sender), text=text, tenant=tenant, key=f"mail:{digest}", files=files)
            self._note_refused(ticket.id, digest, refused)
            return ticket, Outcome.REPLIED
        tenant = TenantId(ticket.tenant_id if ticket else owner.tenant_id if owner else "")
        with self._database.read(tenant) as session:
            row = session.get_one(Tenant, tenant)
        subject = " ".join(_header(mail, "Subject").split())[:LONGEST_SUBJECT] or "(no subject)"
        files, refused = _files(mail, room=MOST_FILES)
        opened = self._tickets.open(
            tenant, tier=row.tier, author=_author(mail, sender), email=sender, subject=subject, text=text, category="question",
            priority="normal", nonce=f"mail:{digest}", files=files,
        )  # fmt: skip
        new = self._tickets.view(opened, tenant=tenant).ticket
        self._note_refused(opened, digest, refused)
        with self._database.write(tenant) as session:
            taken = f"Thank you. Your request is ticket {new.id}; we answer within {new.answer_hours:g} hours.\n"
            write_about(session, new, self._clock, text=taken, key="taken", addresses=self._addresses)
        return new, Outcome.OPENED

    def _note_refused(self, ticket_id: str, digest: str, refused: Sequence[str]) -> None:
        for place, text in enumerate(refused):
            self._tickets.note(ticket_id, author="mail", text=text, key=f"mail:{digest}:{place}")

    def _keep(
        self, digest: str, outcome: Outcome, tenant: TenantId, *, ticket_id: str = "", sender: str, subject: str = "", text: str = ""
    ) -> None:
        now = self._clock.now()
        with self._database.write(_OPERATORS) as session:
            session.merge(
                TicketMail(
                    digest=digest, tenant_id=tenant, ticket_id=ticket_id, outcome=outcome, sender=sender[:200], subject=subject[:200],
                    text=text[:LONGEST_TEXT], at=now,
                )
            )  # fmt: skip


def scrub_mails(session: Session, tenant: TenantId) -> None:
    """Forget a customer's mails, in the caller's transaction."""
    session.execute(sa.delete(TicketMail).where(col(TicketMail.tenant_id) == tenant))


def _files(mail: EmailMessage, *, room: int) -> tuple[list[NewFile], list[str]]:
    """The files that are taken, at most ``room``, and why each of the others is not."""
    taken: list[NewFile] = []
    refused: list[str] = []
    for part in _attached(mail):
        name = re.sub(r"[^\w. ()+-]", "_", (part.get_filename() or "file").replace("\\", "/").rsplit("/", 1)[-1])[-100:]
        content = part.get_payload(decode=True)
        try:
            file = checked_file(name, content if isinstance(content, bytes) else b"")
        except BadInput as error:
            refused.append(f"The file {name} was not taken: {error.detail}")
        else:
            if len(taken) < room:
                taken.append(file)
            else:
                refused.append(f"The file {name} was not taken: a ticket may have {MOST_FILES} files.")
    return taken, refused


def _owner(session: Session, sender: str) -> Tenant | None:
    """The one customer whose address this is: its own, or that of somebody who opened a ticket."""
    asked = sa.select(col(Ticket.tenant_id)).where(sa.func.lower(col(Ticket.email)) == sender)
    same = (sa.func.lower(col(Tenant.email)) == sender) | col(Tenant.tenant_id).in_(asked)
    rows = session.exec(select(Tenant).where(same, col(Tenant.erased_at).is_(None)).limit(2)).all()
    return rows[0] if len(rows) == 1 else None


def _is_automatic(mail: EmailMessage, sender: str) -> bool:
    listed = _header(mail, "Precedence").lower() in {"bulk", "junk", "list", "auto_reply"}
    marked = _header(mail, "Auto-Submitted").lower() not in {"", "no"} or _header(mail, "Return-Path") == "<>"
    named = any(mail[name] is not None for name in ("List-Id", "X-Autoreply", "X-Autorespond"))
    return bool(listed or marked or named or mail.get_content_type() == "multipart/report" or _ROBOTS.match(sender))


def _header(mail: EmailMessage, name: str) -> str:
    # The parser gives broken headers as they came; a header is one line for us.
    return " ".join(" ".join(str(value) for value in mail.get_all(name, [])).split())


def _author(mail: EmailMessage, sender: str) -> str:
    name = next((name for name, _ in getaddresses([_header(mail, "From")]) if name), "")
    return name[:100] or sender


def _attached(mail: EmailMessage) -> list[EmailMessage]:
    return (
        [part for part in mail.iter_attachments() if isinstance(part, EmailMessage) and part.get_filename()] if mail.is_multipart() else []
    )


def _words(mail: EmailMessage) -> str:
    """What the sender wrote this time, without what is quoted below."""
    body = mail.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    content = body.get_payload(decode=True)
    raw = content if isinstance(content, bytes) else b""
    try:
        text = raw.decode(body.get_content_charset() or "utf-8", "replace")
    except LookupError:
        text = raw.decode("utf-8", "replace")
    if body.get_content_type() == "text/html":
        text = _without_tags(text)
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if _QUOTED.match(line.lstrip("> ")) and any(kept.strip() for kept in lines):
            break
        lines.append(line)
    while lines and (not lines[-1].strip() or lines[-1].startswith(">")):
        lines.pop()
    return "\n".join(lines).strip()[:LONGEST_TEXT]


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.hidden += tag in {"script", "style", "head"}
        if tag in {"br", "p", "div", "tr", "li", "blockquote"}:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in {"script", "style", "head"}

    def handle_data(self, data: str) -> None:
        if self.hidden <= 0:
            self.parts.append(data)


def _without_tags(html: str) -> str:
    parser = _Text()
    parser.feed(html)
    parser.close()
    return "\n".join(line for part in "".join(parser.parts).split("\n") if (line := " ".join(part.split())))
