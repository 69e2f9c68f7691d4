"""Tickets: the list, one conversation, answers; mails that found no ticket; feedback and its themes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from glue.errors import BadInput, Conflict, UpstreamError
from glue.rules.names import TenantId
from glue.support.answers import answer_ticket
from glue.support.feedback import Feedback
from glue.support.issue_links import IssueLink
from glue.support.mail_in import TicketMail
from glue.support.tickets import State, Ticket, TicketView
from glue.wiring import Services
from portal.pages.operator.shared import PAGE, SCOPE, Pager, names_of, pager_of, show
from portal.people import Person
from portal.rendering import FormState
from portal.site import Site

Offset = Annotated[int, Query(ge=0, le=1_000_000)]


@dataclass(frozen=True)
class TicketsPage:
    rows: tuple[Ticket, ...]
    names: Mapping[str, str]
    pager: Pager
    state: str
    now: datetime
    themes: tuple[tuple[str, int], ...]
    unplaced: tuple[TicketMail, ...]


@dataclass(frozen=True)
class TicketPage:
    """``can_report``: a tracker is set and the ticket has no issue there yet."""

    view: TicketView
    name: str
    states: tuple[str, ...]
    answers: Mapping[str, str]
    form: FormState
    issue: IssueLink | None
    can_report: bool


@dataclass(frozen=True)
class FeedbackPage:
    rows: tuple[Feedback, ...]
    names: Mapping[str, str]
    pager: Pager
    themes: tuple[tuple[str, int], ...]


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/operator")
    database, clock = services.database, services.clock
    linked = bool(services.settings.issues.repository)

    @router.get("/tickets")
    def tickets(request: Request, state: str = "", offset: Offset = 0) -> Response:
        person = site.people.get_operator(request)
        rows, total = services.tickets.page(state=state if state in set(State) else "", offset=offset, limit=PAGE)
        with database.read(SCOPE) as session:
            names = names_of(session, [TenantId(row.tenant_id) for row in rows])
        context = TicketsPage(
            tuple(rows),
            names,
            pager_of("/operator/tickets", offset, total, state=state),
            state,
            clock.now(),
            tuple(services.feedback.themes()),
            tuple(services.mail_in.unplaced(limit=10)),
        )
        return show(site, request, person, "operator_tickets", context, "Tickets", "tickets")

    def show_ticket(request: Request, person: Person, ticket: str, form: FormState, *, status: int = 200) -> Response:
        view = services.tickets.view(ticket)
        with database.read(SCOPE) as session:
            name = names_of(session, [TenantId(view.ticket.tenant_id)]).get(view.ticket.tenant_id, "")
        issue = services.issue_links.of(ticket) if linked else None
        context = TicketPage(view, name, tuple(State), services.ready_answers, form, issue, linked and issue is None)
        page = show(site, request, person, "operator_ticket", context, view.ticket.subject, "tickets")
        page.status_code = status
        return page

    @router.get("/tickets/{ticket}")
    def ticket_page(request: Request, ticket: str, answer: str = "") -> Response:
        """``answer``: the title of a ready answer to begin with."""
        form = site.new_form(text=services.ready_answers.get(answer, ""))
        return show_ticket(request, site.people.get_operator(request), ticket, form)

    @router.post("/tickets/{ticket}/reply")
    def reply(request: Request, ticket: str, text: Annotated[str, Form()] = "", nonce: Annotated[str, Form()] = "") -> Response:
        person = site.people.get_operator(request)

        def answer() -> str:
            answer_ticket(
                services.tickets, database, clock, ticket, author=person.name, text=text, key=nonce, addresses=services.reply_addresses
            )
            return f"/operator/tickets/{ticket}"

        try:
            return site.once(request, nonce, answer)
        except BadInput as error:
            return show_ticket(
                request, person, ticket, site.wrong({"text": text}, error, say=site.writer(request, person).text), status=422
            )

    @router.post("/tickets/{ticket}/note")
    def note(request: Request, ticket: str, text: Annotated[str, Form()] = "", nonce: Annotated[str, Form()] = "") -> Response:
        person = site.people.get_operator(request)
        if text.strip():
            services.tickets.note(ticket, author=person.name, text=text, key=f"note:{ticket}:{nonce}")
        return RedirectResponse(f"/operator/tickets/{ticket}", 303)

    @router.post("/tickets/{ticket}/issue")
    def report(request: Request, ticket: str) -> Response:
        person = site.people.get_operator(request)
        say = site.writer(request, person).text
        try:
            services.issue_links.link(ticket)
        except (UpstreamError, Conflict) as error:
            site.tell(request, say(error.detail))
        return RedirectResponse(f"/operator/tickets/{ticket}", 303)

    @router.post("/tickets/{ticket}/state")
    def set_state(request: Request, ticket: str, state: Annotated[str, Form()] = "") -> Response:
        site.people.get_operator(request)
        services.tickets.set_state(ticket, state)
        return RedirectResponse(f"/operator/tickets/{ticket}", 303)

    @router.get("/tickets/{ticket}/files/{file_id}")
    def attachment(request: Request, ticket: str, file_id: int) -> Response:
        site.people.get_operator(request)
        name, content = services.tickets.file(ticket, file_id)
        headers = {"Content-Disposition": f'attachment; filename="{name.encode("ascii", "replace").decode()}"', "Cache-Control": "no-store"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @router.get("/feedback")
    def feedback(request: Request, offset: Offset = 0) -> Response:
        person = site.people.get_operator(request)
        rows, total = services.feedback.page(offset=offset, limit=PAGE)
        with database.read(SCOPE) as session:
            names = names_of(session, [TenantId(row.tenant_id) for row in rows])
        context = FeedbackPage(tuple(rows), names, pager_of("/operator/feedback", offset, total), tuple(services.feedback.themes()))
        return show(site, request, person, "operator_feedback", context, "Feedback", "tickets")

    return router
