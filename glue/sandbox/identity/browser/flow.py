"""A login under way: one row a browser tab, and the question what comes next."""

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from glue.sandbox.identity import mails
from glue.sandbox.identity.answers import Document, builtin
from glue.sandbox.identity.browser.visits import BACK, BROWSER_TAB, IDENTITY, Problem, Visit, back_link
from glue.sandbox.identity.events import note_event
from glue.sandbox.identity.people import is_enabled
from glue.sandbox.identity.scopes import SINGLE
from glue.sandbox.identity.sessions import join_client, live_session, start_session
from glue.sandbox.identity.state import Realm, new_id, new_word, pick

EXPIRED = "Action expired. Please start again."
SUPPORTED = ("VERIFY_EMAIL", "UPDATE_PASSWORD")
BLANK: Document = {
    "user": None, "attempted": None, "proved": False, "sso": False, "organization": None, "picked": False, "remember": False,
    "redirect_uri": None, "state": None, "nonce": None, "scope": "", "challenge": None, "challenge_method": None, "mode": "query",
    "hint": None, "invitation": None, "device": None, "consented": False, "ending": None, "actions": [], "mailed": None,
}  # fmt: skip


def start_login(visit: Visit, client: Document, kind: str, **fields: Any) -> Document:
    """A new tab of this browser, of kind ``authenticate``, ``registration`` or ``actions``."""
    realm = visit.realm
    root = visit.cookies.get(BROWSER_TAB) or ""
    if not realm.logins.by("root", root):
        root = new_word()
        visit.set_cookie(BROWSER_TAB, root)
    limit = realm.now() - max(realm.settings["accessCodeLifespanLogin"], 3600)
    for row in realm.logins:
        if row["since"] < limit:
            realm.logins.remove(row["id"])
    row = BLANK | {"id": new_word(8), "root": root, "client": client["id"], "kind": kind, "since": realm.now()} | fields
    return realm.logins.put(row["id"], row)


def open_login(visit: Visit) -> tuple[Document, Document]:
    """The tab that this request belongs to, and its client; only in the browser that began it."""
    realm = visit.realm
    row = realm.logins.get(visit.query.get("tab_id", ""))
    client = realm.clients.get(row["client"]) if row else realm.client(visit.query.get("client_id"))
    if row is None or client is None or row["root"] != visit.cookies.get(BROWSER_TAB):
        text = "Restart login cookie not found. It may have expired; it may have been deleted or cookies are disabled in your browser."
        raise Problem(f"{text} If cookies are disabled then enable them. Click Back to Application to login again.", client=client)
    return row, client


def keep(realm: Realm, login: Document, **fields: Any) -> Document:
    login.update(fields)
    return realm.logins.put(login["id"], login)


def action_url(visit: Visit, login: Document, name: str, **more: str) -> str:
    """The address of a step of this login."""
    client = visit.realm.clients.get(login["client"]) or {}
    query = {
        "session_code": new_word(),
        "execution": name,
        "client_id": client.get("clientId", ""),
        "tab_id": login["id"],
        "client_data": "e30",
    }
    return f"{visit.realm.issuer}/login-actions/{name}?" + urlencode(query | more)


def signed_in(visit: Visit) -> Document | None:
    """The session of this browser's identity cookie, while it lives and its user is enabled."""
    claims = visit.realm.keys.unseal(visit.cookies.get(IDENTITY, ""))
    session = live_session(visit.realm, claims["sid"]) if claims and claims.get("typ") == "Serialized-ID" else None
    user = visit.realm.users.get(session["user"]) if session else None
    return session if user and is_enabled(visit.realm, user) else None


def advance(visit: Visit, login: Document, **told: Any) -> Response:
    """What comes next: a page, or away with a code. ``told`` goes to the page (alert, errors, values)."""
    realm = visit.realm
    user = realm.users.get(login["user"]) if login["user"] else None
    client = realm.clients.get(login["client"])
    assert client, "removing a client ends its logins"
    if login["kind"] == "registration" and not login["proved"]:
        return registration_page(visit, login, **told)
    if not login["proved"]:
        identity_first = realm.settings["organizationsEnabled"] and len(realm.organizations) > 0
        if not identity_first:
            return login_page(visit, login, ask_username=not login["sso"], ask_password=True, **told)
        if login["attempted"] is None:
            return login_page(visit, login, ask_username=True, ask_password=False, **told)
        if user and must_pick(realm, login, user):
            return picker_page(visit, login, user)
        return login_page(visit, login, ask_username=False, ask_password=True, **told)
    if user is None:
        raise Problem("Unexpected error when handling authentication request to identity provider.", client=client)
    refuse_disabled(realm, user, client)
    action = next_action(realm, login, user)
    if action:
        return visit.leave(action_url(visit, login, "required-action", execution=action))
    if must_pick(realm, login, user):
        return picker_page(visit, login, user)
    if login["device"] and not login["consented"]:
        return consent_page(visit, login, client)
    return _finish(visit, login, user, client)


