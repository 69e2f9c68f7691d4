"""Organizations, members and invitations over REST."""

import json
from typing import Any

from starlette.responses import Response

from glue.sandbox.identity import groups, invitations
from glue.sandbox.identity import organizations as orgs
from glue.sandbox.identity.admin.calls import READ_ORGANIZATIONS, READ_USERS, WRITE_ORGANIZATIONS, WRITE_USERS, Call, Handler, stripped
from glue.sandbox.identity.answers import Document, answer, created, done, message, nothing_there

ORGANIZATION, MEMBERSHIP = "ORGANIZATION", "ORGANIZATION_MEMBERSHIP"


def list_organizations(call: Call) -> Response:
    _allow_reading_lists(call)
    rows = orgs.search_organizations(call.realm, call.asked) if call.may(READ_ORGANIZATIONS) else []
    brief = call.asked.get("briefRepresentation") != "false"
    return answer([orgs.organization_page(row, brief=brief) for row in call.page(rows, 10)])


def count_organizations(call: Call) -> Response:
    _allow_reading_lists(call)
    return answer(len(orgs.search_organizations(call.realm, call.asked)) if call.may(READ_ORGANIZATIONS) else 0)


def _allow_reading_lists(call: Call) -> None:
    call.require((*READ_ORGANIZATIONS, "query-organizations"))
    _require_feature(call)


def _require_feature(call: Call) -> None:
    if not call.realm.settings["organizationsEnabled"]:
        raise nothing_there()


def add_organization(call: Call) -> Response:
    call.require(WRITE_ORGANIZATIONS)
    _require_feature(call)
    if not call.raw.strip() and call.content_type.startswith("application/json"):
        raise message(400, "Organization cannot be null.")
    given = call.body("OrganizationRepresentation")
    row = orgs.add_organization(call.realm, given)
    call.note("CREATE", ORGANIZATION, f"organizations/{row['id']}", {"id": row["id"], **stripped(given, "id"), "enabled": row["enabled"]})
    return created(f"{call.realm.admin_url}/organizations/{row['id']}")


def readable(call: Call) -> Document:
    """The organization in the path, for a caller who may see it."""
    call.require(READ_ORGANIZATIONS)
    _require_feature(call)
    return call.organization()


def writable(call: Call) -> Document:
    """The organization in the path, for a caller who may change it."""
    call.require(WRITE_ORGANIZATIONS)
    _require_feature(call)
    return call.organization()


def get_organization(call: Call) -> Response:
    return answer(orgs.organization_page(readable(call), brief=False))


def change_organization(call: Call) -> Response:
    row, given = writable(call), call.body("OrganizationRepresentation")
    orgs.change_organization(call.realm, row, given)
    call.note("UPDATE", ORGANIZATION, f"organizations/{row['id']}", {**stripped(given), "enabled": row["enabled"]})
    return done()


def remove_organization(call: Call) -> Response:
    row = writable(call)
    orgs.remove_organization(call.realm, row)
    call.note("DELETE", ORGANIZATION, f"organizations/{row['id']}")
    return done()


def list_members(call: Call) -> Response:
    row = readable_with_members(call)
    brief = call.asked.get("briefRepresentation") != "false"
    pairs = call.page(orgs.search_members(call.realm, row, call.asked), 10)
    return answer([orgs.member_page(call.realm, *pair, brief=brief) for pair in pairs])


def readable_with_members(call: Call) -> Document:
    call.require(READ_ORGANIZATIONS)
    call.require(READ_USERS)
    return readable(call)


def writable_with_members(call: Call) -> Document:
    call.require(WRITE_ORGANIZATIONS)
    call.require(WRITE_USERS)
    return writable(call)


def count_members(call: Call) -> Response:
    return answer(len(call.realm.members.by("organization", readable_with_members(call)["id"])))


def get_member(call: Call) -> Response:
    return answer(
        orgs.member_page(call.realm, *orgs.require_member(call.realm, readable_with_members(call), call.parts["user"]), brief=False)
    )


def add_member(call: Call) -> Response:
    row, text = writable_with_members(call), call.raw.decode("utf-8", "replace").strip()
    user = call.realm.users.get(json.loads(text) if text.startswith('"') and text.endswith('"') and len(text) > 1 else text)
    if user is None:
        raise nothing_there()
    orgs.add_member(call.realm, row, user)
    _note_membership(call, "CREATE", row, "", user)
    return created(f"{call.realm.admin_url}/organizations/{row['id']}/members/{user['id']}")


