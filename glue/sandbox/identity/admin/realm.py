"""The realm itself, its roles, required actions and event lists over REST."""

from typing import Any

from starlette.responses import Response

from glue.sandbox.identity.admin.calls import (
    READ_CLIENTS,
    READ_EVENTS,
    READ_REALM,
    READ_USERS,
    WRITE_EVENTS,
    WRITE_REALM,
    Call,
    Handler,
    stripped,
)
from glue.sandbox.identity.answers import Document, answer, builtin, created, done, error, message
from glue.sandbox.identity.events import list_admin_events, list_events
from glue.sandbox.identity.passwords import unknown_policies
from glue.sandbox.identity.roles import add_role, role_page
from glue.sandbox.identity.state import pick

OWN = ("requiredActions", "profile", "default_scopes", "optional_scopes")
HARMLESS = ("realm", "displayName", "bruteForceProtected", "supportedLocales", "defaultLocale", "organizationsEnabled")
SKIPPED = (
    "id",
    "realm",
    "attributes",
    "users",
    "clients",
    "organizations",
    "groups",
    "roles",
    "clientScopes",
    "requiredActions",
    "components",
)


def get_realm(call: Call) -> Response:
    settings = call.realm.settings
    if call.may(READ_REALM):
        page = {name: value for name, value in settings.items() if name not in OWN and value not in (None, "", [])}
        if page["smtpServer"].get("password"):
            page["smtpServer"] = page["smtpServer"] | {"password": "**********"}
        return answer(page)
    call.require(tuple(builtin()["admin_roles"]))
    return answer(pick(settings, *HARMLESS, *(("registrationEmailAsUsername",) if call.may(READ_USERS) else ())))


def change_realm(call: Call) -> Response:
    """PUT merges top-level fields; ``attributes`` is replaced as a whole."""
    call.require(WRITE_REALM)
    given = call.body("RealmRepresentation")
    if given.get("passwordPolicy") and unknown_policies(given["passwordPolicy"]):
        raise message(400, "Password policy not found")
    if given.get("realm") not in (None, call.realm.name):
        raise error(501, "the identity sandbox does not rename realms")
    settings = call.realm.settings | {name: value for name, value in given.items() if value is not None and name not in SKIPPED}
    if given.get("attributes") is not None:
        settings["attributes"] = builtin()["fixed_attributes"] | {
            name: str(value) for name, value in given["attributes"].items() if value is not None
        }
    if settings.get("supportedLocales"):
        settings["supportedLocales"] = sorted(settings["supportedLocales"])
    if str(settings["smtpServer"].get("auth", "false")).lower() != "true":  # a name and password that are not used are not kept
        settings["smtpServer"] = {name: value for name, value in settings["smtpServer"].items() if name not in ("user", "password")}
    call.realm.keep_settings(settings)
    call.note("UPDATE", "REALM", None, stripped(given))
    return done()


def events_config(call: Call) -> Response:
    call.require(READ_EVENTS)
    settings = call.realm.settings
    page = pick(settings, "eventsEnabled", "eventsExpiration", "eventsListeners", "adminEventsEnabled", "adminEventsDetailsEnabled")
    return answer(page | {"enabledEventTypes": settings.get("enabledEventTypes") or builtin()["event_types"]})


def get_events(call: Call) -> Response:
    call.require(READ_EVENTS)
    return answer(list_events(call.realm, call.query, first=call.number("first", 0), limit=call.number("max", 100)))


def get_admin_events(call: Call) -> Response:
    call.require(READ_EVENTS)
    return answer(list_admin_events(call.realm, call.query, first=call.number("first", 0), limit=call.number("max", 100)))


def clear_events(call: Call, *, admin: bool) -> Response:
    call.require(WRITE_EVENTS)
    table = call.realm.admin_events if admin else call.realm.events
    for row in table:
        table.remove(row["id"])
    return done()


def default_scopes(call: Call, *, kind: str) -> Response:
    call.require((*READ_CLIENTS, *READ_REALM))
    rows = [call.realm.scopes.one("name", name) for name in call.realm.settings[f"{kind}_scopes"]]
    return answer([pick(row, "id", "name", "protocol") for row in rows if row])


def list_required_actions(call: Call) -> Response:
    call.require(READ_REALM)
    return answer(call.realm.settings["requiredActions"])


