"""Users, their credentials, sessions, roles and locks over REST."""

import json
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from glue.sandbox.identity import mails, passwords, people
from glue.sandbox.identity.admin.calls import READ_CLIENTS, READ_REALM, READ_USERS, WRITE_REALM, WRITE_USERS, Call, Handler, stripped
from glue.sandbox.identity.answers import Document, answer, created, done, error, message, oauth, server_error
from glue.sandbox.identity.clients import fits_redirect
from glue.sandbox.identity.roles import role_page, with_parts
from glue.sandbox.identity.sessions import end_session, live_session, session_page, sessions_of, tell_clients
from glue.sandbox.identity.state import new_id


def _reading(call: Call) -> Document:
    call.require(READ_USERS)
    return call.user()


def _writing(call: Call) -> Document:
    call.require(WRITE_USERS)
    return call.user()


def list_users(call: Call) -> Response:
    call.require((*READ_USERS, "query-users"))
    rows = call.page(people.search_users(call.realm, call.asked), 100) if call.may(READ_USERS) else []
    brief, access = call.asked.get("briefRepresentation") == "true", {"access": {"manage": call.may(WRITE_USERS)}}
    return answer([people.user_page(call.realm, row, brief=brief) | access for row in rows])


def count_users(call: Call) -> Response:
    call.require((*READ_USERS, "query-users"))
    return answer(len(people.search_users(call.realm, call.asked)))


def add_user(call: Call) -> Response:
    call.require(WRITE_USERS)
    if not call.raw.strip() and call.content_type.startswith("application/json"):
        raise server_error()
    given = call.body("UserRepresentation")
    user = people.add_user(call.realm, given)
    call.note("CREATE", "USER", f"users/{user['id']}", stripped(given, "credentials"))
    return created(f"{call.realm.admin_url}/users/{user['id']}")


def get_user(call: Call) -> Response:
    manage = call.may(WRITE_USERS)
    access = {"manageGroupMembership": manage, "resetPassword": manage, "view": True, "mapRoles": manage}
    return answer(
        people.user_page(call.realm, _reading(call))
        | {"access": access | {"impersonate": "impersonation" in call.rights, "manage": manage}}
    )


def change_user(call: Call) -> Response:
    user, given = _writing(call), call.body("UserRepresentation")
    people.change_user(call.realm, user, given)
    call.note("UPDATE", "USER", f"users/{user['id']}", stripped(given, "credentials"))
    return done()


def remove_user(call: Call) -> Response:
    user = _writing(call)
    people.remove_user(call.realm, user)
    call.note("DELETE", "USER", f"users/{user['id']}", {"id": user["id"], "username": user["username"]})
    return done()


def list_credentials(call: Call) -> Response:
    kept = _reading(call).get("password")
    return answer([passwords.credential_page(kept)] if kept else [])


def reset_password(call: Call) -> Response:
    user, given = _writing(call), call.body("CredentialRepresentation")
    if not given.get("value"):
        raise error(400, "Empty password not allowed")
    problem = passwords.policy_violation(call.realm, user, str(given["value"]))
    if problem:
        raise oauth(400, *problem)
    people.take_credential(call.realm, user, given)
    call.realm.users.put(user["id"], user)
    call.note("ACTION", "USER", f"users/{user['id']}/reset-password")
    return done()


async def send_verification(call: Call) -> Response:
    user = _mailable(call)
    claims, seconds = _action_claims(call, user, "verify-email")
    try:
        await mails.send_verification(call.realm, user, link=_action_link(call, claims), seconds=seconds)
    except mails.MailError:
        raise message(500, "Failed to send verify email") from None
    call.note("ACTION", "USER", f"users/{user['id']}/send-verify-email")
    return done()


async def send_actions(call: Call) -> Response:
    user, actions = _mailable(call), call.list_body()
    if set(actions) - set(people.known_actions(call.realm, actions)):
        raise message(400, "Provided invalid required actions")
    claims, seconds = _action_claims(call, user, "execute-actions")
    try:
        await mails.send_actions(call.realm, user, actions=actions, link=_action_link(call, claims | {"rqac": actions}), seconds=seconds)
    except mails.MailError:
        problem = "Error when attempting to send the email to the server. More information is available in the server log."
        raise message(500, f"Failed to send execute actions email: {problem}") from None
    call.note("ACTION", "USER", f"users/{user['id']}/execute-actions-email")
    return done()


