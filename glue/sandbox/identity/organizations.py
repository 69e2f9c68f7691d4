"""Organizations and who belongs to them."""

import re
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit

from glue.sandbox.identity.answers import Document, error, message, nothing_there, server_error
from glue.sandbox.identity.people import query_pairs, remove_user, user_page
from glue.sandbox.identity.state import Realm, new_id, pick, text_of

SAME_NAME = "A organization with the same name already exists."
DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")


def add_organization(realm: Realm, given: Document) -> Document:
    """A new organization from a representation; an id of the caller's is ignored."""
    name = given.get("name")
    if not name:
        raise message(400, "Name can not be null")
    alias = given.get("alias") or name
    _check_alias(alias, own=bool(given.get("alias")))
    if realm.organizations.by("name", name):
        raise message(409, SAME_NAME)
    if realm.organizations.by("alias", alias):
        raise message(409, "A organization with the same alias already exists")
    row: Document = {"id": new_id(), "name": name, "alias": alias, "enabled": given.get("enabled") is not False, "top": new_id()}
    _fill(realm, row, given)
    row.setdefault("attributes", {})
    return realm.organizations.put(row["id"], row)


def change_organization(realm: Realm, row: Document, given: Document) -> None:
    """PUT: replaces everything but attributes that are left out; the alias cannot change, nor be left out when it is not the name."""
    name = given.get("name")
    if not name or any(other["id"] != row["id"] for other in realm.organizations.by("name", name)):
        raise message(409, SAME_NAME)
    if (given.get("alias") or name) != row["alias"]:  # left out, it is taken from the name
        raise message(400, "Cannot change the alias")
    changed = pick(row, "id", "alias", "top", "attributes") | {"name": name, "enabled": given.get("enabled") is not False}
    _fill(realm, changed, given)
    row.clear()
    row.update(changed)
    realm.organizations.put(row["id"], row)


def _check_alias(alias: str, *, own: bool) -> None:
    problem = "Empty Space not allowed." if re.search(r"\s", alias) else "Character '/' not allowed." if "/" in alias else None
    if problem:
        raise error(400, problem) if own else message(400, f"Name cannot be used as alias: {problem}")


def _fill(realm: Realm, row: Document, given: Document) -> None:
    row |= pick(given, "description", "redirectUrl")
    url = urlsplit(given.get("redirectUrl") or "https://none.test")
    if url.scheme not in ("http", "https") or not url.netloc:
        raise message(400, "Organization redirect URL is not valid.")
    domains = []
    for domain in given.get("domains") or []:
        domain_name = text_of(domain.get("name")).lower()
        if not DOMAIN.fullmatch(domain_name):
            raise message(400, f"Invalid domain format: {domain.get('name')}")
        for other in realm.organizations:
            if other["id"] != row["id"] and any(item["name"] == domain_name for item in other.get("domains", [])):
                raise message(400, f"Domain {domain_name} is already linked to organization {other['name']} in realm {realm.name}")
        domains.append({"name": domain_name, "verified": bool(domain.get("verified"))})
    if domains:
        row["domains"] = domains
    if given.get("attributes") is not None:
        row["attributes"] = {key: [text_of(value) for value in values] for key, values in given["attributes"].items() if values}
    values = [value for values in row.get("attributes", {}).values() for value in values]
    if any(len(text) > 255 for text in (row["name"], row["alias"], *values)):
        raise server_error()


def organization_page(row: Document, *, brief: bool) -> Document:
    """An organization's representation; the brief one has no attributes."""
    names = ("id", "name", "alias", "enabled", "description", "redirectUrl", *(() if brief else ("attributes",)), "domains")
    return pick(row, *names)


def search_organizations(realm: Realm, asked: dict[str, str]) -> list[Document]:
    """By name; ``search`` is part of a name or domain (% is a wildcard) or, exact, one of them; ``q`` finds attributes."""
    search, exact = asked.get("search") or "", asked.get("exact") == "true"
    pattern = re.compile("".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in search), re.IGNORECASE | re.DOTALL)
    pairs = query_pairs(asked.get("q") or "")
    alias = next((value for name, value in pairs if name == "alias"), None)
    rows = list(realm.organizations) if alias is None else realm.organizations.by("alias", alias)
    for name, value in pairs:
        rows = [row for row in rows if value in (row["attributes"].get(name, []) if name != "alias" else [row["alias"]])]
    if search:
        rows = [row for row in rows if (search in _names(row) if exact else any(pattern.search(name) for name in _names(row)))]
    return sorted(rows, key=itemgetter("name"))


def _names(row: Document) -> list[str]:
    return [row["name"], *(domain["name"] for domain in row.get("domains", []))]


def remove_organization(realm: Realm, row: Document) -> None:
    """The organization with groups and invitations; accounts that it manages go too."""
    for member in realm.members.by("organization", row["id"]):
        remove_member(realm, member)
    for group in realm.groups.by("organization", row["id"]):
        realm.groups.remove(group["id"])
    for invitation in realm.invitations.by("organization", row["id"]):
        realm.invitations.remove(invitation["id"])
    realm.organizations.remove(row["id"])


def add_member(realm: Realm, organization: Document, user: Document, *, managed: bool = False) -> None:
    if realm.membership(organization["id"], user["id"]):
        raise message(409, "User is already a member of the organization.")
    row = {"organization": organization["id"], "user": user["id"], "kind": "MANAGED" if managed else "UNMANAGED"}
    realm.members.put(f"{organization['id']}/{user['id']}", row)


def remove_member(realm: Realm, member: Document) -> None:
    """End a membership and the group memberships that hang on it; a managed account is deleted."""
    user = realm.users.get(member["user"])
    for row in realm.group_members.by("user", member["user"]):
        if (realm.groups.get(row["group"]) or {}).get("organization") == member["organization"]:
            realm.group_members.remove(f"{row['group']}/{row['user']}")
    realm.members.remove(f"{member['organization']}/{member['user']}")
    if user and member["kind"] == "MANAGED":
        remove_user(realm, user)


def require_member(realm: Realm, organization: Document, user_id: str) -> tuple[Document, Document]:
    """The membership and the user, or 404."""
    member, user = realm.membership(organization["id"], user_id), realm.users.get(user_id)
    if not member or not user:
        raise nothing_there()
    return member, user


def search_members(realm: Realm, organization: Document, asked: dict[str, str]) -> list[tuple[Document, Document]]:
    """(membership, user) of an organization, by username."""
    kind, search, exact = asked.get("membershipType"), (asked.get("search") or "").lower(), asked.get("exact") == "true"
    if kind and kind.upper() not in ("MANAGED", "UNMANAGED"):
        raise server_error()
    found = []
    for member in realm.members.by("organization", organization["id"]):
        user = realm.users.get(member["user"])
        if user is None or (kind and member["kind"] != kind.upper()):
            continue
        names = [text_of(user.get(name)).lower() for name in ("username", "email", "firstName", "lastName")]
        if search and not (search in names if exact else any(search in name for name in names)):
            continue
        found.append((member, user))
    return sorted(found, key=lambda pair: str(pair[1]["username"]))


def member_page(realm: Realm, member: Document, user: Document, *, brief: bool) -> dict[str, Any]:
    return user_page(realm, user, brief=brief) | {"membershipType": member["kind"]}
