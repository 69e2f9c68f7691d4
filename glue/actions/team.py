"""The team: invitations while seats are free, roles, leaving. A member whose account would be deleted needs a second word."""

from contextlib import suppress

from glue.actions.asking import Actions
from glue.converge.invitations import promise_roles, withdraw_promise
from glue.errors import BadInput, Conflict, NotFound, Unavailable, UpstreamUnavailable
from glue.rules.facts import Invitation, Member, Role
from glue.rules.names import TenantId
from glue.rules.seats import SeatUse, count_seats, require_free_seat


def read_team(actions: Actions, tenant: TenantId) -> tuple[tuple[Member, ...], tuple[Invitation, ...], SeatUse]:
    """Members, invitations and seats as Keycloak has them now. Raises UpstreamUnavailable."""
    organization_id = _organization(actions, tenant)
    members = actions.systems.keycloak.list_members(organization_id)
    invitations = actions.systems.keycloak.list_invitations(organization_id)
    return members, invitations, count_seats(members, invitations, limit=actions.grants(tenant).seats)


def invite(actions: Actions, tenant: TenantId, *, email: str, role: str, by: str, nonce: str) -> bool:
    """Invite a person by mail. False: Keycloak does not answer, it is done as soon as it does.

    Raises BadInput, LimitReached (no seat), Conflict (a member or invited already).
    """
    email = email.strip().lower()
    if "@" not in email or len(email) > 254:
        raise BadInput("This is not an e-mail address.", field="email", expected="name@example.com")
    roles = frozenset({_role(role)})
    with actions.one_at_a_time(f"team/{tenant}"):
        with suppress(UpstreamUnavailable):  # seats are counted again when the invitation goes out
            members, invitations, seats = read_team(actions, tenant)
            if any(member.email.lower() == email for member in members):
                raise Conflict("This person is in the team already.")
            if any(item.email.lower() == email and item.status == "PENDING" for item in invitations):
                raise Conflict("This person is invited already.", remedy="Send the invitation again instead.")
            require_free_seat(seats)
        with actions.database.write(tenant) as session:
            promise_roles(session, tenant, email, roles)
        payload = {"organization_id": _organization(actions, tenant), "email": email, "limit": actions.grants(tenant).seats}
        try:
            actions.do(tenant, "invite", payload, key=f"invite/{tenant}/{nonce}", by=by, text=f"Invited {email} as {role}.")
        except UpstreamUnavailable:
            return False
    return True


def resend_invitation(actions: Actions, tenant: TenantId, invitation_id: str, *, by: str) -> None:
    """Send it again; the old link stops working."""
    item = _invitation(actions, tenant, invitation_id)
    payload = {
        "organization_id": _organization(actions, tenant),
        "email": item.email,
        "limit": actions.grants(tenant).seats,
        "asked_at": actions.clock.wall().isoformat(),
    }
    actions.do(
        tenant, "resend_invitation", payload, key=f"resend/{tenant}/{item.id}", by=by, text=f"Sent the invitation of {item.email} again."
    )


def withdraw_invitation(actions: Actions, tenant: TenantId, invitation_id: str, *, by: str) -> None:
    """The link stops working and the seat is free again."""
    item = _invitation(actions, tenant, invitation_id)
    with actions.database.write(tenant) as session:
        withdraw_promise(session, tenant, item.email)
    payload = {"organization_id": _organization(actions, tenant), "invitation_id": item.id}
    actions.do(
        tenant, "delete_invitation", payload, key=f"withdraw/{tenant}/{item.id}", by=by, text=f"Withdrew the invitation of {item.email}."
    )


def set_role(actions: Actions, tenant: TenantId, user_id: str, *, role: str, by: str, nonce: str) -> None:
    """Raises Conflict when nobody would be left to administer."""
    wanted = _role(role)
    member, members = _member(actions, tenant, user_id)
    if wanted != Role.ADMIN:
        _keep_an_admin(members, without=user_id)
    payload = {"organization_id": _organization(actions, tenant), "user_id": user_id, "roles": [wanted]}
    actions.do(tenant, "set_roles", payload, key=f"roles/{tenant}/{user_id}/{nonce}", by=by, text=f"{member.email} is now {role}.")


def remove_member(actions: Actions, tenant: TenantId, user_id: str, *, by: str, delete_account: bool = False) -> None:
    """Take a person out. A managed member loses the account: without ``delete_account`` that is a Conflict."""
    member, members = _member(actions, tenant, user_id)
    _keep_an_admin(members, without=user_id)
    if member.managed and not delete_account:
        raise Conflict(
            "Removing this person deletes the account, since it was made through your invitation.",
            remedy="Confirm that the account may go.",
        )
    payload = {"organization_id": _organization(actions, tenant), "user_id": user_id, "managed": member.managed}
    actions.do(
        tenant,
        "remove_member",
        payload,
        key=f"remove/{tenant}/{user_id}/{actions.clock.wall().timestamp():.0f}",
        by=by,
        text=f"Removed {member.email}.",
    )


def _organization(actions: Actions, tenant: TenantId) -> str:
    found = actions.record(tenant).identities.organization_id
    if not found:
        raise Unavailable("The organization is still being made.", remedy="Try again in a moment.")
    return found


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise BadInput("There is no such role.", field="role", expected=", ".join(Role)) from None


def _member(actions: Actions, tenant: TenantId, user_id: str) -> tuple[Member, tuple[Member, ...]]:
    members = actions.systems.keycloak.list_members(_organization(actions, tenant))
    found = next((member for member in members if member.user_id == user_id and not member.service_account), None)
    if found is None:
        raise NotFound("There is no such member.")
    return found, members


def _invitation(actions: Actions, tenant: TenantId, invitation_id: str) -> Invitation:
    invitations = actions.systems.keycloak.list_invitations(_organization(actions, tenant))
    found = next((item for item in invitations if item.id == invitation_id), None)
    if found is None:
        raise NotFound("There is no such invitation any more.")
    return found


def _keep_an_admin(members: tuple[Member, ...], *, without: str) -> None:
    if not any(Role.ADMIN in member.roles and member.user_id != without and member.enabled for member in members):
        raise Conflict("Somebody has to stay admin.", remedy="Make another member admin first.")
