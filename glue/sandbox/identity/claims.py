"""Protocol mappers: what a token of each kind says."""

from dataclasses import dataclass, field
from typing import Any

from glue.sandbox.identity.answers import Document
from glue.sandbox.identity.groups import group_path, groups_of
from glue.sandbox.identity.roles import effective_roles
from glue.sandbox.identity.scopes import SINGLE, Granted, named, organizations_for
from glue.sandbox.identity.state import Realm, text_of

# Where a mapper's flag for a kind of token is missing, another one speaks for it.
FLAGS = {
    "access": ("access.token.claim",),
    "id": ("id.token.claim",),
    "userinfo": ("userinfo.token.claim", "id.token.claim"),
    "introspection": ("introspection.token.claim", "access.token.claim"),
}
NOT_IN_USERINFO = ("oidc-audience-mapper", "oidc-acr-mapper")
MEMBERSHIP, MEMBER_GROUPS = "oidc-organization-membership-mapper", "oidc-organization-group-membership-mapper"


@dataclass
class Subject:
    """Of whom and for whom a token tells."""

    realm: Realm
    user: Document
    client: Document
    granted: Granted
    chosen: str | None = None  # the organization picked for this client, for the plain scope
    last: str | None = None  # the one organization this browser session was used for last
    bound: str | None = None  # the only organization there was when the login or token was made
    notes: Document = field(default_factory=dict)  # AUTH_TIME, client_id, …


def map_claims(subject: Subject, kind: str) -> Document:
    """All claims that mappers add to a token of that kind; ``aud`` as a list, without the token's own audience."""
    claims: Document = {"aud": []}
    mappers = [mapper for row in subject.granted.rows for mapper in row["protocolMappers"]] + subject.client["protocolMappers"]
    for mapper in sorted(mappers, key=lambda mapper: mapper["protocolMapper"] == MEMBER_GROUPS):
        config = mapper["config"]
        if kind == "userinfo" and mapper["protocolMapper"] in NOT_IN_USERINFO:
            continue
        if next((config[flag] for flag in FLAGS[kind] if flag in config), "false") == "true":
            _apply(subject, mapper["protocolMapper"], config, claims)
    return claims


def _apply(subject: Subject, kind: str, config: Document, claims: Document) -> None:
    name = config.get("claim.name", "")
    user, client, realm = subject.user, subject.client, subject.realm
    if kind == "oidc-sub-mapper":
        claims["sub"] = user["id"]
    elif kind == "oidc-usersessionmodel-note-mapper":
        _put(claims, name, subject.notes.get(config["user.session.note"]), config)
    elif kind == "oidc-acr-mapper":
        claims["acr"] = subject.notes.get("acr", "1")
    elif kind in ("oidc-usermodel-attribute-mapper", "oidc-usermodel-property-mapper"):
        field_name = config["user.attribute"]
        value = user[field_name] if field_name in user else next(iter(user["attributes"].get(field_name, [])), None)
        _put(claims, name, value, config)
    elif kind == "oidc-full-name-mapper":
        _put(claims, "name", " ".join(text_of(user.get(part)) for part in ("firstName", "lastName")).strip() or None, config)
    elif kind == "oidc-hardcoded-claim-mapper":
        _put(claims, name, config.get("claim.value"), config)
    elif kind == "oidc-allowed-origins-mapper":
        if client.get("webOrigins"):
            claims["allowed-origins"] = client["webOrigins"]
    elif kind == "oidc-usermodel-realm-role-mapper":
        names = [role["name"] for role in effective_roles(realm, user, client) if not role["clientRole"]]
        if names:
            claims["realm_access"] = {"roles": names}
    elif kind == "oidc-usermodel-client-role-mapper":
        roles = _client_roles(subject)
        if roles:
            claims["resource_access"] = {client_id: {"roles": names} for client_id, names in roles.items()}
    elif kind == "oidc-audience-resolve-mapper":
        claims["aud"] += [client_id for client_id in _client_roles(subject) if client_id != client["clientId"]]
    elif kind == "oidc-audience-mapper":
        wanted = config.get("included.client.audience") or config.get("included.custom.audience")
        if wanted and wanted not in claims["aud"] and (not config.get("included.client.audience") or realm.client(wanted)):
            claims["aud"].append(wanted)
    elif kind == MEMBERSHIP:
        _tell_organizations(subject, config, claims)
    elif kind == MEMBER_GROUPS:
        _tell_groups(subject, claims)


def _client_roles(subject: Subject) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for role in effective_roles(subject.realm, subject.user, subject.client):
        owner = subject.realm.clients.get(role["containerId"])
        if owner:
            found.setdefault(owner["clientId"], []).append(role["name"])
    return found


def _tell_organizations(subject: Subject, config: Document, claims: Document) -> None:
    rows = organizations_for(subject.realm, subject.granted, subject.user, subject.chosen)
    if subject.bound:  # others, joined since, are told of by the groups mapper alone
        rows = named(subject.realm, f"{SINGLE}:{subject.bound}", subject.user)
    wants = {part: config.get(f"addOrganization{part}") == "true" for part in ("Id", "Attributes", "Domain")}
    name = config.get("claim.name") or SINGLE
    if config.get("jsonType.label") == "JSON" or any(wants.values()):
        told: Document = {}
        for row in rows:
            item: Document = dict(row["attributes"]) if wants["Attributes"] else {}
            if wants["Id"]:
                item["id"] = row["id"]
            if wants["Domain"]:
                item["domains"] = [domain["name"] for domain in row.get("domains", [])]
            told[row["alias"]] = item
        if told or (subject.granted.words == [SINGLE] and config.get("jsonType.label") == "JSON"):
            claims[name] = told
    elif rows:
        aliases = [row["alias"] for row in rows]
        claims[name] = aliases if config.get("multivalued") == "true" else aliases[-1]


def _tell_groups(subject: Subject, claims: Document) -> None:
    rows = organizations_for(subject.realm, subject.granted, subject.user, subject.chosen)
    told = claims.get(SINGLE)
    if not rows:
        return
    if not isinstance(told, dict):
        told = {}
    for row in rows:
        item = told.setdefault(row["alias"], {})
        # Seen on a real one: a browser session once used for one organization tells the groups of no other any more.
        if subject.last in (None, row["alias"]):
            item["groups"] = [group_path(subject.realm, group) for group in groups_of(subject.realm, row["id"], subject.user["id"])]
    claims[SINGLE] = told


def _put(claims: Document, name: str, value: Any, config: Document) -> None:
    if value is None:
        return
    label = config.get("jsonType.label", "String")
    if label == "boolean":
        value = value if isinstance(value, bool) else text_of(value) == "true"
    elif label in ("long", "int"):
        value = int(value)
    elif label == "String":
        value = text_of(value)
    at = claims
    *path, last = name.split(".")
    for part in path:
        at = at.setdefault(part, {})
    at[last] = value


def audience(own: str | None, added: list[str]) -> str | list[str] | None:
    """``aud``: none, one word, or a list."""
    names = [*([own] if own else []), *(name for name in added if name != own)]
    return names if len(names) > 1 else names[0] if names else None
