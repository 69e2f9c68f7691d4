"""A realm from a file in Keycloak's own shape, as ``--import-realm`` reads it, or the small built-in one."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glue.sandbox.identity.answers import Document, builtin
from glue.sandbox.identity.clients import add_builtin_clients, add_builtin_scopes, add_client, add_scope, add_service_account
from glue.sandbox.identity.groups import add_group
from glue.sandbox.identity.organizations import add_member, add_organization
from glue.sandbox.identity.people import add_user
from glue.sandbox.identity.roles import add_role
from glue.sandbox.identity.state import Realm, new_id

ADMIN_CLIENT = "sandbox-admin"
ALWAYS_THERE = {"offline_access"}
SMALL: Document = {
    "realm": "glue",
    "displayName": "Glue",
    "enabled": True,
    "organizationsEnabled": True,
    "registrationAllowed": True,
    "registrationEmailAsUsername": True,
    "verifyEmail": True,
    "resetPasswordAllowed": True,
    "rememberMe": True,
    "sslRequired": "none",
    "emailTheme": "glue",
    "eventsEnabled": True,
    "adminEventsEnabled": True,
    "adminEventsDetailsEnabled": True,
    "revokeRefreshToken": True,
    "smtpServer": {"host": "127.0.0.1", "port": "1025", "from": "login@glue.test", "fromDisplayName": "Glue"},
}
PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_.]*)(?::([^}]*))?\}")


def load_realm_file(path: Path | None, environment: Mapping[str, str] = os.environ) -> Document:
    """The realm's representation with ``${ENV}`` and ``${ENV:default}`` resolved; unknown ones stay as they are."""
    if path is None:
        return json.loads(json.dumps(SMALL))  # type: ignore[no-any-return]

    def resolve(value: Any) -> Any:
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda found: environment.get(found[1], found[0] if found[2] is None else found[2]), value)
        if isinstance(value, list):
            return [resolve(item) for item in value]
        if isinstance(value, dict):
            return {name: resolve(item) for name, item in value.items()}
        return value

    loaded: Document = resolve(json.loads(path.read_text()))
    return loaded


def import_realm(realm: Realm, given: Document) -> None:
    """Fill an empty realm from a representation, and give it the sandbox's own admin client."""
    lists = {name for name, kind in builtin()["fields"]["RealmRepresentation"].items() if kind == "list"}
    kept = {"supportedLocales", "eventsListeners", "enabledEventTypes", "requiredCredentials", "otpSupportedApplications"}
    skipped = (lists - kept) | {"roles", "clientScopeMappings", "components", "attributes", "requiredActions"}
    settings: Document = {"id": new_id(), **builtin()["realm"], **{name: value for name, value in given.items() if name not in skipped}}
    for name, kind in builtin()["fields"]["RealmRepresentation"].items():
        if kind == "bool" and isinstance(settings.get(name), str):
            settings[name] = settings[name] == "true"
        if kind == "int" and isinstance(settings.get(name), str):
            settings[name] = int(settings[name])
    settings["attributes"] = {**builtin()["fixed_attributes"], "realmReusableOtpCode": "false", **(given.get("attributes") or {})}
    settings["requiredActions"] = given.get("requiredActions") or builtin()["required_actions"]
    settings["profile"] = _profile(given) or builtin()["profile"]
    settings["default_scopes"] = given.get("defaultDefaultClientScopes") or builtin()["default_scopes"]
    settings["optional_scopes"] = given.get("defaultOptionalClientScopes") or builtin()["optional_scopes"]
    realm.keep_settings(settings)
    if given.get("clientScopes") is None:
        add_builtin_scopes(realm)
    else:  # a file with own scopes gets none of the built-in ones but this
        extra = [scope for scope in builtin()["scopes"] if scope["name"] in ALWAYS_THERE]
        for scope in given["clientScopes"] + extra:
            if not realm.scopes.by("name", scope["name"]):
                add_scope(realm, scope)
    add_builtin_clients(realm)
    _add_builtin_roles(realm)
    for client in given.get("clients") or []:
        own = realm.client(client.get("clientId"))
        if own is None:
            add_client(realm, {key: value for key, value in client.items() if key != "serviceAccountsEnabled"})
        else:
            realm.clients.put(
                own["id"], own | {key: value for key, value in client.items() if key in ("enabled", "secret", "redirectUris", "name")}
            )
    _add_own_roles(realm, given)
    _add_people(realm, given)
    _map_scopes(realm, given)
    for organization in given.get("organizations") or []:
        _add_organization(realm, organization)
    _add_admin(realm)


def _profile(given: Document) -> Document | None:
    providers = (given.get("components") or {}).get("org.keycloak.userprofile.UserProfileProvider") or []
    texts = [provider.get("config", {}).get("kc.user.profile.config") for provider in providers]
    return json.loads(texts[0][0]) if texts and texts[0] else None


