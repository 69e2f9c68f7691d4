"""The team: who is in it, who is invited, in which role, and how many seats are left."""

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.actions.team import invite, remove_member, resend_invitation, set_role, withdraw_invitation
from glue.errors import BadInput, Conflict, LimitReached
from glue.rules.facts import Invitation, Member, Role
from glue.wiring import Services
from portal.languages import refusal
from portal.people import Person
from portal.rendering import FormState
from portal.site import FormText, Site

ROLES = tuple(role.value for role in Role)


@dataclass(frozen=True)
class TeamMember:
    id: str
    name: str
    email: str
    roles: tuple[str, ...]
    you: bool


@dataclass(frozen=True)
class TeamPage:
    """``refusal`` says why the last invitation was not sent."""

    members: tuple[TeamMember, ...]
    invitations: tuple[Invitation, ...]
    seats_used: int
    seats_limit: int
    roles: tuple[str, ...]
    can_manage: bool
    form: FormState
    refusal: str
    stale_since: datetime | None


@dataclass(frozen=True)
class RemovePage:
    """``managed``: the account goes with the membership. ``problem``: why the person was not removed."""

    user: str
    name: str
    managed: bool
    problem: str


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/team")

    def show(request: Request, person: Person, form: FormState, *, refusal: str = "", status: int = 200) -> Response:
        look = site.known.team(person.tenant)
        members = look.value.members if look.value else ()
        context = TeamPage(
            members=tuple(_describe(member, person) for member in members if not member.service_account),
            invitations=look.value.invitations if look.value else (),
            seats_used=look.value.seats.used if look.value else 0,
            seats_limit=look.value.seats.limit if look.value else services.actions.grants(person.tenant).seats,
            roles=ROLES,
            can_manage=person.may(),
            form=form,
            refusal=refusal,
            stale_since=look.stale_since,
        )
        return site.page(request, "team", context, title="Team", person=person, current="team", status=status)

    @router.get("")
    def page(request: Request) -> Response:
        return show(request, site.people.get(request), site.new_form(role="member"))

    @router.post("/invite")
    def send_invitation(request: Request, email: FormText = "", role: FormText = "member", nonce: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()
        say = site.writer(request, person).text

        def action() -> str:
            done = invite(services.actions, person.tenant, email=email, role=role, by=person.email, nonce=nonce)
            site.tell_outcome(request, done=done, said=say("The invitation is on its way to %(email)s.", email=email.strip()))
            return "/team"

        typed = {"email": email, "role": role}
        try:
            return site.once(request, nonce, action)
        except LimitReached as error:
            limit = str(error.fields["limit"])
            full = say("All %(limit)s seats are taken. Remove a member or an invitation, or choose a plan with more seats.", limit=limit)
            return show(request, person, FormState(values=typed, nonce=site.new_form().nonce), refusal=full, status=403)
        except Conflict as error:
            return show(request, person, FormState(typed, {"email": refusal(error, say)}, site.new_form().nonce), status=409)
        except BadInput as error:
            return show(request, person, site.wrong(typed, error, say=say), status=422)

    @router.post("/roles")
    def change_role(request: Request, user: FormText = "", role: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()
        set_role(services.actions, person.tenant, user, role=role, by=person.email, nonce=site.new_form().nonce)
        site.tell(request, site.writer(request, person).text("The role was changed."))
        return RedirectResponse("/team", 303)

    def show_removal(request: Request, person: Person, user: str, *, problem: str = "", status: int = 200) -> Response:
        team = site.known.team(person.tenant).value
        member = next((one for one in team.members if one.user_id == user), None) if team else None
        if member is None:
            return RedirectResponse("/team", 303)
        context = RemovePage(user=user, name=_describe(member, person).name, managed=member.managed, problem=problem)
        return site.page(request, "team_remove", context, title="Remove a member", person=person, current="team", status=status)

    @router.get("/remove")
    def confirm_removal(request: Request, user: str = "") -> Response:
        person = site.people.get(request)
        person.must()
        return show_removal(request, person, user)

    @router.post("/remove")
    def remove(request: Request, user: FormText = "", account: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()

        def action() -> None:
            remove_member(services.actions, person.tenant, user, by=person.email, delete_account=account == "may-go")
            services.actions.wait_until_settled(person.tenant, seconds=5)

        say = site.writer(request, person).text
        try:
            return site.let_go(request, "/team", action, say("The member was removed; the seat is free."))
        except Conflict as error:
            return show_removal(request, person, user, problem=refusal(error, say), status=409)

    @router.post("/invitations/resend")
    def resend(request: Request, invitation: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()
        said = site.writer(request, person).text("The invitation was sent again; the older link no longer works.")
        return site.let_go(request, "/team", lambda: resend_invitation(services.actions, person.tenant, invitation, by=person.email), said)

    @router.post("/invitations/remove")
    def withdraw(request: Request, invitation: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()
        said = site.writer(request, person).text("The invitation was withdrawn; the seat is free.")
        return site.let_go(
            request, "/team", lambda: withdraw_invitation(services.actions, person.tenant, invitation, by=person.email), said
        )

    return router


def _describe(member: Member, person: Person) -> TeamMember:
    name = f"{member.first_name} {member.last_name}".strip() or member.username
    return TeamMember(member.user_id, name, member.email, tuple(sorted(member.roles)), you=member.user_id == person.subject)