def remove_member(call: Call) -> Response:
    row = writable_with_members(call)
    member, user = orgs.require_member(call.realm, row, call.parts["user"])
    orgs.remove_member(call.realm, member)
    _note_membership(call, "DELETE", row, f"/{user['id']}", user)
    return done()


def _note_membership(call: Call, operation: str, row: Document, below: str, user: Document) -> None:
    path = f"organizations/{row['id']}/members{below}"
    call.note(operation, MEMBERSHIP, path, orgs.organization_page(row, brief=True), user=user)


def organizations_of(call: Call) -> Response:
    call.require(READ_ORGANIZATIONS)
    call.require(READ_USERS)
    if "organization" in call.parts:
        orgs.require_member(call.realm, readable(call), call.parts["user"])
    elif call.realm.users.get(call.parts["user"]) is None:
        raise nothing_there()
    brief = call.asked.get("briefRepresentation") != "false"
    return answer([orgs.organization_page(row, brief=brief) for row in call.realm.memberships(call.parts["user"])])


def groups_of_member(call: Call) -> Response:
    row = readable_with_members(call)
    orgs.require_member(call.realm, row, call.parts["user"])
    return answer([groups.group_page(call.realm, group) for group in groups.groups_of(call.realm, row["id"], call.parts["user"])])


async def invite_user(call: Call) -> Response:
    row, form = writable(call), call.form()
    invitation = await invitations.invite_address(call.realm, row, form)
    return _note_invitation(call, f"organizations/{row['id']}/members/invite-user", invitation)


async def invite_existing(call: Call) -> Response:
    row, form = writable(call), call.form()
    invitation = await invitations.invite_account(call.realm, row, form.get("id"))
    return _note_invitation(call, f"organizations/{row['id']}/members/invite-existing-user", invitation)


def _note_invitation(call: Call, path: str, row: Document) -> Response:
    told = {"id": row["id"], "organizationId": row["organization"], "email": row["email"], "sentDate": 0, "expiresAt": 0}
    call.note("ACTION", MEMBERSHIP, path, told)
    return done()


def list_invitations(call: Call) -> Response:
    return answer(call.page(invitations.search_invitations(call.realm, writable(call), call.asked), -1))


def get_invitation(call: Call) -> Response:
    return answer(
        invitations.invitation_page(call.realm, invitations.require_invitation(call.realm, writable(call), call.parts["invitation"]))
    )


def remove_invitation(call: Call) -> Response:
    row = writable(call)
    invitation = invitations.require_invitation(call.realm, row, call.parts["invitation"])
    call.realm.invitations.remove(invitation["id"])
    told = {"id": invitation["id"], "organizationId": row["id"], "email": invitation["email"], "sentDate": 0, "expiresAt": 0}
    call.note("DELETE", MEMBERSHIP, f"organizations/{row['id']}/invitations/{invitation['id']}", told)
    return done()


async def resend_invitation(call: Call) -> Response:
    row = writable(call)
    old = invitations.require_invitation(call.realm, row, call.parts["invitation"])
    renewed = await invitations.resend(call.realm, row, old)
    return _note_invitation(call, f"organizations/{row['id']}/invitations/{old['id']}/resend", renewed)


def routes() -> dict[tuple[str, str], Handler]:
    """(method, path below the realm) -> handler."""
    one, many = "/organizations/{organization}", "/organizations"
    invitation = f"{one}/invitations/{{invitation}}"
    table: dict[tuple[str, str], Any] = {
        ("GET", many): list_organizations,
        ("POST", many): add_organization,
        ("GET", f"{many}/count"): count_organizations,
        ("GET", f"{many}/members/{{user}}/organizations"): organizations_of,
        ("GET", one): get_organization,
        ("PUT", one): change_organization,
        ("DELETE", one): remove_organization,
        ("GET", f"{one}/members"): list_members,
        ("POST", f"{one}/members"): add_member,
        ("GET", f"{one}/members/count"): count_members,
        ("POST", f"{one}/members/invite-user"): invite_user,
        ("POST", f"{one}/members/invite-existing-user"): invite_existing,
        ("GET", f"{one}/members/{{user}}"): get_member,
        ("DELETE", f"{one}/members/{{user}}"): remove_member,
        ("GET", f"{one}/members/{{user}}/organizations"): organizations_of,
        ("GET", f"{one}/members/{{user}}/groups"): groups_of_member,
        ("GET", f"{one}/invitations"): list_invitations,
        ("GET", invitation): get_invitation,
        ("DELETE", invitation): remove_invitation,
        ("POST", f"{invitation}/resend"): resend_invitation,
    }
    return table
