"""Groups of an organization: they carry people's roles in it."""

from glue.sandbox.identity.answers import Document, error, message, oauth
from glue.sandbox.identity.state import Realm, new_id, pick


def add_group(realm: Realm, organization: Document, given: Document, *, parent: Document | None = None) -> Document:
    if not given.get("name"):
        raise message(400, "Group name is missing")
    parent_id = parent["id"] if parent else organization["top"]
    if _named(realm, parent_id, given["name"]):
        raise message(409, "Group with the given name already exists.")
    row: Document = {"id": new_id(), "organization": organization["id"], "parentId": parent_id, "roles": [], "attributes": {}}
    row |= pick(given, "name", "description", "attributes")
    return realm.groups.put(row["id"], row)


def change_group(realm: Realm, row: Document, given: Document) -> None:
    """PUT: the description goes when left out, attributes stay."""
    name = given.get("name") or row["name"]
    if any(other["id"] != row["id"] for other in _named(realm, row["parentId"], name)):
        raise oauth(409, "conflict", "Duplicate resource error")
    row["name"] = name
    row.pop("description", None)
    row |= pick(given, "description", "attributes")
    realm.groups.put(row["id"], row)


def remove_group(realm: Realm, row: Document) -> None:
    """The group, its members' places in it, and all groups below."""
    for child in realm.groups.by("parentId", row["id"]):
        remove_group(realm, child)
    for place in realm.group_members.by("group", row["id"]):
        realm.group_members.remove(f"{place['group']}/{place['user']}")
    realm.groups.remove(row["id"])


def require_group(realm: Realm, organization: Document, group_id: str) -> Document:
    row = realm.groups.get(group_id)
    if row is None:
        raise message(404, "Group does not exist")
    if row["organization"] != organization["id"]:
        raise message(400, "Group does not belong to the organization")
    return row


def group_at(realm: Realm, organization: Document, path: str) -> Document:
    """The group at ``admin`` or ``admin/deputies``."""
    parent: str = organization["top"]
    rest, row = path.strip("/"), None
    while rest:
        row = next(
            (child for child in realm.groups.by("parentId", parent) if rest == child["name"] or rest.startswith(child["name"] + "/")), None
        )
        if row is None:
            break
        parent, rest = row["id"], rest[len(row["name"]) + 1 :]
    if row is None or rest:
        raise error(404, "Group path does not exist")
    return row


def group_path(realm: Realm, row: Document) -> str:
    above = realm.groups.get(row["parentId"])
    return (group_path(realm, above) if above else "") + "/" + str(row["name"])


def group_page(realm: Realm, row: Document, *, full: bool = False, below: list[Document] | None = None) -> Document:
    """A group's representation; ``full`` adds attributes and roles, ``below`` are pages of groups under it."""
    page = pick(row, "id", "name", "description") | {"path": group_path(realm, row), "parentId": row["parentId"], "subGroups": below or []}
    if full:
        roles = [role["name"] for role_id in row["roles"] if (role := realm.roles.get(role_id))]
        page |= {"attributes": row["attributes"], "realmRoles": roles, "clientRoles": {}}
    return page


def search_groups(realm: Realm, organization: Document, asked: dict[str, str]) -> list[Document]:
    """Pages by name: the top groups, or with ``search`` all that match (``populateHierarchy=true``: below their parents)."""
    full, search = asked.get("briefRepresentation") == "false", asked.get("search")
    if not search:
        return [group_page(realm, row, full=full) for row in children(realm, organization["top"])]
    exact = asked.get("exact") == "true"
    rows = [
        row
        for row in realm.groups.by("organization", organization["id"])
        if (row["name"] == search if exact else search.lower() in row["name"].lower())
    ]
    if asked.get("populateHierarchy") != "true":
        return [group_page(realm, row, full=full) for row in sorted(rows, key=lambda row: str(row["name"]))]
    wanted = {row["id"] for row in rows}

    def branch(parent: str) -> list[Document]:
        pages = []
        for row in children(realm, parent):
            below = branch(row["id"])
            if below or row["id"] in wanted:
                pages.append(group_page(realm, row, full=full, below=below))
        return pages

    return branch(organization["top"])


def children(realm: Realm, parent: str) -> list[Document]:
    return sorted(realm.groups.by("parentId", parent), key=lambda row: str(row["name"]))


def groups_of(realm: Realm, organization_id: str, user_id: str) -> list[Document]:
    """The groups of an organization that a user is in, by name."""
    rows = [realm.groups.get(place["group"]) for place in realm.group_members.by("user", user_id)]
    return sorted((row for row in rows if row and row["organization"] == organization_id), key=lambda row: str(row["name"]))


def _named(realm: Realm, parent: str, name: str) -> list[Document]:
    return [row for row in realm.groups.by("parentId", parent) if row["name"] == name]