def _required_action(call: Call) -> Document:
    found = (action for action in call.realm.settings["requiredActions"] if action["alias"] == call.parts["alias"])
    action: Document | None = next(found, None)
    if action is None:
        raise error(404, "Failed to find required action")
    return action


def get_required_action(call: Call) -> Response:
    call.require(READ_REALM)
    return answer(_required_action(call))


def change_required_action(call: Call) -> Response:
    call.require(WRITE_REALM)
    action, given = _required_action(call), call.body("RequiredActionProviderRepresentation")
    action.update(stripped(given, "alias"))
    call.realm.keep_settings(call.realm.settings)
    call.note("UPDATE", "REQUIRED_ACTION", f"authentication/required-actions/{action['alias']}", stripped(given))
    return done()


def list_realm_groups(call: Call) -> Response:
    call.require((*READ_USERS, "query-groups"))
    return answer([])


def get_realm_group(call: Call) -> Response:
    call.require(READ_USERS)
    if call.realm.groups.get(call.parts["group"]):
        raise message(400, "Cannot manage organization related group via non Organization API.")
    raise error(404, "Could not find group by id")


def list_roles(call: Call) -> Response:
    """Roles of the realm or, below a client, of the client."""
    return answer([role_page(row) for row in call.realm.roles.by("containerId", _container(call, READ_REALM, READ_CLIENTS))])


def _container(call: Call, of_realm: tuple[str, ...], of_client: tuple[str, ...]) -> str:
    if "client" in call.parts:
        call.require(of_client)
        return str(call.client()["id"])
    call.require(of_realm)
    return call.realm.id


def _role(call: Call, container: str) -> Document:
    row = call.realm.role(container, call.parts["role"])
    if row is None:
        raise error(404, "Could not find role")
    return row


def get_role(call: Call) -> Response:
    return answer(role_page(_role(call, _container(call, READ_REALM, READ_CLIENTS)), full=True))


def create_role(call: Call) -> Response:
    container = _container(call, WRITE_REALM, ("manage-clients",))
    given = call.body("RoleRepresentation")
    add_role(call.realm, given["name"], container=container, description=given.get("description"))
    path = f"clients/{container}/roles/{given['name']}" if "client" in call.parts else f"roles/{given['name']}"
    call.note("CREATE", "CLIENT_ROLE" if "client" in call.parts else "REALM_ROLE", path, stripped(given))
    return created(f"{call.realm.admin_url}/{path}")


def remove_role(call: Call) -> Response:
    container = _container(call, WRITE_REALM, ("manage-clients",))
    row = _role(call, container)
    call.realm.roles.remove(row["id"])
    path = f"clients/{container}/roles/{row['name']}" if "client" in call.parts else f"roles/{row['name']}"
    call.note("DELETE", "CLIENT_ROLE" if "client" in call.parts else "REALM_ROLE", path)
    return done()


def routes() -> dict[tuple[str, str], Handler]:
    """(method, path below the realm) -> handler."""
    action = "/authentication/required-actions/{alias}"
    table: dict[tuple[str, str], Any] = {
        ("GET", ""): get_realm,
        ("PUT", ""): change_realm,
        ("GET", "/events/config"): events_config,
        ("GET", "/events"): get_events,
        ("DELETE", "/events"): lambda call: clear_events(call, admin=False),
        ("GET", "/admin-events"): get_admin_events,
        ("DELETE", "/admin-events"): lambda call: clear_events(call, admin=True),
        ("GET", "/default-default-client-scopes"): lambda call: default_scopes(call, kind="default"),
        ("GET", "/default-optional-client-scopes"): lambda call: default_scopes(call, kind="optional"),
        ("GET", "/authentication/required-actions"): list_required_actions,
        ("GET", action): get_required_action,
        ("PUT", action): change_required_action,
        ("GET", "/groups"): list_realm_groups,
        ("GET", "/groups/{group}"): get_realm_group,
    }
    for base in ("/roles", "/clients/{client}/roles"):
        table[("GET", base)] = list_roles
        table[("POST", base)] = create_role
        table[("GET", f"{base}/{{role}}")] = get_role
        table[("DELETE", f"{base}/{{role}}")] = remove_role
    return table