def refuse_disabled(realm: Realm, user: Document, client: Document | None) -> None:
    if not is_enabled(realm, user):
        raise Problem("Account is disabled, contact your administrator.", client=client)


def next_action(realm: Realm, login: Document, user: Document) -> str | None:
    """What this person must do before they are let in, most urgent first."""
    wanted = set(user["requiredActions"]) | set(login["actions"])
    if realm.settings["verifyEmail"] and not user["emailVerified"] and user.get("email"):
        wanted.add("VERIFY_EMAIL")
    order = [
        action["alias"]
        for action in sorted(builtin()["required_actions"], key=lambda action: int(action["priority"]))
        if action["alias"] in wanted
    ]
    return order[0] if order else None


def must_pick(realm: Realm, login: Document, user: Document) -> bool:
    choices = [row for row in realm.memberships(user["id"]) if row["enabled"]]
    return SINGLE in login["scope"].split() and not login["picked"] and len(choices) > 1


def login_page(visit: Visit, login: Document, *, ask_username: bool, ask_password: bool, **told: Any) -> Response:
    settings = visit.realm.settings
    switch = SINGLE in login["scope"].split() and login["picked"] and not ask_username
    return visit.show(
        "login.html",
        "login" if ask_password else "login-username",
        "Sign in to your account",
        action=action_url(visit, login, "authenticate"),
        ask_username=ask_username,
        ask_password=ask_password,
        email_only=settings["registrationEmailAsUsername"],
        username=told.pop("username", login["attempted"] or ""),
        attempted=None if ask_username else login["attempted"],
        restart_url=None if ask_username else action_url(visit, login, "restart"),
        remember_me=settings["rememberMe"],
        switch_action=action_url(visit, login, "authenticate") if switch else None,
        reset_url=action_url(visit, login, "reset-credentials") if settings["resetPasswordAllowed"] else None,
        register_url=action_url(visit, login, "registration")
        if settings["registrationAllowed"] and (ask_username or not login["user"])
        else None,
        **told,
    )


def picker_page(visit: Visit, login: Document, user: Document) -> Response:
    """The person's organizations, disabled ones too; choosing one of these shows the page again."""
    return visit.show(
        "select-organization.html",
        "select-organization",
        "Select organization",
        heading="",
        action=action_url(visit, login, "authenticate"),
        attempted=login["attempted"],
        restart_url=action_url(visit, login, "restart"),
        organizations=[pick(row, "alias", "name") for row in visit.realm.memberships(user["id"])],
    )


def registration_page(visit: Visit, login: Document, **told: Any) -> Response:
    realm = visit.realm
    invitation, values = login["invitation"], told.pop("values", {})
    title, more = "Register", {}
    if invitation:
        row = realm.invitations.get((realm.keys.unseal(invitation) or {}).get("jti", "")) or {}
        organization = realm.organizations.get(row.get("organization", "")) or {}
        title, more = f"Create an account to join the {organization.get('name')} organization", {"token": invitation}
        values = {"email": row.get("email")} | values
    return visit.show(
        "register.html",
        "register",
        title,
        action=action_url(visit, login, "registration", **more),
        ask_password=not realm.settings["verifyEmail"],
        values={name: value or "" for name, value in values.items()},
        locale=visit.locale() if realm.settings["internationalizationEnabled"] else None,
        login_url=None if invitation else action_url(visit, login, "restart"),
        **told,
    )


def consent_page(visit: Visit, login: Document, client: Document) -> Response:
    name = client.get("name") or client["clientId"]
    return visit.show(
        "ask.html",
        "login-oauth-grant",
        f"Grant Access to {name}",
        form_id=None,
        text="Do you grant these access privileges? User profile, email address, user roles, organizations.",
        action=action_url(visit, login, "consent"),
        hidden={"code": new_word()},
        buttons=[("accept", "Yes"), ("cancel", "No")],
    )


