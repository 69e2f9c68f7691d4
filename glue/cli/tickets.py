"""``glue tickets``: what customers asked, answers, and mails from a pipe."""

import sys
from typing import Annotated, Any

import typer

from glue.cli.opened import AsJson, OfTenant, known, opened, who
from glue.cli.printing import out, reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)
TicketId = Annotated[str, typer.Argument(help="Its id, as `list` shows it.", metavar="TICKET")]


@app.command("list")
def list_tickets(
    *,
    tenant: OfTenant = "",
    state: Annotated[str, typer.Option(help="open, waiting, solved or closed.")] = "",
    limit: int = 50,
    as_json: AsJson = False,
) -> None:
    """Tickets, those whose answer is due first."""
    with reporting_errors(as_json=as_json), opened() as service:
        rows, total = service.tickets.page(of=known(service, tenant) if tenant else None, state=state, limit=limit)
    lines = [
        (row.id, row.tenant_id, row.state, row.priority, row.category, None if row.answered_at else row.answer_due_at, row.subject)
        for row in rows
    ]
    names = ("id", "tenant", "state", "priority", "category", "answer_due_at", "subject")
    if as_json:
        show_json({"total": total, "tickets": [dict(zip(names, line, strict=True)) for line in lines]})
    else:
        show_table(
            "", names, [(*line[:5], f"{line[5]:%Y-%m-%d %H:%M}" if line[5] else "answered", line[6]) for line in lines], empty="No tickets."
        )


@app.command()
def show(ticket: TicketId, *, as_json: AsJson = False) -> None:
    """One conversation, with our notes and the names of its files."""
    with reporting_errors(as_json=as_json), opened() as service:
        view = service.tickets.view(ticket)
        link = service.issue_links.of(ticket) if service.settings.issues.repository else None
    if as_json:
        facts: dict[str, Any] = view.ticket.model_dump(exclude={"nonce"})
        facts["messages"] = [message.model_dump(include={"author", "by_operator", "internal", "text", "at"}) for message in view.messages]
        facts |= {"files": [{"name": name, "bytes": size} for _, name, size in view.files], "issue": link.number if link else None}
        show_json(facts)
        return
    out.print(f"{view.ticket.subject} · {view.ticket.state} · {view.ticket.tenant_id}", markup=False)
    for message in view.messages:
        side = "note" if message.internal else "we" if message.by_operator else "customer"
        out.print(f"\n{message.at:%Y-%m-%d %H:%M} {message.author} ({side})\n{message.text}", markup=False)
    if view.files:
        out.print(f"\nFiles: {', '.join(name for _, name, _ in view.files)}", markup=False)


@app.command()
def reply(
    ticket: TicketId,
    *,
    text: Annotated[str, typer.Option(help="The answer; without it, it is read from standard input.")] = "",
    name: Annotated[str, typer.Option("--as", help="Who signs it.")] = "Support",
    as_json: AsJson = False,
) -> None:
    """Answer a ticket: in the portal, and by mail to who asked."""
    from hashlib import sha256

    from glue.support.answers import answer_ticket

    if not text and sys.stdin.isatty():
        text = typer.prompt("Your answer")
    words = text or sys.stdin.read()
    with reporting_errors(as_json=as_json), opened() as service:
        # The same words to the same conversation are one answer, however often the command is sent.
        key = sha256(f"{len(service.tickets.view(ticket).messages)}:{words}".encode()).hexdigest()[:20]
        answered = answer_ticket(
            service.tickets, service.database, service.clock, ticket, author=name, text=words, key=key, addresses=service.reply_addresses
        )
    if as_json:
        show_json({"ticket": answered.id, "state": answered.state, "mail": bool(answered.email)})
    else:
        out.print("Answered; the mail is on its way." if answered.email else "Answered.")


@app.command()
def note(ticket: TicketId, text: str) -> None:
    """Keep something about a ticket that customers do not see."""
    with reporting_errors(), opened() as service:
        service.tickets.note(ticket, author=who(), text=text)
        out.print("Kept.")


@app.command("set")
def set_state(ticket: TicketId, state: Annotated[str, typer.Argument(help="open, waiting, solved or closed.")]) -> None:
    """Say in which state a ticket is."""
    with reporting_errors(), opened() as service:
        service.tickets.set_state(ticket, state)
        out.print(f"{ticket} is {state}.")


@app.command()
def receive(*, as_json: AsJson = False) -> None:
    """Take one raw mail from standard input, as a mail server pipes it. The same mail again changes nothing."""
    from glue.support.mail_in import LARGEST_MAIL

    with reporting_errors(as_json=as_json), opened() as service:
        received = service.mail_in.receive(sys.stdin.buffer.read(LARGEST_MAIL + 1))
    if as_json:
        show_json({"outcome": received.outcome, "ticket": received.ticket_id})
    else:
        out.print(f"{received.outcome} {received.ticket_id}".strip())
