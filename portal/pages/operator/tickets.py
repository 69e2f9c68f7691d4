"""Tickets: the list, one conversation, answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from glue.rules.names import TenantId
from glue.support.answers import answer_ticket
from glue.support.tickets import State, Ticket, TicketView
from glue.wiring import Services
from portal.pages.operator.shared import PAGE, SCOPE, Pager, names_of, pager_of, show
from portal.rendering import FormState
from portal.site import Site

CANNED = (
    ("Thank you", "Thank you for writing. We are looking into this and will answer within the time of your plan."),
    ("More details", "To find the cause we need the exact time, the page or command, and what you expected to happen instead."),
    ("Solved", "This works again. Please tell us if you see it once more."),
)


@dataclass(frozen=True)
class TicketsPage:
    rows: tuple[Ticket, ...]
    names: Mapping[str, str]
    pager: Pager
    state: str
    now: datetime
    themes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class TicketPage:
    view: TicketView
    name: str
    states: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    form: FormState


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/operator")
    database, clock = services.database, services.clock

    @router.get("/tickets")
    def tickets(request: Request, state: str = "", offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        rows, total = services.tickets.page(state=state if state in set(State) else "", offset=max(offset, 0), limit=PAGE)
        with database.read(SCOPE) as session:
            names = names_of(session, [TenantId(row.tenant_id) for row in rows])
        context = TicketsPage(
            tuple(rows),
            names,
            pager_of("/operator/tickets", offset, total, state=state),
            state,
            clock.now(),
            tuple(services.feedback.themes()),
        )
        return show(site, request, person, "operator_tickets", context, "Tickets", "tickets")

    @router.get("/tickets/{ticket}")
    def ticket_page(request: Request, ticket: str) -> Response:
        person = site.people.get_operator(request)
        view = services.tickets.view(ticket)
        with database.read(SCOPE) as session:
            name = names_of(session, [TenantId(view.ticket.tenant_id)]).get(view.ticket.tenant_id, "")
        return show(
            site,
            request,
            person,
            "operator_ticket",
            TicketPage(view, name, tuple(State), CANNED, site.new_form()),
            view.ticket.subject,
            "tickets",
        )

    @router.post("/tickets/{ticket}/reply")
    def reply(request: Request, ticket: str, text: Annotated[str, Form()] = "", nonce: Annotated[str, Form()] = "") -> Response:
        person = site.people.get_operator(request)

        def answer() -> str:
            answer_ticket(
                services.tickets, database, clock, ticket, author=person.name, text=text, key=nonce, addresses=services.reply_addresses
            )
            return f"/operator/tickets/{ticket}"

        return site.once(request, nonce, answer)

    @router.post("/tickets/{ticket}/state")
    def set_state(request: Request, ticket: str, state: Annotated[str, Form()] = "") -> Response:
        site.people.get_operator(request)
        services.tickets.set_state(ticket, state)
        return RedirectResponse(f"/operator/tickets/{ticket}", 303)

    return router
