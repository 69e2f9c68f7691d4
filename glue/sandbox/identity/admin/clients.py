"""Clients, client scopes and protocol mappers over REST."""

from typing import Any

from starlette.responses import Response

from glue.sandbox.identity import clients
from glue.sandbox.identity.admin.calls import READ_CLIENTS, WRITE_CLIENTS, Call, Handler, stripped
from glue.sandbox.identity.answers import Document, answer, created, done, error, message
from glue.sandbox.identity.people import user_page
from glue.sandbox.identity.state import pick
from glue.sandbox.store import Table

MASK = "**********"


def _reading(call: Call) -> Document:
    call.require(READ_CLIENTS)
    return call.client()


def _writing(call: Call) -> Document:
    call.require(WRITE_CLIENTS)
    return call.client()


def list_clients(call: Call) -> Response:
    call.require((*READ_CLIENTS, "query-clients"))
    wanted, part = call.asked.get("clientId"), call.asked.get("search") == "true"
    rows = [row for row in call.realm.clients if not wanted or row["clientId"] == wanted or (part and wanted in row["clientId"])]
    rows = sorted(rows, key=lambda row: str(row["clientId"])) if call.may(READ_CLIENTS) else []
    return answer([clients.client_page(call.realm, row, manage=call.may(WRITE_CLIENTS)) for row in call.page(rows, -1)])


def add_client(call: Call) -> Response:
    call.require((*WRITE_CLIENTS, "create-client"))
    given = call.body("ClientRepresentation")
    row = clients.add_client(call.realm, given)
    call.note("CREATE", "CLIENT", f"clients/{row['id']}", {"id": row["id"], **_masked(given)})
    return created(f"{call.realm.admin_url}/clients/{row['id']}")


def _masked(given: Document) -> Document:
    return stripped(given) | ({"secret": MASK} if given.get("secret") is not None else {})


def get_client(call: Call) -> Response:
    return answer(clients.client_page(call.realm, _reading(call), manage=call.may(WRITE_CLIENTS)))


def change_client(call: Call) -> Response:
    row, given = _writing(call), call.body("ClientRepresentation")
    clients.change_client(call.realm, row, given)
    call.note("UPDATE", "CLIENT", f"clients/{row['id']}", _masked(given))
    return done()


def remove_client(call: Call) -> Response:
    row = _writing(call)
    clients.remove_client(call.realm, row)
    call.note("DELETE", "CLIENT", f"clients/{row['id']}")
    return done()


def get_secret(call: Call) -> Response:
    row = _reading(call)
    return answer({"type": "secret"} | ({"value": row["secret"]} if row.get("secret") else {}))


def renew_secret(call: Call) -> Response:
    row = _writing(call)
    page = {"type": "secret", "value": clients.renew_secret(call.realm, row)}
    call.realm.clients.put(row["id"], row)
    call.note("ACTION", "CLIENT", f"clients/{row['id']}/client-secret", {"type": "secret", "value": MASK})
    return answer(page)


def get_service_account(call: Call) -> Response:
    row = _reading(call)
    user = call.realm.users.one("service_client", row["id"])
    if user is None:
        raise error(400, f"Service account not enabled for the client '{row['clientId']}'")
    return answer(user_page(call.realm, user))


def list_client_scopes(call: Call, *, kind: str) -> Response:
    return answer([pick(scope, "id", "name") for scope in clients.client_scopes(call.realm, _reading(call), kind)])


def add_client_scope(call: Call, *, kind: str) -> Response:
    row, scope = _writing(call), call.realm.scopes.get(call.parts["scope"])
    if scope is None:
        raise error(404, "Client scope not found")
    if scope["id"] not in row["default_scopes"] + row["optional_scopes"]:  # a default stays a default
        row[f"{kind}_scopes"].append(scope["id"])
        call.realm.clients.put(row["id"], row)
    call.note("CREATE", "CLIENT_SCOPE_CLIENT_MAPPING", f"clients/{row['id']}/{kind}-client-scopes/{scope['id']}")
    return done()


def remove_client_scope(call: Call, *, kind: str) -> Response:
    row, scope = _writing(call), call.realm.scopes.get(call.parts["scope"])
    if scope is None:
        raise error(404, "Client scope not found")
    row[f"{kind}_scopes"] = [scope_id for scope_id in row[f"{kind}_scopes"] if scope_id != scope["id"]]
    call.realm.clients.put(row["id"], row)
    call.note("DELETE", "CLIENT_SCOPE_CLIENT_MAPPING", f"clients/{row['id']}/{kind}-client-scopes/{scope['id']}")
    return done()


def _scope(call: Call) -> Document:
    row = call.realm.scopes.get(call.parts["scope"])
    if row is None:
        raise error(404, "Could not find client scope")
    return row


def list_scopes(call: Call) -> Response:
    call.require(READ_CLIENTS)
    return answer([clients.scope_page(row) for row in call.realm.scopes])


