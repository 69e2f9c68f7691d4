"""Groups of organizations over REST."""

from typing import Any

from starlette.responses import Response

from glue.sandbox.identity import groups
from glue.sandbox.identity import organizations as orgs
from glue.sandbox.identity.admin.calls import Call, Handler, stripped
from glue.sandbox.identity.admin.organizations import readable, readable_with_members, writable, writable_with_members
from glue.sandbox.identity.answers import Document, answer, done, error, message
from glue.sandbox.identity.roles import role_page


def list_groups(call: Call) -> Response:
    return answer(call.page(groups.search_groups(call.realm, readable(call), call.asked), -1))


def add_group(call: Call) -> Response:
    row, given = writable(call), call.body("GroupRepresentation")
    group = groups.add_group(call.realm, row, given)
    call.note(
        "CREATE", "ORGANIZATION_GROUP", f"organizations/{row['id']}/groups", {"id": group["id"], **stripped(given, "id"), "subGroups": []}
    )
    return _made_group(call, row, group, below="")


def _made_group(call: Call, row: Document, group: Document, *, below: str) -> Response:
    page = groups.group_page(call.realm, group, full=bool(below))
    response = answer(page, status=201)
    response.headers["location"] = f"{call.realm.admin_url}/organizations/{row['id']}/groups{below}/{group['id']}"
    return response


def _group(call: Call, row: Document) -> Document:
    return groups.require_group(call.realm, row, call.parts["group"])


def get_group(call: Call) -> Response:
    return answer(groups.group_page(call.realm, _group(call, readable(call)), full=True))


def get_group_at(call: Call) -> Response:
    return answer(groups.group_page(call.realm, groups.group_at(call.realm, readable(call), call.parts["path"])))


def change_group(call: Call) -> Response:
    row = writable(call)
    group, given = _group(call, row), call.body("GroupRepresentation")
    groups.change_group(call.realm, group, given)
    call.note("UPDATE", "ORGANIZATION_GROUP", f"organizations/{row['id']}/groups/{group['id']}", stripped(given))
    return done()


def remove_group(call: Call) -> Response:
    row = writable(call)
    group = _group(call, row)
    groups.remove_group(call.realm, group)
    call.note("DELETE", "ORGANIZATION_GROUP", f"organizations/{row['id']}/groups/{group['id']}")
    return done()


def list_children(call: Call) -> Response:
    group = _group(call, readable(call))
    return answer([groups.group_page(call.realm, child) for child in call.page(groups.children(call.realm, group["id"]), 10)])


def add_child(call: Call) -> Response:
    row = writable(call)
    parent, given = _group(call, row), call.body("GroupRepresentation")
    group = groups.add_group(call.realm, row, given, parent=parent)
    path = f"organizations/{row['id']}/groups/{parent['id']}/children"
    call.note("CREATE", "ORGANIZATION_GROUP", path, {"id": group["id"], **stripped(given, "id"), "subGroups": []})
    return _made_group(call, row, group, below=f"/{parent['id']}/children")


def list_group_members(call: Call) -> Response:
    row = readable_with_members(call)
    group, brief = _group(call, row), call.asked.get("briefRepresentation") == "true"
    pairs = []
    for place in call.realm.group_members.by("group", group["id"]):
        member, user = call.realm.membership(row["id"], place["user"]), call.realm.users.get(place["user"])
        if member and user:
            pairs.append((member, user))
    pairs.sort(key=lambda pair: str(pair[1]["username"]))
    return answer([orgs.member_page(call.realm, *pair, brief=brief) for pair in call.page(pairs, 100)])


def join_group(call: Call) -> Response:
    row = writable_with_members(call)
    group, user = _group_and_user(call, row)
    key = f"{group['id']}/{user['id']}"
    if call.realm.group_members.get(key):
        raise message(409, "User is already a member of the group")
    call.realm.group_members.put(key, {"group": group["id"], "user": user["id"]})
    return _note_place(call, "CREATE", group, user)


def leave_group(call: Call) -> Response:
    row = writable_with_members(call)
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
    rows = _role_pages(call, _group(call, readable(call)))
    return answer({"realmMappings": rows} if rows else {})


def group_realm_roles(call: Call) -> Response:
    return answer(_role_pages(call, _group(call, readable(call))))


def _role_pages(call: Call, group: Document) -> list[Document]:
    return [role_page(role) for role_id in group["roles"] if (role := call.realm.roles.get(role_id))]


def change_group_roles(call: Call, *, add: bool) -> Response:
    group, given = _group(call, writable(call)), call.list_body()
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
    one = "/organizations/{organization}"
    group = f"{one}/groups/{{group}}"
    table: dict[tuple[str, str], Any] = {
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
