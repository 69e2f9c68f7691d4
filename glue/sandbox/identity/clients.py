"""Clients, client scopes and their protocol mappers."""

import re
import secrets
from urllib.parse import urlsplit

from glue.sandbox.identity.answers import Document, builtin, error, message, oauth, server_error
from glue.sandbox.identity.people import new_user, remove_user
from glue.sandbox.identity.state import Realm, new_id, pick

DEFAULTS: Document = {
    "surrogateAuthRequired": False,
    "enabled": True,
    "alwaysDisplayInConsole": False,
    "clientAuthenticatorType": "client-secret",
    "redirectUris": [],
    "notBefore": 0,
    "bearerOnly": False,
    "consentRequired": False,
    "standardFlowEnabled": True,
    "implicitFlowEnabled": False,
    "directAccessGrantsEnabled": False,
    "serviceAccountsEnabled": False,
    "publicClient": False,
    "frontchannelLogout": False,
    "protocol": "openid-connect",
    "authenticationFlowBindingOverrides": {},
    "fullScopeAllowed": True,
    "nodeReRegistrationTimeout": -1,
}
OWN = ("id", "access", "secret", "attributes", "protocolMappers", "defaultClientScopes", "optionalClientScopes", "defaultRoles")
MAPPERS = {
    "oidc-sub-mapper", "oidc-usersessionmodel-note-mapper", "oidc-acr-mapper", "oidc-audience-resolve-mapper", "oidc-allowed-origins-mapper",
    "oidc-usermodel-client-role-mapper", "oidc-usermodel-realm-role-mapper", "oidc-usermodel-attribute-mapper", "oidc-usermodel-property-mapper",
    "oidc-full-name-mapper", "oidc-audience-mapper", "oidc-hardcoded-claim-mapper", "oidc-organization-membership-mapper",
    "oidc-organization-group-membership-mapper",
}  # fmt: skip


def add_client(realm: Realm, given: Document) -> Document:
    """A new client with the server's defaults, its secret and, where asked for, its service account."""
    client_id = given.get("clientId") or new_id()
    if realm.client(client_id):
        raise message(409, f"Client {client_id} already exists")
    check_redirects(given)
    row: Document = DEFAULTS | {"id": new_id(), "clientId": client_id, "scope_roles": [], "attributes": {"realm_client": "false"}}
    row["webOrigins"] = sorted({_origin(uri) for uri in given.get("redirectUris") or [] if _origin(uri)})
    _take(row, given)
    if not row["publicClient"] and not row["bearerOnly"] and not given.get("secret"):
        renew_secret(realm, row)
    elif given.get("secret"):
        row["secret"] = given["secret"]
    row["protocolMappers"] = [completed(mapper) for mapper in given.get("protocolMappers") or []]
    for kind, wanted in (("default", given.get("defaultClientScopes")), ("optional", given.get("optionalClientScopes"))):
        names = realm.settings[f"{kind}_scopes"] if wanted is None else wanted
        rows = [realm.scopes.one("name", name) for name in names]
        row[f"{kind}_scopes"] = [scope["id"] for scope in rows if scope and scope["protocol"] == row["protocol"]]
    realm.clients.put(row["id"], row)
    if row["serviceAccountsEnabled"]:
        add_service_account(realm, row, with_scope=given.get("defaultClientScopes") is None)
    return row


def change_client(realm: Realm, row: Document, given: Document) -> None:
    """PUT: merges fields and attributes; scopes and mappers have their own calls."""
    client_id = given.get("clientId") or row["clientId"]
    if client_id != row["clientId"] and realm.client(client_id):
        raise message(409, f"Client {client_id} already exists")
    check_redirects(given)
    had_account = row["serviceAccountsEnabled"]
    _take(row, given | {"clientId": client_id})
    if given.get("secret") is not None:
        row["secret"] = given["secret"]
    realm.clients.put(row["id"], row)
    if row["serviceAccountsEnabled"] and not had_account:
        add_service_account(realm, row)
    elif had_account and not row["serviceAccountsEnabled"]:
        account = realm.users.one("service_client", row["id"])
        if account:
            remove_user(realm, account)


def _take(row: Document, given: Document) -> None:
    row.update({name: value for name, value in given.items() if value is not None and name not in OWN})
    for name, value in (given.get("attributes") or {}).items():
        if value is None:
            row["attributes"].pop(name, None)
        else:
            row["attributes"][name] = str(value)


def add_service_account(realm: Realm, row: Document, *, with_scope: bool = True) -> Document:
    """The user that stands for the client itself."""
    scope = realm.scopes.one("name", "service_account")
    if with_scope and scope and scope["id"] not in row["default_scopes"]:
        row["default_scopes"].append(scope["id"])
        realm.clients.put(row["id"], row)
    user = new_user(realm, f"service-account-{row['clientId']}".lower(), service_client=row["id"])
    return realm.users.put(user["id"], user)


def remove_client(realm: Realm, row: Document) -> None:
    account = realm.users.one("service_client", row["id"])
    if account:
        remove_user(realm, account)
    for role in realm.roles.by("containerId", row["id"]):
        realm.roles.remove(role["id"])
    realm.clients.remove(row["id"])


def renew_secret(realm: Realm, row: Document) -> str:
    """A new random secret."""
    row["secret"] = re.sub(r"[^A-Za-z0-9]", "x", secrets.token_urlsafe(64))
    row["attributes"]["client.secret.creation.time"] = str(realm.now())
    return str(row["secret"])


