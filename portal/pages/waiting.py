"""The door while registration is not open to everybody: a code opens it, the waiting list is the other way in."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.actions.drafts import Drafts
from glue.errors import BadInput
from glue.support.invitations import digest_code
from glue.wiring import Services
from portal.rendering import FormState
from portal.site import FormText, Site


@dataclass(frozen=True)
class WaitingPage:
    """``closed``: registration is off for everybody, codes do not help. ``token``: the reader of a letter is here."""

    form: FormState
    closed: bool
    token: str = ""


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter()
    waiting, rollout = services.waiting_list, services.rollout
    drafts = Drafts(services.database, services.clock)

    def show(request: Request, form: FormState, *, token: str = "", status: int = 200) -> Response:
        context = WaitingPage(form=form, closed=rollout.is_closed(), token=token)
        return site.page(request, "waiting", context, title="Waiting list", person=site.people.find(request), status=status)

    def wrong_code(request: Request, code: str) -> Response:
        detail = site.writer(request).text("This code is not known, was used up, or has ended.")
        return show(request, site.wrong({"code": code}, BadInput(detail, field="code"), say=str), status=422)

    @router.get("/waiting-list")
    def page(request: Request) -> Response:
        person = site.people.find(request)
        return show(request, site.new_form(email=person.email if person else ""))

    @router.post("/waiting-list")
    def join(request: Request, email: FormText = "") -> Response:
        """Ask for a place: what is answered does not tell who waits already."""
        say = site.writer(request).text
        try:
            waiting.join(email, locale=site.locale(request))
        except BadInput as error:
            return show(request, site.wrong({"email": email}, error, say=say), status=422)
        site.tell(request, say("Please look into your mail and confirm your place."))
        return RedirectResponse("/waiting-list", 303)

    @router.get("/waiting-list/{token}")
    def from_letter(request: Request, token: str) -> Response:
        """Confirm or leave: by a button, because mail programs follow links on their own."""
        waiting.letters.address_of(token)
        return show(request, site.new_form(), token=token)

    @router.post("/waiting-list/{token}/confirm")
    def confirm(request: Request, token: str) -> Response:
        waiting.confirm(token)
        site.tell(request, site.writer(request).text("Your place is confirmed. We write to you as soon as there is room."))
        return RedirectResponse("/waiting-list", 303)

    @router.post("/waiting-list/{token}/leave")
    def leave(request: Request, token: str) -> Response:
        waiting.leave(token)
        site.tell(request, site.writer(request).text("Your address is forgotten."))
        return RedirectResponse("/waiting-list", 303)

    @router.post("/invitation")
    def enter_code(request: Request, code: FormText = "") -> Response:
        if services.invitations.find_usable(digest_code(code)) is None:
            return wrong_code(request, code)
        plain = "-".join(code.split()).strip("-") or "-"
        return RedirectResponse(f"/invitation/{plain}", 303)

    @router.get("/invitation/{code}")
    def use_code(request: Request, code: str) -> Response:
        """Keep the code with what the person fills in; it is used up when they become a customer."""
        person, digest = site.people.get_signed_in(request), digest_code(code)
        admission = rollout.admit(person.email, digest)
        if admission is None or admission.code_digest != digest:
            return wrong_code(request, code)
        drafts.keep(person.subject, {"code": digest}, new_nonce=site.new_form().nonce)
        return RedirectResponse("/welcome", 303)

    return router
