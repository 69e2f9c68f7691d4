"""An operator's answer: into the ticket, and by mail to who asked, once."""

from glue.clock import Clock
from glue.converge.effects import plan_effect
from glue.db import Database
from glue.dirty import Priority, mark
from glue.rules.names import TenantId
from glue.support.tickets import Ticket, Tickets


def answer_ticket(tickets: Tickets, database: Database, clock: Clock, ticket_id: str, *, author: str, text: str, key: str) -> Ticket:
    """Reply as an operator and plan the mail; ``key`` makes it one mail. Raises BadInput, NotFound, Conflict."""
    ticket = tickets.reply(ticket_id, author=author, text=text)
    if ticket.email:
        subject = f"Re: {ticket.subject} [{ticket.id}]"
        payload = {"to": ticket.email, "subject": " ".join(subject.split()), "text": f"{text.strip()}\n\n{author}\n"}
        tenant = TenantId(ticket.tenant_id)
        with database.write(tenant) as session:
            plan_effect(session, tenant, key=f"ticket/{ticket.id}/{key}", kind="mail", payload=payload, now=clock.now())
            mark(session, tenant, why="a ticket was answered", now=clock.now(), priority=Priority.HINT)
    return ticket
