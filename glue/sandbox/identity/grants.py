"""The token endpoint, a function a grant."""

import base64
import hashlib
import re
from collections.abc import Callable
from urllib.parse import unquote

from glue.sandbox.identity import passwords
from glue.sandbox.identity.answers import Document, Refusal, oauth
from glue.sandbox.identity.events import note_event
from glue.sandbox.identity.people import find_login, is_enabled
from glue.sandbox.identity.scopes import SINGLE, for_user, grant, named, narrowed
from glue.sandbox.identity.sessions import join_client, leave_client, live_session, start_session, touch
from glue.sandbox.identity.state import Realm
from glue.sandbox.identity.tokens import INVALID_ORGANIZATION, Issue, grant_of, issue, subject_of

BAD_CLIENT = "Invalid client or Invalid client credentials"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
Form = dict[str, str]


def authenticate_client(realm: Realm, form: Form, authorization: str | None, *, event: str = "CLIENT_LOGIN_ERROR") -> Document:
    """The client that asks, by secret in form or header; public ones by name alone."""
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if authorization and authorization.lower().startswith("basic "):
        try:
            name, _, word = base64.b64decode(authorization[6:]).decode().partition(":")
        except ValueError:
            raise oauth(401, "invalid_client", BAD_CLIENT) from None
        client_id, secret = unquote(name), unquote(word)
    client = realm.client(client_id)
    kind = form.get("grant_type")
    if client is None:
        note_event(realm, event, client=client_id, error="client_not_found", grant_type=kind)
        raise oauth(401, "invalid_client", BAD_CLIENT)
    if not client["enabled"]:
        note_event(realm, event, client=client_id, error="client_disabled", grant_type=kind)
        raise oauth(401, "invalid_client", BAD_CLIENT)
    if not client["publicClient"] and (not secret or secret != client.get("secret")):
        note_event(realm, event, client=client_id, error="invalid_client_credentials", grant_type=kind)
        raise oauth(401, "unauthorized_client", BAD_CLIENT)
    return client


def _method(client: Document) -> str | None:
    return None if client["publicClient"] else "client-secret"


def give_tokens(realm: Realm, form: Form, authorization: str | None) -> Document:
    """The token endpoint's JSON for a form."""
    client = authenticate_client(realm, form, authorization)
    kind = form.get("grant_type")
    if not kind:
        raise oauth(400, "invalid_request", "Missing form parameter: grant_type")
    if kind not in GRANTS:
        raise oauth(400, "unsupported_grant_type", "Unsupported grant_type")
    if client["bearerOnly"]:
        raise oauth(400, "invalid_client", "Bearer-only not allowed")
    return GRANTS[kind](realm, client, form)


def _by_client(realm: Realm, client: Document, form: Form) -> Document:
    if client["publicClient"]:
        raise oauth(401, "unauthorized_client", "Public client not allowed to retrieve service account")
    user = realm.users.one("service_client", client["id"])
    if not client["serviceAccountsEnabled"] or user is None:
        raise oauth(401, "unauthorized_client", "Client not enabled to retrieve service account")
    if not user["enabled"]:
        raise oauth(401, "invalid_request", f"User '{user['username']}' disabled")
    granted = for_user(realm, grant(realm, client, form.get("scope")), user)
    made = issue(subject_of(realm, user, client, granted, None), None, how="cc")
    told = {"grant_type": "client_credentials", "client_auth_method": _method(client), "username": user["username"]}
    note_event(realm, "CLIENT_LOGIN", client=client["clientId"], user=user["id"], **made.details, **told)
    return made.body