def _mailable(call: Call) -> Document:
    user = _writing(call)
    if not user.get("email"):
        raise message(400, "User email missing")
    if not user["enabled"]:
        raise message(400, "User is disabled")
    client, uri = call.realm.client(call.asked.get("client_id", "account")), call.asked.get("redirect_uri")
    if uri and not call.asked.get("client_id"):
        raise message(400, "Client id missing")
    if client is None:
        raise message(400, "Client doesn't exist")
    if uri and not fits_redirect(client, uri):
        raise message(400, "Invalid redirect uri.")
    return user


def _action_claims(call: Call, user: Document, kind: str) -> tuple[Document, int]:
    realm = call.realm
    seconds = call.number("lifespan", realm.settings["actionTokenGeneratedByAdminLifespan"])
    claims: Document = {
        "iss": realm.issuer,
        "aud": realm.issuer,
        "azp": call.asked.get("client_id", "account"),
        "typ": kind,
        "sub": user["id"],
    }
    claims |= {"iat": realm.now(), "exp": realm.now() + seconds, "jti": new_id(), "nonce": new_id(), "eml": user["email"]}
    if call.asked.get("redirect_uri"):
        claims["reduri"] = call.asked["redirect_uri"]
    return claims, seconds


def _action_link(call: Call, claims: Document) -> str:
    return f"{call.realm.issuer}/login-actions/action-token?" + urlencode({"key": call.realm.keys.seal(claims)})


def list_sessions(call: Call) -> Response:
    user = _reading(call)
    return answer([session_page(call.realm, row) for row in sessions_of(call.realm, user["id"])])


async def log_out(call: Call) -> Response:
    user, told = _writing(call), []
    for row in call.realm.sessions.by("user", user["id"]):
        if not row["offline"]:
            told += end_session(call.realm, row)
    user["notBefore"] = call.realm.now()
    call.realm.users.put(user["id"], user)
    call.note("ACTION", "USER", f"users/{user['id']}/logout")
    await tell_clients(told)
    return done()


async def end_one_session(call: Call) -> Response:
    call.require(WRITE_USERS)
    row = live_session(call.realm, call.parts["session"], offline=call.asked.get("isOffline") == "true")
    if row is None:
        raise error(404, "Sesssion not found")  # sic
    told = end_session(call.realm, row)
    call.note("DELETE", "USER_SESSION", f"sessions/{row['id']}")
    await tell_clients(told)
    return done()


def sessions_of_client(call: Call) -> Response:
    call.require(READ_CLIENTS)
    rows = _client_sessions(call)
    return answer([session_page(call.realm, row) for row in call.page(rows, 100)])


def count_sessions_of_client(call: Call) -> Response:
    call.require(READ_CLIENTS)
    return answer({"count": len(_client_sessions(call))})


def _client_sessions(call: Call) -> list[Document]:
    client = call.client()
    rows = [row for row in call.realm.sessions if client["id"] in row["clients"] and not row["offline"]]
    return [row for row in rows if live_session(call.realm, row["id"])]


def nothing_listed(call: Call) -> Response:
    """Consents and ordinary groups: nobody has any here."""
    _reading(call)
    return answer([])


def join_realm_group(call: Call) -> Response:
    _writing(call)
    if call.realm.groups.get(call.parts["group"]):
        raise message(400, "Cannot access organization related group via non Organization API.")
    raise error(404, "Group not found")


def get_lock(call: Call) -> Response:
    return answer(passwords.lock_page(call.realm, _reading(call)))


def clear_lock(call: Call) -> Response:
    user = _writing(call)
    passwords.clear_failures(call.realm, user)
    call.note("DELETE", "USER_LOGIN_FAILURE", f"attack-detection/brute-force/users/{user['id']}")
    return done()


def clear_all_locks(call: Call) -> Response:
    call.require(WRITE_USERS)
    for user in call.realm.users:
        passwords.clear_failures(call.realm, user)
    call.note("DELETE", "USER_LOGIN_FAILURE", "attack-detection/brute-force/users")
    return done()


def get_profile(call: Call) -> Response:
    call.require((*READ_REALM, *READ_USERS))
    return answer(call.realm.settings["profile"])


def change_profile(call: Call) -> Response:
    call.require(WRITE_REALM)
    profile = json.loads(call.raw)
    call.realm.keep_settings(call.realm.settings | {"profile": profile})
    call.note("UPDATE", "USER_PROFILE", "users/profile", profile)
    return answer(profile)