def _add_builtin_roles(realm: Realm) -> None:
    basic = [
        add_role(realm, name, container=realm.id, description=f"${{role_{name.replace('_access', '-access')}}}")["id"]
        for name in ("offline_access", "uma_authorization")
    ]
    account, management = realm.client("account"), realm.client("realm-management")
    assert account, "made just before"
    assert management, "made just before"
    own = {name: add_role(realm, name, container=account["id"], description=f"${{role_{name}}}") for name in builtin()["account_roles"]}
    own["manage-account"]["parts"] = [own["manage-account-links"]["id"]]
    own["manage-consent"]["parts"] = [own["view-consent"]["id"]]
    parts = [*basic, own["manage-account"]["id"], own["view-profile"]["id"]]
    add_role(realm, f"default-roles-{realm.name}", container=realm.id, description="${role_default-roles}", parts=parts)
    admin = {name: add_role(realm, name, container=management["id"], description=f"${{role_{name}}}") for name in builtin()["admin_roles"]}
    for name, below in builtin()["admin_composites"].items():
        admin[name]["parts"] = [admin[part]["id"] for part in below]
    admin["realm-admin"]["parts"] = [role["id"] for name, role in admin.items() if name != "realm-admin"]
    for role in (*own.values(), *admin.values()):
        realm.roles.put(role["id"], role)


def _add_own_roles(realm: Realm, given: Document) -> None:
    """Roles of the file itself, of the realm and of its clients."""
    roles = given.get("roles") or {}
    lists = [(realm.id, roles.get("realm") or [])]
    lists += [(client["id"], rows) for client_id, rows in (roles.get("client") or {}).items() if (client := realm.client(client_id))]
    for container, rows in lists:
        for role in rows:
            if not realm.role(container, role["name"]):
                add_role(realm, role["name"], container=container, description=role.get("description"))


def _add_people(realm: Realm, given: Document) -> None:
    wanted = {client["clientId"] for client in given.get("clients") or [] if client.get("serviceAccountsEnabled")}
    for user in given.get("users") or []:
        owner = realm.client(user.get("serviceAccountClientId"))
        if owner:
            wanted.discard(owner["clientId"])
            _enable_account(realm, owner)
            row = realm.users.one("service_client", owner["id"])
            assert row, "made just before"
        else:
            row = add_user(realm, user)
        row["roles"] = _role_ids(realm, user)
        row["enabled"] = user.get("enabled") is not False
        realm.users.put(row["id"], row)
    for client_id in sorted(wanted):
        client = realm.client(client_id)
        if client:
            _enable_account(realm, client)


def _enable_account(realm: Realm, client: Document) -> None:
    client["serviceAccountsEnabled"] = True
    realm.clients.put(client["id"], client)
    add_service_account(realm, client, with_scope=False)


def _role_ids(realm: Realm, user: Document) -> list[str]:
    rows = [realm.role(realm.id, name) for name in user.get("realmRoles") or []]
    for client_id, names in (user.get("clientRoles") or {}).items():
        client = realm.client(client_id)
        rows += [realm.role(client["id"], name) for name in names] if client else []
    return [row["id"] for row in rows if row]


def _map_scopes(realm: Realm, given: Document) -> None:
    """Which roles a client without full scope may see."""
    mapped = [(realm.id, mapping) for mapping in given.get("scopeMappings") or []]
    for container_id, mappings in (given.get("clientScopeMappings") or {}).items():
        container = realm.client(container_id)
        mapped += [(container["id"], mapping) for mapping in mappings] if container else []
    for owner, mapping in mapped:
        client = realm.client(mapping.get("client"))
        if client:
            roles = [realm.role(owner, name) for name in mapping["roles"]]
            client["scope_roles"] += [role["id"] for role in roles if role]
            realm.clients.put(client["id"], client)


def _add_organization(realm: Realm, given: Document) -> None:
    row = add_organization(realm, given)
    renamed = {}
    for group in given.get("groups") or []:
        made = add_group(realm, row, group)
        if group.get("id"):  # a group of a file may bring its id, which members refer to
            realm.groups.remove(made["id"])
            made["id"] = group["id"]
            realm.groups.put(made["id"], made)
        renamed[made["id"]] = made
    for member in given.get("members") or []:
        user = realm.users.one("username", member["username"].lower())
        if user is None:
            continue
        add_member(realm, row, user, managed=member.get("membershipType") == "MANAGED")
        for group_id in member.get("groups") or []:
            if group_id not in renamed:
                raise ValueError(f"organization {row['alias']}: no group with the id {group_id}")
            realm.group_members.put(f"{group_id}/{user['id']}", {"group": group_id, "user": user["id"]})


def _add_admin(realm: Realm) -> None:
    """The service account that a driver of the sandbox uses, with role realm-admin."""
    given = {"clientId": ADMIN_CLIENT, "secret": realm.keys.admin_secret, "standardFlowEnabled": False, "serviceAccountsEnabled": True}
    client, management = add_client(realm, given), realm.client("realm-management")
    account = realm.users.one("service_client", client["id"])
    role = realm.role(management["id"], "realm-admin") if management else None
    if account and role:
        account["roles"].append(role["id"])
        realm.users.put(account["id"], account)
