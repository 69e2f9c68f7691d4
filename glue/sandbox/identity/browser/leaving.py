"""Logout in the browser, and the pages where a device's code is entered."""

from starlette.responses import Response

from glue.sandbox.identity.answers import Document
from glue.sandbox.identity.browser.flow import advance, keep, signed_in, start_login, with_params
from glue.sandbox.identity.browser.visits import BACK, IDENTITY, Problem, Visit, back_link
from glue.sandbox.identity.clients import fits_redirect
from glue.sandbox.identity.events import note_event
from glue.sandbox.identity.provider import authorize_device, logout_by_token
from glue.sandbox.identity.sessions import end_session, live_session, tell_clients
from glue.sandbox.identity.state import new_word


def log_out(visit: Visit) -> Response:
    """RP-initiated logout; with a refresh token in a form it is a program that logs out."""
    realm, given = visit.realm, visit.given
    if visit.method == "POST" and given.get("refresh_token"):
        visit.errands.append(tell_clients(logout_by_token(realm, visit.form, visit.authorization)))
        return Response(status_code=204)
    hint = realm.keys.read(given["id_token_hint"]) if given.get("id_token_hint") else None
    if given.get("id_token_hint") and (hint is None or hint.get("iss") != realm.issuer or hint.get("typ") != "ID"):
        raise Problem("Invalid parameter: id_token_hint")
    client = realm.client(given.get("client_id") or (hint or {}).get("azp"))
    uri = given.get("post_logout_redirect_uri")
    if uri and (client is None or not _may_return(client, uri)):
        raise Problem("Invalid redirect uri" if client else "Missing parameters: id_token_hint", client=client)
    session = live_session(realm, hint["sid"]) if hint and hint.get("sid") else signed_in(visit)
    if hint is None and (session or not uri):
        query = {"client_id": client["clientId"] if client else "", "post_logout_redirect_uri": uri or "", "state": given.get("state", "")}
        return visit.show(
            "ask.html",
            "logout-confirm",
            "Logging out",
            text="Do you want to log out?",
            form_id="kc-logout-confirm-form",
            action=f"{realm.issuer}/protocol/openid-connect/logout/logout-confirm",
            hidden={"session_code": new_word()} | {name: value for name, value in query.items() if value},
            buttons=[("confirmLogout", "Logout")],
        )
    return _leave(visit, session, client, uri)


def confirm_logout(visit: Visit) -> Response:
    """The confirm page's form."""
    client = visit.realm.client(visit.form.get("client_id"))
    uri = visit.form.get("post_logout_redirect_uri")
    if uri and (client is None or not _may_return(client, uri)):
        raise Problem("Invalid redirect uri", client=client)
    return _leave(visit, signed_in(visit), client, uri)


def _leave(visit: Visit, session: Document | None, client: Document | None, uri: str | None) -> Response:
    realm = visit.realm
    if session:
        note_event(
            realm, "LOGOUT", client=client["clientId"] if client else None, user=session["user"], session=session["id"], redirect_uri=uri
        )
        visit.errands.append(tell_clients(end_session(realm, session)))
    for name in (IDENTITY, "KEYCLOAK_SESSION"):
        visit.drop_cookie(name)
    if uri:
        return visit.leave(with_params(uri, {"state": visit.given["state"]}) if visit.given.get("state") else uri)
    link = back_link(realm, client) if client else None
    return visit.tell("You are logged out", "You are logged out", link=link, link_text=BACK)


def _may_return(client: Document, uri: str) -> bool:
    allowed = client["attributes"].get("post.logout.redirect.uris") or "+"
    if allowed == "+":
        return fits_redirect(client, uri)
    return allowed != "-" and fits_redirect(client | {"redirectUris": allowed.split("##")}, uri)


def device(visit: Visit) -> Response:
    """Where a person enters the code that a device shows."""
    if visit.method == "POST" and not visit.wants_page:  # to a program the same address is the device authorization endpoint
        return authorize_device(visit.realm, visit.form, visit.authorization)
    code = visit.form.get("device_user_code") or visit.query.get("user_code")
    if not code:
        return _ask_code(visit)
    realm = visit.realm
    row = realm.devices.one("user_code", code.strip().upper())
    client = realm.clients.get(row["client"]) if row else None
    if row is None or client is None or row["until"] < realm.now() or row["state"] != "pending":
        note_event(realm, "OAUTH2_DEVICE_VERIFY_USER_CODE_ERROR", error="invalid_oauth2_user_code")
        return _ask_code(visit, alert="Invalid code, please try again.")
    login = start_login(visit, client, "authenticate", device=row["id"], scope=row["scope"])
    session = signed_in(visit)
    user = realm.users.get(session["user"]) if session else None
    if user:
        keep(realm, login, user=user["id"], attempted=user["username"], proved=True, sso=True)
    return advance(visit, login)


def _ask_code(visit: Visit, *, alert: str | None = None) -> Response:
    return visit.show(
        "ask.html",
        "login-oauth2-device-verify-user-code",
        "Device Login",
        alert=alert,
        ask_code=True,
        form_id="kc-user-verify-device-user-code-form",
        action=f"{visit.realm.issuer}/device",
        hidden={},
        buttons=[("submit", "Submit")],
    )


def device_done(visit: Visit) -> Response:
    if visit.query.get("error"):
        return visit.tell("Device Login Failed", "Consent denied for connecting the device.", link=f"{visit.realm.issuer}/device")
    return visit.tell("Device Login Successful", "You may close this browser window and go back to your device.")


def account(visit: Visit) -> Response:
    """Stands for the account console, where people land who were sent nowhere else."""
    session = signed_in(visit)
    user = visit.realm.users.get(session["user"]) if session else None
    return visit.tell("Account", f"Signed in as {user['username']}." if user else "You are not signed in.")
