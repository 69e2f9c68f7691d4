"""Help: tickets with their conversation and files, and feedback."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, File, Query, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from glue.errors import BadInput, Conflict
from glue.support.tickets import LARGEST_FILE, Category, NewFile, State, Ticket, TicketPriority, TicketView, checked_file
from glue.wiring import Services
from portal.languages import refusal
from portal.people import Person
from portal.rendering import FormState
from portal.site import FormText, Site

PAGE = 25


@dataclass(frozen=True)
class HelpPage:
    """``answer_hours`` is what the plan promises for a first answer."""

    tickets: tuple[Ticket, ...]
    total: int
    older: int
    form: FormState
    categories: tuple[str, ...]
    priorities: tuple[str, ...]
    answer_hours: int
    can_ask: bool
    support_address: str
    page: str


@dataclass(frozen=True)
class TicketPage:
    view: TicketView
    form: FormState
    can_reply: bool


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/help")
    tickets = services.tickets

    def show(request: Request, person: Person, form: FormState, *, offset: int = 0, status: int = 200) -> Response:
        rows, total = tickets.page(tenant=person.tenant, offset=offset, limit=PAGE)
        tier = services.actions.tier(person.tenant)
        context = HelpPage(
            tickets=tuple(rows),
            total=total,
            older=offset + PAGE if total > offset + PAGE else 0,
            form=form,
            categories=tuple(Category),
            priorities=tuple(TicketPriority),
            answer_hours=tier.support_hours if tier else 72,
            can_ask=person.may(*person.roles),
            support_address=services.settings.support_address,
            page=request.query_params.get("about", "")[:200],
        )
        return site.page(request, "help", context, title="Help", person=person, current="help", status=status)

    @router.get("")
    def page(request: Request, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> Response:
        return show(request, site.people.get(request), site.new_form(category="question", priority="normal"), offset=offset)

    @router.post("/tickets")
    def open_ticket(
        request: Request,
        subject: FormText = "",
        text: FormText = "",
        category: FormText = "",
        priority: FormText = "",
        nonce: FormText = "",
        file: Annotated[UploadFile | None, File()] = None,
    ) -> Response:
        person = writer_of(request)
        say = site.writer(request, person).text

        def action() -> str:
            tier = services.actions.tier(person.tenant)
            ticket_id = tickets.open(
                person.tenant, tier=tier.code if tier else "", author=person.name, email=person.email, subject=subject, text=text,
                category=category, priority=priority, nonce=nonce, files=_files(file),
            )  # fmt: skip
            site.tell(request, say("Thank you. We answer by mail and here."))
            return f"/help/tickets/{ticket_id}"

        try:
            return site.once(request, nonce, action)
        except BadInput as error:
            typed = {"subject": subject, "text": text, "category": category, "priority": priority}
            return show(request, person, site.wrong(typed, error, say=say), status=422)

    def show_ticket(request: Request, person: Person, ticket_id: str, form: FormState, *, status: int = 200) -> Response:
        view = tickets.view(ticket_id, tenant=person.tenant)
        can_reply = view.ticket.state != State.CLOSED and person.may(*person.roles)
        context = TicketPage(view=view, form=form, can_reply=can_reply)
        return site.page(request, "ticket", context, title="Ticket", person=person, current="help", status=status)

    @router.get("/tickets/{ticket_id}")
    def ticket_page(request: Request, ticket_id: str) -> Response:
        return show_ticket(request, site.people.get(request), ticket_id, site.new_form())

    @router.post("/tickets/{ticket_id}/reply")
    def reply(
        request: Request, ticket_id: str, text: FormText = "", nonce: FormText = "", file: Annotated[UploadFile | None, File()] = None
    ) -> Response:
        person = writer_of(request)
        say = site.writer(request, person).text

        def action() -> str:
            tickets.reply(ticket_id, author=person.name, text=text, tenant=person.tenant, key=f"{ticket_id}:{nonce}", files=_files(file))
            return f"/help/tickets/{ticket_id}"

        try:
            return site.once(request, nonce, action)
        except BadInput as error:
            return show_ticket(request, person, ticket_id, site.wrong({"text": text}, error, say=say), status=422)
        except Conflict as error:  # closed meanwhile: what was typed goes on as a new ticket
            subject = tickets.view(ticket_id, tenant=person.tenant).ticket.subject
            problem = BadInput(error.detail, field="subject")
            return show(request, person, site.wrong({"subject": subject, "text": text}, problem, say=say), status=409)

    @router.post("/tickets/{ticket_id}/solved")
    def solve(request: Request, ticket_id: str) -> Response:
        person = writer_of(request)
        tickets.set_state(ticket_id, State.SOLVED, tenant=person.tenant)
        return RedirectResponse(f"/help/tickets/{ticket_id}", 303)

    @router.get("/tickets/{ticket_id}/files/{file_id}")
    def attachment(request: Request, ticket_id: str, file_id: int) -> Response:
        person = site.people.get(request)
        name, content = tickets.file(ticket_id, file_id, tenant=person.tenant)
        headers = {"Content-Disposition": f'attachment; filename="{name.encode("ascii", "replace").decode()}"', "Cache-Control": "no-store"}
        return Response(content, media_type="application/octet-stream", headers=headers)

    @router.post("/feedback")
    def feedback(
        request: Request, rating: FormText = "", text: FormText = "", page: FormText = "", contact: FormText = "", nonce: FormText = ""
    ) -> Response:
        person = writer_of(request)
        say = site.writer(request, person).text

        def action() -> str:
            services.feedback.give(
                person.tenant, rating=int(rating) if rating.isdecimal() else 0, text=text, page=page, author=person.email, contact=contact == "yes",
            )  # fmt: skip
            site.tell(request, say("Thank you, we read every word."))
            return "/help"

        try:
            return site.once(request, nonce, action)
        except BadInput as error:
            problem = FormState(
                {"feedback": text, "rating": rating},
                {("rating" if error.field == "rating" else "feedback"): refusal(error, say)},
                site.new_form().nonce,
            )
            return show(request, person, problem, status=422)

    def writer_of(request: Request) -> Person:
        person = site.people.get(request)
        person.must(*person.roles)
        return person

    return router


def _files(file: UploadFile | None) -> tuple[NewFile, ...]:
    """What was chosen, checked: nothing is written before its file is found to be good."""
    if file is None or not file.filename:
        return ()
    return (checked_file(file.filename.replace("\\", "/").rsplit("/", 1)[-1], file.file.read(LARGEST_FILE + 1)),)