def _by_password(realm: Realm, client: Document, form: Form) -> Document:
    if not client["directAccessGrantsEnabled"]:
        raise oauth(400, "unauthorized_client", "Client not allowed for direct access grants")
    granted = grant(realm, client, form.get("scope"))
    user = find_login(realm, form.get("username", ""))
    told = {
        "auth_method": "openid-connect",
        "grant_type": "password",
        "client_auth_method": _method(client),
        "username": form.get("username"),
    }
    problem = check_login(realm, user, form.get("password", ""))
    if problem:
        code, text = problem
        note_event(realm, "LOGIN_ERROR", client=client["clientId"], user=user["id"] if user else None, error=code, **told)
        raise oauth(400, "invalid_grant", text)
    assert user, "checked just before"
    if user["requiredActions"] or (realm.settings["verifyEmail"] and not user["emailVerified"]):
        note_event(realm, "LOGIN_ERROR", client=client["clientId"], user=user["id"], error="resolve_required_actions", **told)
        raise oauth(400, "invalid_grant", "Account is not fully set up")
    passwords.clear_failures(realm, user)
    session = start_session(realm, user, offline=granted.offline)
    join_client(realm, session, client)
    made = issue(subject_of(realm, user, client, for_user(realm, granted, user), session), session, how="ro")
    note_event(realm, "LOGIN", client=client["clientId"], user=user["id"], session=session["id"], **made.details, **told)
    return made.body


def check_login(realm: Realm, user: Document | None, password: str) -> tuple[str, str] | None:
    """Why this person may not log in with this password: (event error, sentence); None when fine. Counts failures."""
    if user is None:
        return "user_not_found", "Invalid user credentials"
    if passwords.is_locked(realm, user):
        return "user_temporarily_disabled", "Invalid user credentials"
    if not passwords.is_password(user, password):
        passwords.note_failure(realm, user)
        return "invalid_user_credentials", "Invalid user credentials"
    if not is_enabled(realm, user):
        return "user_disabled", "Account disabled"
    return None


def _by_code(realm: Realm, client: Document, form: Form) -> Document:
    text = form.get("code")
    if not text:
        raise oauth(400, "invalid_request", "Missing parameter: code")
    code = realm.codes.get(text.split(".")[0])
    session = live_session(realm, code["session"]) if code else None
    refused = oauth(400, "invalid_grant", "Code not valid")
    if code and code["client"] != client["id"]:
        raise oauth(400, "invalid_grant", "Auth error: Found different client_id in clientSession")
    if code is None or session is None:
        note_event(realm, "CODE_TO_TOKEN_ERROR", client=client["clientId"], error="invalid_code", grant_type="authorization_code")
        raise refused
    if code["used"] or code["until"] < realm.now():
        if code["used"]:
            leave_client(realm, session, client)
        note_event(realm, "CODE_TO_TOKEN_ERROR", client=client["clientId"], error="invalid_code", grant_type="authorization_code")
        raise refused
    code["used"] = True
    realm.codes.put(code["id"], code)
    if form.get("redirect_uri") != code["redirect_uri"]:
        raise oauth(400, "invalid_grant", "Incorrect redirect_uri")
    _check_verifier(code.get("challenge"), code.get("challenge_method") or "plain", form.get("code_verifier"))
    user = realm.users.get(session["user"])
    if user is None or not is_enabled(realm, user):
        raise oauth(400, "invalid_grant", "User disabled")
    granted = for_user(realm, grant(realm, client, code.get("scope") or None), user)
    touch(realm, session)
    if granted.offline:
        session = start_session(realm, user, sid=session["id"], offline=True, notes=session["notes"])
        join_client(realm, session, client)
    made = issue(subject_of(realm, user, client, granted, session), session, how="ac", nonce=code.get("nonce"))
    told = {"grant_type": "authorization_code", "code_id": session["id"], "client_auth_method": _method(client)}
    note_event(realm, "CODE_TO_TOKEN", client=client["clientId"], user=user["id"], session=session["id"], **made.details, **told)
    return made.body


def _check_verifier(challenge: str | None, method: str, verifier: str | None) -> None:
    if challenge is None:
        return
    if not verifier:
        raise oauth(400, "invalid_grant", "PKCE code verifier not specified")
    if not re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier):
        raise oauth(400, "invalid_grant", "PKCE verification failed: Invalid code verifier")
    given = verifier
    if method == "S256":
        given = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if given != challenge:
        raise oauth(400, "invalid_grant", "PKCE verification failed: Code mismatch")


def _by_refresh(realm: Realm, client: Document, form: Form) -> Document:
    if not form.get("refresh_token"):
        raise oauth(400, "invalid_request", "No refresh token")
    try:
        made, session, user = _refresh(realm, client, form["refresh_token"], form.get("scope"))
    except Refusal:
        note_event(realm, "REFRESH_TOKEN_ERROR", client=client["clientId"], error="invalid_token", grant_type="refresh_token")
        raise
    note_event(
        realm,
        "REFRESH_TOKEN",
        client=client["clientId"],
        user=user["id"],
        session=session["id"],
        grant_type="refresh_token",
        **made.details,
    )
    return made.body


