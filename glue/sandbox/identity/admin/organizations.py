"""Organizations, members, groups and invitations over REST."""

import json
from typing import Any

from starlette.responses import Response

from glue.sandbox.identity import groups, invitations
from glue.sandbox.identity import organizations as orgs
from glue.sandbox.identity.admin.calls import READ_ORGANIZATIONS, READ_USERS, WRITE_ORGANIZATIONS, WRITE_USERS, Call, Handler, stripped
from glue.sandbox.identity.answers import Document, answer, created, done, error, message, nothing_there
from glue.sandbox.identity.roles import role_page

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


def _reading(call: Call) -> Document:
    call.require(READ_ORGANIZATIONS)
    _require_feature(call)
    return call.organization()


def _writing(call: Call) -> Document:
    call.require(WRITE_ORGANIZATIONS)
    _require_feature(call)
    return call.organization()


def get_organization(call: Call) -> Response:
    return answer(orgs.organization_page(_reading(call), brief=False))


def change_organization(call: Call) -> Response:
    row, given = _writing(call), call.body("OrganizationRepresentation")
    orgs.change_organization(call.realm, row, given)
    call.note("UPDATE", ORGANIZATION, f"organizations/{row['id']}", {**stripped(given), "enabled": row["enabled"]})
    return done()


def remove_organization(call: Call) -> Response:
    row = _writing(call)
    orgs.remove_organization(call.realm, row)
    call.note("DELETE", ORGANIZATION, f"organizations/{row['id']}")
    return done()


def list_members(call: Call) -> Response:
    row = _reading_members(call)
    brief = call.asked.get("briefRepresentation") != "false"
    pairs = call.page(orgs.search_members(call.realm, row, call.asked), 10)
    return answer([orgs.member_page(*pair, brief=brief) for pair in pairs])


def _reading_members(call: Call) -> Document:
    call.require(READ_ORGANIZATIONS)
    call.require(READ_USERS)
    return _reading(call)


def _writing_members(call: Call) -> Document:
    call.require(WRITE_ORGANIZATIONS)
    call.require(WRITE_USERS)
    return _writing(call)


def count_members(call: Call) -> Response:
    return answer(len(call.realm.members.by("organization", _reading_members(call)["id"])))


def get_member(call: Call) -> Response:
    return answer(orgs.member_page(*orgs.require_member(call.realm, _reading_members(call), call.parts["user"]), brief=False))


def add_member(call: Call) -> Response:
    row, text = _writing_members(call), call.raw.decode("utf-8", "replace").strip()
    user = call.realm.users.get(json.loads(text) if text.startswith('"') and text.endswith('"') and len(text) > 1 else text)
    if user is None:
        raise nothing_there()
    orgs.add_member(call.realm, row, user)
    _note_membership(call, "CREATE", row, "", user)
    return created(f"{call.realm.admin_url}/organizations/{row['id']}/members/{user['id']}")


def remove_member(call: Call) -> Response:
    row = _writing_members(call)
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
        orgs.require_member(call.realm, _reading(call), call.parts["user"])
    elif call.realm.users.get(call.parts["user"]) is None:
        raise nothing_there()
    brief = call.asked.get("briefRepresentation") != "false"
    return answer([orgs.organization_page(row, brief=brief) for row in call.realm.memberships(call.parts["user"])])


def groups_of_member(call: Call) -> Response:
    row = _reading_members(call)
    orgs.require_member(call.realm, row, call.parts["user"])
    return answer([groups.group_page(call.realm, group) for group in groups.groups_of(call.realm, row["id"], call.parts["user"])])


async def invite_user(call: Call) -> Response:
    row, form = _writing(call), call.form()
    invitation = await invitations.invite_address(call.realm, row, form)
    return _note_invitation(call, f"organizations/{row['id']}/members/invite-user", invitation)


async def invite_existing(call: Call) -> Response:
    row, form = _writing(call), call.form()
    invitation = await invitations.invite_account(call.realm, row, form.get("id"))
    return _note_invitation(call, f"organizations/{row['id']}/members/invite-existing-user", invitation)


