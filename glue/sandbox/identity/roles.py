"""Roles: composites resolved, and what of them a client may put into a token."""

from collections.abc import Iterable

from glue.sandbox.identity.answers import Document, message
from glue.sandbox.identity.state import Realm, new_id, pick


def add_role(realm: Realm, name: str, *, container: str, description: str | None = None, parts: Iterable[str] = ()) -> Document:
    """A new role of the realm or of a client (``container`` is its id). 409 when the name is taken there."""
    if realm.role(container, name):
        raise message(409, f"Role with name {name} already exists")
    row: Document = {
        "id": new_id(),
        "name": name,
        "description": description,
        "clientRole": container != realm.id,
        "containerId": container,
        "attributes": {},
        "parts": list(parts),
    }
    return realm.roles.put(row["id"], row)


def role_page(row: Document, *, full: bool = False) -> Document:
    """A role's representation; ``full`` adds its attributes."""
    page = pick(row, "id", "name", "description")
    page |= {"composite": bool(row["parts"]), "clientRole": row["clientRole"], "containerId": row["containerId"]}
    return page | {"attributes": row["attributes"]} if full else page


def with_parts(realm: Realm, role_ids: Iterable[str]) -> list[Document]:
    """These roles and all that they contain, each once."""
    found: dict[str, Document] = {}
    waiting = list(role_ids)
    while waiting:
        role_id = waiting.pop(0)
        row = realm.roles.get(role_id)
        if row and role_id not in found:
            found[role_id] = row
            waiting += row["parts"]
    return list(found.values())


def effective_roles(realm: Realm, user: Document, client: Document) -> list[Document]:
    """The user's roles as far as ``client`` may see them (all, its own, and its scope mappings)."""
    rows = with_parts(realm, user["roles"])
    if client.get("fullScopeAllowed"):
        return rows
    allowed = {row["id"] for row in with_parts(realm, client["scope_roles"])}
    return [row for row in rows if row["id"] in allowed or row["containerId"] == client["id"]]


def default_role(realm: Realm) -> Document | None:
    return realm.role(realm.id, f"default-roles-{realm.name}")
