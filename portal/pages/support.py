"""Help: tickets with their conversation and files, and feedback."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, File, Query, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from glue.errors import BadInput
from glue.support.tickets import LARGEST_FILE, Category, State, Ticket, TicketPriority, TicketView
from glue.wiring import Services
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
                category=category, priority=priority, nonce=nonce,
            )  # fmt: skip
            _attach(services, person, ticket_id, file)
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
            _check_file(file)
            tickets.reply(ticket_id, author=person.name, text=text, tenant=person.tenant)
            _attach(services, person, ticket_id, file)
            return f"/help/tickets/{ticket_id}"

        try:
            return site.once(request, nonce, action)
        except BadInput as error:
            return show_ticket(request, person, ticket_id, site.wrong({"text": text}, error, say=say), status=422)

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
    def feedback(request: Request, rating: FormText = "", text: FormText = "", page: FormText = "", contact: FormText = "") -> Response:
        person = writer_of(request)
        say = site.writer(request, person).text
        try:
            services.feedback.give(
                person.tenant, rating=int(rating) if rating.isdecimal() else 0, text=text, page=page, author=person.email, contact=contact == "yes",
            )  # fmt: skip
        except BadInput as error:
            problem = FormState(
                {"feedback": text}, {("rating" if error.field == "rating" else "feedback"): say(error.detail)}, site.new_form().nonce
            )
            return show(request, person, problem, status=422)
        site.tell(request, say("Thank you, we read every word."))
        return RedirectResponse("/help", 303)

    def writer_of(request: Request) -> Person:
        person = site.people.get(request)
        person.must(*person.roles)
        return person

    return router


def _check_file(file: UploadFile | None) -> None:
    if file is not None and (file.size or 0) > LARGEST_FILE:
        raise BadInput("Files may have 5 MB.", field="file", expected="at most 5 MB")


def _attach(services: Services, person: Person, ticket_id: str, file: UploadFile | None) -> None:
    if file is not None and file.filename:
        _check_file(file)
        name = file.filename.replace("\\", "/").rsplit("/", 1)[-1]
        services.tickets.attach(person.tenant, ticket_id, name=name, content=file.file.read(LARGEST_FILE + 1))