def _refresh(realm: Realm, client: Document, token: str, scope: str | None) -> tuple[Issue, Document, Document]:
    def refused(text: str) -> Refusal:
        return oauth(400, "invalid_grant", text)

    claims = realm.keys.unseal(token)
    if claims is None or claims.get("typ") not in ("Refresh", "Offline") or claims["iss"] != realm.issuer:
        raise refused("Invalid refresh token")
    if claims.get("exp", realm.now() + 1) <= realm.now():
        raise refused("Token is not active")
    if claims["azp"] != client["clientId"]:
        raise refused("Invalid refresh token. Token client and authorized client don't match")
    offline = claims["typ"] == "Offline"
    session = live_session(realm, claims["sid"], offline=offline)
    if session is None:
        raise refused("Offline user session not found" if offline else "Session not active")
    if client["id"] not in session["clients"]:
        raise refused("Session doesn't have required client")
    user = realm.users.get(session["user"])
    if user is None or not is_enabled(realm, user):
        raise refused("User disabled")
    if not offline and claims["iat"] < max(realm.settings["notBefore"], user["notBefore"]):
        raise refused("Stale token")
    original = grant_of(realm, client, claims["scope"])
    bound = session["clients"][client["id"]].get("bound")
    if bound and not named(realm, f"{SINGLE}:{bound}", user):
        raise INVALID_ORGANIZATION
    _count_use(realm, session, client, claims["jti"])
    granted = for_user(realm, narrowed(original, scope) if scope else original, user)
    touch(realm, session)
    made = issue(subject_of(realm, user, client, granted, session), session, how="rt", keep=original, nonce=claims.get("nonce"))
    return made, session, user


def _count_use(realm: Realm, session: Document, client: Document, token_id: str) -> None:
    """With rotation a token is good once (and as often again as the realm allows); misuse costs the session this client."""
    if not realm.settings["revokeRefreshToken"]:
        return
    place = session["clients"][client["id"]]
    uses = place["used"].get(token_id, 0)
    if uses > realm.settings["refreshTokenMaxReuse"]:
        leave_client(realm, session, client)
        raise oauth(400, "invalid_grant", "Maximum allowed refresh token reuse exceeded")
    place["used"][token_id] = uses + 1
    realm.sessions.put(session["key"], session)


def _by_device(realm: Realm, client: Document, form: Form) -> Document:
    device = realm.devices.get(form.get("device_code", ""))
    if device is None or device["client"] != client["id"]:
        raise oauth(400, "invalid_grant", "Device code not valid")
    if device["until"] < realm.now():
        raise oauth(400, "expired_token", "Device code is expired")
    if device["state"] == "denied":
        raise oauth(400, "access_denied", "The end user denied the authorization request")
    last, device["polled"] = device["polled"], realm.now_ms()
    realm.devices.put(device["id"], device)
    if last and realm.now_ms() - last < device["interval"] * 1000:
        raise oauth(400, "slow_down", "Slow down")
    if device["state"] != "approved":
        raise oauth(400, "authorization_pending", "The authorization request is still pending")
    realm.devices.remove(device["id"])
    session = live_session(realm, device["session"])
    user = realm.users.get(session["user"]) if session else None
    if session is None or user is None or not is_enabled(realm, user):
        raise oauth(400, "invalid_grant", "User disabled")
    granted = for_user(realm, grant(realm, client, device["scope"] or None), user)
    join_client(realm, session, client, bound=None)
    made = issue(subject_of(realm, user, client, granted, session), session, how="dg")
    told = {"grant_type": DEVICE_GRANT, "client_auth_method": _method(client), "code_id": session["id"]}
    note_event(
        realm, "OAUTH2_DEVICE_CODE_TO_TOKEN", client=client["clientId"], user=user["id"], session=session["id"], **made.details, **told
    )
    return made.body


GRANTS: dict[str, Callable[[Realm, Document, Form], Document]] = {
    "client_credentials": _by_client,
    "password": _by_password,
    "authorization_code": _by_code,
    "refresh_token": _by_refresh,
    DEVICE_GRANT: _by_device,
}