def _note_invitation(call: Call, path: str, row: Document) -> Response:
    told = {"id": row["id"], "organizationId": row["organization"], "email": row["email"], "sentDate": 0, "expiresAt": 0}
    call.note("ACTION", MEMBERSHIP, path, told)
    return done()


def list_invitations(call: Call) -> Response:
    return answer(call.page(invitations.search_invitations(call.realm, _writing(call), call.asked), -1))


def get_invitation(call: Call) -> Response:
    return answer(invitations.invitation_page(call.realm, invitations.require_invitation(call.realm, _writing(call), call.parts["invitation"])))


def remove_invitation(call: Call) -> Response:
    row = _writing(call)
    invitation = invitations.require_invitation(call.realm, row, call.parts["invitation"])
    call.realm.invitations.remove(invitation["id"])
    told = {"id": invitation["id"], "organizationId": row["id"], "email": invitation["email"], "sentDate": 0, "expiresAt": 0}
    call.note("DELETE", MEMBERSHIP, f"organizations/{row['id']}/invitations/{invitation['id']}", told)
    return done()


async def resend_invitation(call: Call) -> Response:
    row = _writing(call)
    old = invitations.require_invitation(call.realm, row, call.parts["invitation"])
    renewed = await invitations.resend(call.realm, row, old)
    return _note_invitation(call, f"organizations/{row['id']}/invitations/{old['id']}/resend", renewed)


def list_groups(call: Call) -> Response:
    return answer(call.page(groups.search_groups(call.realm, _reading(call), call.asked), -1))


def add_group(call: Call) -> Response:
    row, given = _writing(call), call.body("GroupRepresentation")
    group = groups.add_group(call.realm, row, given)
    call.note("CREATE", "ORGANIZATION_GROUP", f"organizations/{row['id']}/groups", {"id": group["id"], **stripped(given, "id"), "subGroups": []})
    return _made_group(call, row, group, below="")


def _made_group(call: Call, row: Document, group: Document, *, below: str) -> Response:
    page = groups.group_page(call.realm, group, full=bool(below))
    response = answer(page, status=201)
    response.headers["location"] = f"{call.realm.admin_url}/organizations/{row['id']}/groups{below}/{group['id']}"
    return response


def _group(call: Call, row: Document) -> Document:
    return groups.require_group(call.realm, row, call.parts["group"])


def get_group(call: Call) -> Response:
    return answer(groups.group_page(call.realm, _group(call, _reading(call)), full=True))


def get_group_at(call: Call) -> Response:
    return answer(groups.group_page(call.realm, groups.group_at(call.realm, _reading(call), call.parts["path"])))


def change_group(call: Call) -> Response:
    row = _writing(call)
    group, given = _group(call, row), call.body("GroupRepresentation")
    groups.change_group(call.realm, group, given)
    call.note("UPDATE", "ORGANIZATION_GROUP", f"organizations/{row['id']}/groups/{group['id']}", stripped(given))
    return done()


def remove_group(call: Call) -> Response:
    row = _writing(call)
    group = _group(call, row)
    groups.remove_group(call.realm, group)
    call.note("DELETE", "ORGANIZATION_GROUP", f"organizations/{row['id']}/groups/{group['id']}")
    return done()


def list_children(call: Call) -> Response:
    group = _group(call, _reading(call))
    return answer([groups.group_page(call.realm, child) for child in call.page(groups.children(call.realm, group["id"]), 10)])


def add_child(call: Call) -> Response:
    row = _writing(call)
    parent, given = _group(call, row), call.body("GroupRepresentation")
    group = groups.add_group(call.realm, row, given, parent=parent)
    path = f"organizations/{row['id']}/groups/{parent['id']}/children"
    call.note("CREATE", "ORGANIZATION_GROUP", path, {"id": group["id"], **stripped(given, "id"), "subGroups": []})
    return _made_group(call, row, group, below=f"/{parent['id']}/children")


