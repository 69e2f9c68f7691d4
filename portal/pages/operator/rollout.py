"""The roll-out: cohorts, invitation codes, the waiting list, and the switches that stop something at once."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.errors import BadInput
from glue.rules.cohorts import Cohort
from glue.support.invitations import InvitationCode
from glue.support.waiting import WaitingPerson, WaitingState
from glue.switches import FLAG, REGISTRATION, RUNS, SwitchChange
from glue.wiring import Services
from portal.pages.operator.shared import PAGE, Pager, pager_of, show
from portal.rendering import FormState
from portal.site import FormText, Site


@dataclass(frozen=True)
class RolloutPage:
    """``cohorts`` are (cohort, members now, members ever, open now); ``waiting`` is (state, addresses)."""

    cohorts: tuple[tuple[Cohort, int, int, bool], ...]
    waiting: tuple[tuple[str, int], ...]
    by_invitation: bool
    switches: tuple[tuple[str, SwitchChange | None], ...]
    history: tuple[SwitchChange, ...]
    form: FormState


@dataclass(frozen=True)
class CodesPage:
    """``issued`` are codes just made: shown this once."""

    rows: tuple[InvitationCode, ...]
    pager: Pager
    cohorts: tuple[Cohort, ...]
    issued: tuple[str, ...]
    form: FormState


@dataclass(frozen=True)
class WaitingListPage:
    rows: tuple[WaitingPerson, ...]
    pager: Pager
    state: str
    states: tuple[str, ...]


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/operator")
    rollout, switches = services.rollout, services.switches

    def overview(request: Request, form: FormState, *, status: int = 200) -> Response:
        person, off, counts = site.people.get_operator(request), switches.off(), rollout.counts()
        now = services.clock.now()
        names = (REGISTRATION, RUNS, *(FLAG + feature for feature in sorted(services.features)))
        context = RolloutPage(
            cohorts=tuple((cohort, *counts.get(cohort.code, (0, 0)), cohort.is_open(now)) for cohort in rollout.cohorts),
            waiting=tuple(services.waiting_list.counts().items()),
            by_invitation=rollout.by_invitation,
            switches=tuple((name, off.get(name)) for name in names),
            history=tuple(switches.history(limit=20)),
            form=form,
        )
        return site.page(
            request, "operator_rollout", context, title="Roll-out", person=person, current="rollout", operator=True, status=status
        )

    def codes_page(request: Request, form: FormState, *, issued: tuple[str, ...] = (), offset: int = 0, status: int = 200) -> Response:
        person = site.people.get_operator(request)
        rows, total = services.invitations.page(offset=max(offset, 0), limit=PAGE)
        context = CodesPage(tuple(rows), pager_of("/operator/codes", offset, total), tuple(rollout.cohorts), issued, form)
        return site.page(
            request, "operator_codes", context, title="Invitation codes", person=person, current="rollout", operator=True, status=status
        )

    @router.get("/rollout")
    def page(request: Request) -> Response:
        return overview(request, site.new_form())

    @router.post("/switches")
    def turn(request: Request, name: FormText = "", off: FormText = "", reason: FormText = "") -> Response:
        """Stop something for everybody at once, or let it go on."""
        person = site.people.get_operator(request)
        try:
            switches.turn(name, off=off == "yes", reason=reason, by=person.email, features=services.features)
        except BadInput as error:
            return overview(request, FormState({}, {f"reason-{name}": error.detail}), status=422)
        return RedirectResponse("/operator/rollout", 303)

    @router.get("/codes")
    def codes(request: Request, offset: int = 0) -> Response:
        return codes_page(request, site.new_form(number="1", uses="1", days="30"), offset=offset)

    @router.post("/codes")
    def issue(
        request: Request,
        cohort: FormText = "",
        number: FormText = "",
        uses: FormText = "",
        days: FormText = "",
        note: FormText = "",
        nonce: FormText = "",
    ) -> Response:
        """Make codes and show them this once; the form sent twice makes them once."""
        person = site.people.get_operator(request)
        typed = {"cohort": cohort, "number": number, "uses": uses, "days": days, "note": note}
        issued: list[str] = []

        def make() -> str:
            wanted = {name: int(text) if text.isdecimal() else 0 for name, text in (("number", number), ("uses", uses), ("days", days))}
            made = services.invitations.issue(rollout.get(cohort).code, note=note, by=person.email, **wanted)
            issued.extend(one.code for one in made)
            return "/operator/codes"

        try:
            answer = site.once(request, nonce, make)
        except BadInput as error:
            return codes_page(request, site.wrong(typed, error, say=str), status=422)
        return codes_page(request, site.new_form(**typed), issued=tuple(issued)) if issued else answer

    @router.post("/codes/revoke")
    def revoke(request: Request, digest: FormText = "") -> Response:
        site.people.get_operator(request)
        services.invitations.revoke(digest)
        return RedirectResponse("/operator/codes", 303)

    @router.get("/waiting-list")
    def waiting_list(request: Request, state: str = "", offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        rows, total = services.waiting_list.page(state=state if state in set(WaitingState) else "", offset=max(offset, 0), limit=PAGE)
        pager = pager_of("/operator/waiting-list", offset, total, state=state)
        context = WaitingListPage(tuple(rows), pager, state, tuple(WaitingState))
        return show(site, request, person, "operator_waiting", context, "Waiting list", "rollout")

    @router.post("/waiting-list/invite")
    def invite(request: Request, cohort: FormText = "", number: FormText = "", nonce: FormText = "") -> Response:
        person = site.people.get_operator(request)

        def action() -> str:
            invited = services.waiting_list.invite_next(rollout.get(cohort), int(number) if number.isdecimal() else 0, by=person.email)
            site.tell(request, f"{invited} invited.")
            return "/operator/rollout"

        try:
            return site.once(request, nonce, action)
        except BadInput as error:
            return overview(request, site.wrong({"number": number, "cohort": cohort}, error, say=str), status=422)

    return router