def all_roles(call: Call) -> Response:
    user = _reading(call)
    rows = [role for role_id in user["roles"] if (role := call.realm.roles.get(role_id))]
    page: Document = {}
    realm_rows = [role_page(role) for role in rows if not role["clientRole"]]
    if realm_rows:
        page["realmMappings"] = realm_rows
    for role in rows:
        client = call.realm.clients.get(role["containerId"])
        if client:
            entry = page.setdefault("clientMappings", {}).setdefault(
                client["clientId"], {"id": client["id"], "client": client["clientId"], "mappings": []}
            )
            entry["mappings"].append(role_page(role))
    return answer(page)


def roles_of(call: Call, *, kind: str) -> Response:
    """Roles of one container (a client, or the realm): ``assigned``, ``composite`` (with their parts) or still ``available``."""
    user = _reading(call)
    container = call.client()["id"] if "client" in call.parts else call.realm.id
    own = set(user["roles"])
    if kind == "available":
        rows = [role for role in call.realm.roles.by("containerId", container) if role["id"] not in own]
    elif kind == "composite":
        rows = with_parts(call.realm, user["roles"])
    else:
        rows = [role for role_id in user["roles"] if (role := call.realm.roles.get(role_id))]
    return answer([role_page(role) for role in rows if role["containerId"] == container])


def map_roles(call: Call, *, add: bool) -> Response:
    user, given = _writing(call), call.list_body()
    container = call.client()["id"] if "client" in call.parts else call.realm.id
    rows = [call.realm.roles.get(str(item.get("id"))) for item in given]
    if any(role is None or role["containerId"] != container for role in rows):
        raise error(404, "Role not found")
    changed = [role["id"] for role in rows if role]
    user["roles"] = [role_id for role_id in user["roles"] if role_id not in changed] + (changed if add else [])
    call.realm.users.put(user["id"], user)
    part = f"clients/{container}" if "client" in call.parts else "realm"
    kind = "CLIENT_ROLE_MAPPING" if "client" in call.parts else "REALM_ROLE_MAPPING"
    call.note("CREATE" if add else "DELETE", kind, f"users/{user['id']}/role-mappings/{part}", given)
    return done()


def routes() -> dict[tuple[str, str], Handler]:
    """(method, path below the realm) -> handler."""
    one, lock = "/users/{user}", "/attack-detection/brute-force/users"
    table: dict[tuple[str, str], Any] = {
        ("GET", "/users"): list_users,
        ("POST", "/users"): add_user,
        ("GET", "/users/count"): count_users,
        ("GET", "/users/profile"): get_profile,
        ("PUT", "/users/profile"): change_profile,
        ("GET", one): get_user,
        ("PUT", one): change_user,
        ("DELETE", one): remove_user,
        ("GET", f"{one}/credentials"): list_credentials,
        ("PUT", f"{one}/reset-password"): reset_password,
        ("PUT", f"{one}/send-verify-email"): send_verification,
        ("PUT", f"{one}/execute-actions-email"): send_actions,
        ("GET", f"{one}/sessions"): list_sessions,
        ("POST", f"{one}/logout"): log_out,
        ("DELETE", "/sessions/{session}"): end_one_session,
        ("GET", "/clients/{client}/user-sessions"): sessions_of_client,
        ("GET", "/clients/{client}/session-count"): count_sessions_of_client,
        ("GET", f"{one}/consents"): nothing_listed,
        ("GET", f"{one}/groups"): nothing_listed,
        ("PUT", f"{one}/groups/{{group}}"): join_realm_group,
        ("GET", f"{lock}/{{user}}"): get_lock,
        ("DELETE", f"{lock}/{{user}}"): clear_lock,
        ("DELETE", lock): clear_all_locks,
        ("GET", f"{one}/role-mappings"): all_roles,
    }
    for at in (f"{one}/role-mappings/realm", f"{one}/role-mappings/clients/{{client}}"):
        table[("GET", at)] = lambda call: roles_of(call, kind="assigned")
        table[("GET", f"{at}/composite")] = lambda call: roles_of(call, kind="composite")
        table[("GET", f"{at}/available")] = lambda call: roles_of(call, kind="available")
        table[("POST", at)] = lambda call: map_roles(call, add=True)
        table[("DELETE", at)] = lambda call: map_roles(call, add=False)
    return table