def list_group_members(call: Call) -> Response:
    row = _reading_members(call)
    group, brief = _group(call, row), call.asked.get("briefRepresentation") == "true"
    pairs = []
    for place in call.realm.group_members.by("group", group["id"]):
        member, user = call.realm.membership(row["id"], place["user"]), call.realm.users.get(place["user"])
        if member and user:
            pairs.append((member, user))
    pairs.sort(key=lambda pair: str(pair[1]["username"]))
    return answer([orgs.member_page(*pair, brief=brief) for pair in call.page(pairs, 100)])


def join_group(call: Call) -> Response:
    row = _writing_members(call)
    group, user = _group_and_user(call, row)
    key = f"{group['id']}/{user['id']}"
    if call.realm.group_members.get(key):
        raise message(409, "User is already a member of the group")
    call.realm.group_members.put(key, {"group": group["id"], "user": user["id"]})
    return _note_place(call, "CREATE", group, user)


def leave_group(call: Call) -> Response:
    row = _writing_members(call)
    group, user = _group_and_user(call, row)
    call.realm.group_members.remove(f"{group['id']}/{user['id']}")
    return _note_place(call, "DELETE", group, user)


def _group_and_user(call: Call, row: Document) -> tuple[Document, Document]:
    group, user = _group(call, row), call.realm.users.get(call.parts["user"])
    if user is None:
        raise message(404, "User does not exist")
    if not call.realm.membership(row["id"], user["id"]):
        raise message(400, "User is not member of the organization")
    return group, user


def _note_place(call: Call, operation: str, group: Document, user: Document) -> Response:
    path = f"organizations/{group['organization']}/groups/{group['id']}/members/{user['id']}"
    call.note(operation, "ORGANIZATION_GROUP_MEMBERSHIP", path, groups.group_page(call.realm, group), user=user)
    return done()


def group_roles(call: Call) -> Response:
    rows = _role_pages(call, _group(call, _reading(call)))
    return answer({"realmMappings": rows} if rows else {})


def group_realm_roles(call: Call) -> Response:
    return answer(_role_pages(call, _group(call, _reading(call))))


def _role_pages(call: Call, group: Document) -> list[Document]:
    return [role_page(role) for role_id in group["roles"] if (role := call.realm.roles.get(role_id))]


def change_group_roles(call: Call, *, add: bool) -> Response:
    group, given = _group(call, _writing(call)), call.list_body()
    for item in given:
        role = call.realm.roles.get(str(item.get("id")))
        if role is None:
            raise error(404, "Role not found")
        group["roles"] = [role_id for role_id in group["roles"] if role_id != role["id"]] + [role["id"]] * add
    call.realm.groups.put(group["id"], group)
    path = f"organizations/{group['organization']}/groups/{group['id']}/role-mappings/realm"
    call.note("CREATE" if add else "DELETE", "REALM_ROLE_MAPPING", path, given)
    return done()


def routes() -> dict[tuple[str, str], Handler]:
    """(method, path below the realm) -> handler."""
    one, many = "/organizations/{organization}", "/organizations"
    group, invitation = f"{one}/groups/{{group}}", f"{one}/invitations/{{invitation}}"
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
        ("GET", f"{one}/groups"): list_groups,
        ("POST", f"{one}/groups"): add_group,
        ("GET", f"{one}/groups/group-by-path/{{path:path}}"): get_group_at,
        ("GET", group): get_group,
        ("PUT", group): change_group,
        ("DELETE", group): remove_group,
        ("GET", f"{group}/children"): list_children,
        ("POST", f"{group}/children"): add_child,
        ("GET", f"{group}/members"): list_group_members,
        ("PUT", f"{group}/members/{{user}}"): join_group,
        ("DELETE", f"{group}/members/{{user}}"): leave_group,
        ("GET", f"{group}/role-mappings"): group_roles,
        ("GET", f"{group}/role-mappings/realm"): group_realm_roles,
        ("POST", f"{group}/role-mappings/realm"): lambda call: change_group_roles(call, add=True),
        ("DELETE", f"{group}/role-mappings/realm"): lambda call: change_group_roles(call, add=False),
    }
    return table