def add_scope(call: Call) -> Response:
    call.require(WRITE_CLIENTS)
    given = call.body("ClientScopeRepresentation")
    if given.get("name") and not given.get("protocol"):
        raise message(400, "Unexpected protocol")
    row = clients.add_scope(call.realm, given)
    call.note("CREATE", "CLIENT_SCOPE", f"client-scopes/{row['id']}", stripped(given))
    return created(f"{call.realm.admin_url}/client-scopes/{row['id']}")


def get_scope(call: Call) -> Response:
    call.require(READ_CLIENTS)
    return answer(clients.scope_page(_scope(call)))


def change_scope(call: Call) -> Response:
    """PUT: attributes and mappers stay when left out."""
    call.require(WRITE_CLIENTS)
    row, given = _scope(call), call.body("ClientScopeRepresentation")
    row.update(pick(given, "name", "description", "attributes"))
    call.realm.scopes.put(row["id"], row)
    call.note("UPDATE", "CLIENT_SCOPE", f"client-scopes/{row['id']}", stripped(given))
    return done()


def remove_scope(call: Call) -> Response:
    call.require(WRITE_CLIENTS)
    row = _scope(call)
    call.realm.scopes.remove(row["id"])
    call.note("DELETE", "CLIENT_SCOPE", f"client-scopes/{row['id']}")
    return done()


def _owner(call: Call, roles: tuple[str, ...]) -> tuple[Table, Document, str]:
    """Who carries the mappers: a scope or a client; and its path."""
    call.require(roles)
    if "scope" in call.parts:
        row = _scope(call)
        return call.realm.scopes, row, f"client-scopes/{row['id']}"
    row = call.client()
    return call.realm.clients, row, f"clients/{row['id']}"


def list_mappers(call: Call) -> Response:
    return answer(_owner(call, READ_CLIENTS)[1]["protocolMappers"])


def add_mapper(call: Call) -> Response:
    table, row, path = _owner(call, WRITE_CLIENTS)
    given = call.body("ProtocolMapperRepresentation")
    mapper = clients.add_mapper(row, given)
    table.put(row["id"], row)
    path += f"/protocol-mappers/models/{mapper['id']}"
    call.note("CREATE", "PROTOCOL_MAPPER", path, stripped(given))
    return created(f"{call.realm.admin_url}/{path}")


def get_mapper(call: Call) -> Response:
    return answer(clients.require_mapper(_owner(call, READ_CLIENTS)[1], call.parts["mapper"]))


def change_mapper(call: Call) -> Response:
    table, row, path = _owner(call, WRITE_CLIENTS)
    mapper, given = clients.require_mapper(row, call.parts["mapper"]), call.body("ProtocolMapperRepresentation")
    mapper.update(stripped(given, "id"))
    table.put(row["id"], row)
    call.note("UPDATE", "PROTOCOL_MAPPER", f"{path}/protocol-mappers/models/{mapper['id']}", stripped(given))
    return done()


def remove_mapper(call: Call) -> Response:
    table, row, path = _owner(call, WRITE_CLIENTS)
    mapper = clients.require_mapper(row, call.parts["mapper"])
    row["protocolMappers"].remove(mapper)
    table.put(row["id"], row)
    call.note("DELETE", "PROTOCOL_MAPPER", f"{path}/protocol-mappers/models/{mapper['id']}")
    return done()


def routes() -> dict[tuple[str, str], Handler]:
    """(method, path below the realm) -> handler."""
    client, scope = "/clients/{client}", "/client-scopes/{scope}"
    table: dict[tuple[str, str], Any] = {
        ("GET", "/clients"): list_clients,
        ("POST", "/clients"): add_client,
        ("GET", client): get_client,
        ("PUT", client): change_client,
        ("DELETE", client): remove_client,
        ("GET", f"{client}/client-secret"): get_secret,
        ("POST", f"{client}/client-secret"): renew_secret,
        ("GET", f"{client}/service-account-user"): get_service_account,
        ("GET", "/client-scopes"): list_scopes,
        ("POST", "/client-scopes"): add_scope,
        ("GET", scope): get_scope,
        ("PUT", scope): change_scope,
        ("DELETE", scope): remove_scope,
    }
    for kind in ("default", "optional"):
        table[("GET", f"{client}/{kind}-client-scopes")] = lambda call, kind=kind: list_client_scopes(call, kind=kind)
        table[("PUT", f"{client}/{kind}-client-scopes/{{scope}}")] = lambda call, kind=kind: add_client_scope(call, kind=kind)
        table[("DELETE", f"{client}/{kind}-client-scopes/{{scope}}")] = lambda call, kind=kind: remove_client_scope(call, kind=kind)
    for owner in (client, scope):
        table[("GET", f"{owner}/protocol-mappers/models")] = list_mappers
        table[("POST", f"{owner}/protocol-mappers/models")] = add_mapper
        table[("GET", f"{owner}/protocol-mappers/models/{{mapper}}")] = get_mapper
        table[("PUT", f"{owner}/protocol-mappers/models/{{mapper}}")] = change_mapper
        table[("DELETE", f"{owner}/protocol-mappers/models/{{mapper}}")] = remove_mapper
    return table
