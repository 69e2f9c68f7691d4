"""An operator's answer: into the ticket, and by mail to who asked, once. An answer to that mail comes back by its signed address."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from glue.clock import Clock
from glue.converge.effects import plan_effect
from glue.db import Database
from glue.dirty import Priority, mark
from glue.rules.names import TenantId
from glue.support.tickets import Ticket, Tickets

REPLY_LINE = "##- Please write above this line -##"
_MARKED = re.compile(r"(tkt_[0-9a-f]{10})\.([0-9a-f]{20})")


@dataclass(frozen=True)
class ReplyAddresses:
    """Addresses that name a ticket: ``support+TICKET.SIGNATURE@…``. ``keys`` sign, newest first."""

    keys: Sequence[str]
    support_address: str

    def of(self, ticket_id: str) -> str:
        name, _, domain = self.support_address.partition("@")
        return f"{name}+{ticket_id}.{self._sign(self.keys[0], ticket_id)}@{domain}"

    def find(self, addresses: str) -> str:
        """The ticket that one of the addresses names with a signature of ours; empty when none does."""
        for ticket_id, signature in _MARKED.findall(addresses.lower()):
            if any(hmac.compare_digest(self._sign(key, ticket_id), signature) for key in self.keys):
                return str(ticket_id)
        return ""

    @staticmethod
    def _sign(key: str, ticket_id: str) -> str:
        return hmac.new(key.encode(), f"ticket:{ticket_id}".encode(), hashlib.sha256).hexdigest()[:20]


def answer_ticket(
    tickets: Tickets, database: Database, clock: Clock, ticket_id: str, *, author: str, text: str, key: str, addresses: ReplyAddresses
) -> Ticket:
    """Reply as an operator and plan the mail; ``key`` makes it one mail. Raises BadInput, NotFound, Conflict."""
    ticket = tickets.reply(ticket_id, author=author, text=text, key=f"answer:{ticket_id}:{key}")
    with database.write(TenantId(ticket.tenant_id)) as session:
        write_about(session, ticket, clock, text=f"{text.strip()}\n\n{author}\n", key=key, addresses=addresses)
    return ticket


def write_about(session: Session, ticket: Ticket, clock: Clock, *, text: str, key: str, addresses: ReplyAddresses) -> None:
    """Plan one mail about a ticket to who opened it, in the caller's transaction."""
    if not ticket.email:
        return
    tenant, subject = TenantId(ticket.tenant_id), f"Re: {ticket.subject} [{ticket.id}]"
    payload = {
        "to": ticket.email,
        "subject": " ".join(subject.split()),
        "text": f"{REPLY_LINE}\n\n{text}",
        "reply_to": addresses.of(ticket.id),
    }
    plan_effect(session, tenant, key=f"ticket/{ticket.id}/{key}", kind="mail", payload=payload, now=clock.now())
    mark(session, tenant, why="a ticket was answered", now=clock.now(), priority=Priority.HINT)