def send_verification(visit: Visit, login: Document, user: Document) -> None:
    """Mail a link that proves the address; it carries this login on when opened in the same browser."""
    realm = visit.realm
    seconds, client = realm.settings["actionTokenGeneratedByUserLifespan"], realm.clients.get(login["client"]) or {}
    claims = action_claims(
        realm, user, "verify-email", seconds, azp=client.get("clientId"), asid=f"{login['root']}.{login['id']}.{login['client']}"
    )
    link = f"{realm.issuer}/login-actions/action-token?" + urlencode(
        {"key": realm.keys.seal(claims), "client_id": client.get("clientId", ""), "tab_id": login["id"]}
    )
    visit.errands.append(mails.send_verification(realm, user, link=link, seconds=seconds))
    note_event(
        realm,
        "SEND_VERIFY_EMAIL",
        client=client.get("clientId"),
        user=user["id"],
        auth_method="openid-connect",
        email=user["email"],
        username=user["username"],
    )
    keep(realm, login, mailed=realm.now())


def action_claims(realm: Realm, user: Document, kind: str, seconds: int, **more: Any) -> Document:
    """What the token of a link in a mail says."""
    claims: Document = {
        "iss": realm.issuer,
        "aud": realm.issuer,
        "typ": kind,
        "sub": user["id"],
        "eml": user.get("email"),
        "jti": new_id(),
        "nonce": new_id(),
    }
    return claims | {"iat": realm.now(), "exp": realm.now() + seconds} | {name: value for name, value in more.items() if value is not None}


def _finish(visit: Visit, login: Document, user: Document, client: Document) -> Response:
    """Everything is proved: the session is there, and the browser goes back with a code."""
    realm = visit.realm
    if login["ending"]:  # begun by a mail, not by an application: nobody is signed in
        realm.logins.remove(login["id"])
        link = login["redirect_uri"] or back_link(realm, client)
        return visit.tell("Account updated", "Your account has been updated.", link=link, link_text=BACK)
    session = _session_for(visit, login, user)
    aliases = [word.split(":", 1)[1] for word in login["scope"].split() if word.startswith(SINGLE + ":") and not word.endswith(":*")]
    chosen = login["organization"]
    if chosen or len(aliases) == 1:
        session["organization"] = chosen or aliases[0]
    join_client(realm, session, client, organization=chosen, bound=None, acr="0" if login["sso"] else "1")
    told = {"auth_method": "openid-connect", "username": user["username"], "code_id": session["id"], "consent": "no_consent_required"}
    if not login["device"]:
        told |= {"response_type": "code", "redirect_uri": login["redirect_uri"], "response_mode": login["mode"]}
    note_event(realm, "LOGIN", client=client["clientId"], user=user["id"], session=session["id"], **told)
    realm.logins.remove(login["id"])
    if login["device"]:
        device = realm.devices.get(login["device"])
        if device:
            realm.devices.put(device["id"], device | {"state": "approved", "session": session["id"]})
        return visit.leave(f"{realm.issuer}/device/status")
    code = {
        "id": new_id(),
        "session": session["id"],
        "client": client["id"],
        "used": False,
        "until": realm.now() + realm.settings["accessCodeLifespan"],
    }
    code |= pick(login, "redirect_uri", "nonce", "scope", "challenge", "challenge_method")
    realm.codes.put(code["id"], code)
    params = ({"state": login["state"]} if login["state"] is not None else {}) | {"session_state": session["id"], "iss": realm.issuer}
    return visit.leave(
        with_params(login["redirect_uri"], params | {"code": f"{code['id']}.{session['id']}.{client['id']}"}, mode=login["mode"])
    )


def _session_for(visit: Visit, login: Document, user: Document) -> Document:
    """The browser's own session when it is this user's, else a new one with its cookies."""
    realm = visit.realm
    session = signed_in(visit)
    if session is None or session["user"] != user["id"]:
        taken = realm.sessions.get(login["root"]) is not None
        session = start_session(realm, user, sid=None if taken else login["root"], notes={"AUTH_TIME": realm.now()})
    elif not login["sso"]:
        session["notes"]["AUTH_TIME"] = realm.now()
    session["remember"] = session["remember"] or login["remember"]
    session["last"] = realm.now()
    lifespan = realm.settings["ssoSessionMaxLifespan"]
    seconds = lifespan if session["remember"] else None
    claims = {
        "iss": realm.issuer,
        "sub": user["id"],
        "sid": session["id"],
        "typ": "Serialized-ID",
        "iat": realm.now(),
        "exp": realm.now() + lifespan,
    }
    visit.set_cookie(IDENTITY, realm.keys.seal(claims), seconds=seconds)
    visit.set_cookie("KEYCLOAK_SESSION", session["id"], seconds=seconds, readable=True)
    return session


def with_params(url: str, params: dict[str, str], *, mode: str = "query") -> str:
    """``url`` with parameters behind ``?`` (or ``#``)."""
    mark = "#" if mode == "fragment" else "&" if "?" in url else "?"
    return url + mark + urlencode(params)