def check_redirects(given: Document) -> None:
    problems = set()
    for uri in given.get("redirectUris") or []:
        parts = urlsplit(uri)
        if parts.fragment:
            problems.add("A redirect URI must not contain an URL fragment")
        if re.search(r"\s", uri):
            problems.add("A redirect URI is not a valid URI")
    if problems:
        raise oauth(400, "invalid_input", "; ".join(sorted(problems, reverse=True)))


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""


def client_page(realm: Realm, row: Document, *, manage: bool = True) -> Document:
    """A client's representation, secret included (26.7.3 shows it to whoever may view clients)."""
    own = row["clientId"] == "realm-management"
    hidden = ("default_scopes", "optional_scopes", "scope_roles", "protocolMappers")
    page = {name: value for name, value in row.items() if name not in hidden and value is not None}
    if row["protocolMappers"]:
        page["protocolMappers"] = row["protocolMappers"]
    for kind in ("default", "optional"):
        page[f"{kind}ClientScopes"] = [scope["name"] for scope in client_scopes(realm, row, kind)]
    return page | {"access": {"view": True, "configure": manage and not own, "manage": manage and not own}}


def client_scopes(realm: Realm, row: Document, kind: str) -> list[Document]:
    """The client's scopes of that kind, ``default`` or ``optional``."""
    return [scope for scope_id in row[f"{kind}_scopes"] if (scope := realm.scopes.get(scope_id))]


def fits_redirect(client: Document, uri: str) -> bool:
    """Whether the client may be answered at that address; ``*`` at the end stands for any rest of a path."""
    root = (client.get("rootUrl") or "").rstrip("/")
    for allowed in client["redirectUris"]:
        pattern = root + allowed if allowed.startswith("/") else allowed
        if uri == pattern or (pattern.endswith("*") and uri.split("?", maxsplit=1)[0].startswith(pattern[:-1]) and "#" not in uri):
            return True
    return False


def add_scope(realm: Realm, given: Document) -> Document:
    if not given.get("name"):
        raise server_error()
    if re.search(r"\s", given["name"]):
        raise message(400, f'Unexpected name "{given["name"]}" for ClientScope')
    if realm.scopes.by("name", given["name"]):
        raise message(409, f"Client Scope {given['name']} already exists")
    row: Document = {"id": new_id(), "protocol": "openid-connect", "attributes": {}} | pick(
        given, "name", "description", "protocol", "attributes"
    )
    row["protocolMappers"] = [{"id": new_id(), "consentRequired": False} | mapper for mapper in given.get("protocolMappers") or []]
    return realm.scopes.put(row["id"], row)


def scope_page(row: Document) -> Document:
    page = pick(row, "id", "name", "description", "protocol", "attributes")
    return page | ({"protocolMappers": row["protocolMappers"]} if row["protocolMappers"] else {})


def completed(given: Document) -> Document:
    """A new mapper as it is stored: the two flags that follow from others are written out."""
    if given.get("protocolMapper") not in MAPPERS:
        raise error(404, "ProtocolMapper provider not found")
    config = dict(given.get("config") or {})
    config.setdefault("introspection.token.claim", config.get("access.token.claim", "false"))
    config.setdefault("userinfo.token.claim", config.get("id.token.claim", "false"))
    return {"id": new_id(), "consentRequired": False} | pick(given, "name", "protocol", "protocolMapper") | {"config": config}


def add_mapper(owner: Document, given: Document) -> Document:
    """A new mapper of a client or scope (``owner``; the caller stores it)."""
    if any(mapper["name"] == given.get("name") for mapper in owner["protocolMappers"]):
        raise message(409, "Protocol mapper exists with same name")
    mapper = completed(given)
    owner["protocolMappers"].append(mapper)
    return mapper


def require_mapper(owner: Document, mapper_id: str) -> Document:
    mapper: Document | None = next((mapper for mapper in owner["protocolMappers"] if mapper["id"] == mapper_id), None)
    if mapper is None:
        raise error(404, "Model not found")
    return mapper


def add_builtin_clients(realm: Realm) -> None:
    """The clients that every realm has, with their roles."""
    base = {"enabled": True, "fullScopeAllowed": False}
    account = {
        "rootUrl": realm.url,
        "baseUrl": f"/realms/{realm.name}/account/",
        "redirectUris": [f"/realms/{realm.name}/account/*"],
        "publicClient": True,
    }
    for client_id, extra in (
        ("account", account),
        ("account-console", account),
        ("admin-cli", {"publicClient": True, "standardFlowEnabled": False, "directAccessGrantsEnabled": True, "fullScopeAllowed": True}),
        ("broker", {"bearerOnly": True}),
        ("realm-management", {"bearerOnly": True}),
        ("security-admin-console", {"publicClient": True}),
    ):
        row = add_client(realm, base | {"clientId": client_id, "name": f"${{client_{client_id}}}"} | extra)
        row["nodeReRegistrationTimeout"] = 0
        row["attributes"]["realm_client"] = "true" if client_id in ("realm-management", "broker") else "false"
        realm.clients.put(row["id"], row)


def add_builtin_scopes(realm: Realm) -> None:
    for scope in builtin()["scopes"]:
        add_scope(realm, scope)
