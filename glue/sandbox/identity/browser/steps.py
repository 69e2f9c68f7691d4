"""The steps of a login: what a form sends, and what follows."""

from starlette.responses import Response

from glue.sandbox.identity import mails, passwords, people
from glue.sandbox.identity.answers import Document
from glue.sandbox.identity.browser.flow import (
    SUPPORTED,
    action_claims,
    action_url,
    advance,
    keep,
    login_page,
    next_action,
    open_login,
    refuse_disabled,
    send_verification,
    signed_in,
)
from glue.sandbox.identity.browser.visits import Problem, Visit
from glue.sandbox.identity.events import note_event
from glue.sandbox.identity.grants import check_login
from glue.sandbox.identity.sessions import end_session, tell_clients

WRONG = "Invalid username or password."
RESEND_SECONDS = 30


def authenticate(visit: Visit) -> Response:
    """Username, organization or password, whichever the page asked for; without a form the present step again."""
    login, client = open_login(visit)
    form, realm = visit.form, visit.realm
    if visit.method == "GET":
        return advance(visit, login)
    if form.get("rememberMe"):
        keep(realm, login, remember=True)
    if "switchOrganization" in form:
        keep(realm, login, picked=False, organization=None)
        return advance(visit, login)
    if "kc.org" in form:
        return _take_organization(visit, login, form["kc.org"])
    if "password" in form:
        if "username" in form:
            keep(realm, login, attempted=form["username"].strip(), user=(people.find_login(realm, form["username"]) or {}).get("id"))
        return _take_password(visit, login, client, form["password"])
    return _take_username(visit, login, client, form.get("username", ""))


def _take_username(visit: Visit, login: Document, client: Document, name: str) -> Response:
    name = name.strip()
    if not name:
        return advance(
            visit,
            login,
            errors={
                "username": "Invalid username." if visit.realm.settings["registrationEmailAsUsername"] else "Invalid username or email."
            },
        )
    user = people.find_login(visit.realm, name)
    if user:
        refuse_disabled(visit.realm, user, client)
    keep(visit.realm, login, attempted=name, user=user["id"] if user else None)
    return advance(visit, login)


def take_hint(visit: Visit, login: Document) -> Response:
    """A name that the application knows already; of a disabled person nothing is told before the password."""
    user = people.find_login(visit.realm, login["hint"])
    if user and not people.is_enabled(visit.realm, user):
        return login_page(visit, login, ask_username=True, ask_password=True, username=login["hint"])
    keep(visit.realm, login, attempted=login["hint"].strip(), user=user["id"] if user else None)
    return advance(visit, login)


def _take_organization(visit: Visit, login: Document, alias: str) -> Response:
    rows = visit.realm.memberships(login["user"]) if login["user"] else []
    if any(row["alias"] == alias and row["enabled"] for row in rows):
        keep(visit.realm, login, organization=alias, picked=True)
    return advance(visit, login)


def _take_password(visit: Visit, login: Document, client: Document, password: str) -> Response:
    realm = visit.realm
    user = realm.users.get(login["user"]) if login["user"] else None
    problem = check_login(realm, user, password)
    if problem:
        told = {
            "auth_method": "openid-connect",
            "redirect_uri": login["redirect_uri"],
            "code_id": login["root"],
            "username": login["attempted"],
        }
        note_event(realm, "LOGIN_ERROR", client=client["clientId"], user=user["id"] if user else None, error=problem[0], **told)
        if problem[0] == "user_disabled" and user:
            refuse_disabled(realm, user, client)
        combined = not (realm.settings["organizationsEnabled"] and len(realm.organizations))
        return advance(visit, login, errors={"username" if combined else "password": WRONG})
    assert user, "checked just before"
    passwords.clear_failures(realm, user)
    keep(realm, login, proved=True, sso=False)
    return advance(visit, login)


def restart(visit: Visit) -> Response:
    """Another address: the login begins anew."""
    login, _ = open_login(visit)
    keep(visit.realm, login, kind="authenticate", user=None, attempted=None, proved=False, sso=False, picked=False, organization=None)
    return take_hint(visit, login) if login["hint"] else advance(visit, login)


def password_errors(visit: Visit, user: Document, password: str, again: str, *, at: str) -> dict[str, str]:
    """What is wrong with a new password, by field; ``at`` is where its own problems are told."""
    if not password:
        return {at: "Please specify password."}
    problem = passwords.policy_violation(visit.realm, user, password)
    if problem:
        return {at: problem[1]}
    return {"password-confirm": "Passwords don't match."} if password != again else {}


def required_action(visit: Visit) -> Response:
    """The page of the next required action, and its form."""
    login, client = open_login(visit)
    realm = visit.realm
    user = realm.users.get(login["user"]) if login["proved"] else None
    action = next_action(realm, login, user) if user else None
    if user is None or action is None:
        return advance(visit, login)
    if action == "VERIFY_EMAIL":
        alert = None
        if login["mailed"] is None or ("resend" in visit.query and realm.now() - login["mailed"] >= RESEND_SECONDS):
            send_verification(visit, login, user)
        elif "resend" in visit.query:
            alert = f"You must wait {RESEND_SECONDS} seconds before resending the verification email."
        here = action_url(visit, login, "required-action", execution="VERIFY_EMAIL")
        shown = {"action": here, "resend": f"{here}&resend=1", "email": user["email"], "alert": alert}
        return visit.show("verify-email.html", "login-verify-email", "Email verification", **shown)
    if action not in SUPPORTED:
        raise Problem(f"The identity sandbox does not imitate the required action {action}.", status=501, client=client)
    errors: dict[str, str] = {}
    if visit.method == "POST":
        password, again = visit.form.get("password-new", ""), visit.form.get("password-confirm", "")
        errors = password_errors(visit, user, password, again, at="password-new")
        if not errors:
            _take_new_password(visit, login, client, user, password)
            return advance(visit, login)
    at = action_url(visit, login, "required-action", execution="UPDATE_PASSWORD")
    asked = " to activate your account" if "UPDATE_PASSWORD" in user["requiredActions"] else ""
    problem = errors.pop("password-new", None)
    alert, kind = (problem, "error") if problem else (f"You need to change your password{asked}.", "warning")
    return visit.show(
        "update-password.html", "login-update-password", "Update password", action=at, errors=errors, alert=alert, alert_kind=kind
    )


def _take_new_password(visit: Visit, login: Document, client: Document, user: Document, password: str) -> None:
    realm = visit.realm
    passwords.set_password(realm, user, password)
    user["requiredActions"] = [action for action in user["requiredActions"] if action != "UPDATE_PASSWORD"]
    realm.users.put(user["id"], user)
    keep(realm, login, actions=[action for action in login["actions"] if action != "UPDATE_PASSWORD"])
    if visit.form.get("logout-sessions") == "on":
        own, told = signed_in(visit), []
        for row in realm.sessions.by("user", user["id"]):
            if not row["offline"] and (own is None or row["id"] != own["id"]):
                told += end_session(realm, row)
        visit.errands.append(tell_clients(told))
    for kind in ("UPDATE_CREDENTIAL", "UPDATE_PASSWORD"):
        note_event(
            realm,
            kind,
            client=client["clientId"],
            user=user["id"],
            auth_method="openid-connect",
            credential_type="password",
            username=user["username"],
        )


def reset_credentials(visit: Visit) -> Response:
    """Forgot password: asks for the address and mails a link, telling nobody whether there is such an account."""
    login, client = open_login(visit)
    realm = visit.realm
    if not realm.settings["resetPasswordAllowed"]:
        raise Problem("Reset Credential not allowed", client=client)
    name = visit.form.get("username", "").strip()
    if visit.method == "GET" or not name:
        errors = {"username": "Please specify username."} if visit.method == "POST" else {}
        return visit.show(
            "reset-password.html",
            "login-reset-password",
            "Forgot Your Password?",
            action=action_url(visit, login, "reset-credentials"),
            login_url=action_url(visit, login, "restart"),
            email_only=realm.settings["registrationEmailAsUsername"],
            username=login["attempted"] or "",
            errors=errors,
        )
    user = people.find_login(realm, name)
    if user and people.is_enabled(realm, user) and user.get("email"):
        seconds = realm.settings["actionTokenGeneratedByUserLifespan"]
        claims = action_claims(
            realm, user, "reset-credentials", seconds, azp=client["clientId"], asid=f"{login['root']}.{login['id']}.{login['client']}"
        )
        link = (
            f"{realm.issuer}/login-actions/action-token?key={realm.keys.seal(claims)}&client_id={client['clientId']}&tab_id={login['id']}"
        )
        visit.errands.append(mails.send_reset(realm, user, link=link, seconds=seconds))
        note_event(realm, "SEND_RESET_PASSWORD", client=client["clientId"], user=user["id"], email=user["email"], username=user["username"])
    keep(realm, login, attempted=name, user=user["id"] if user else None, proved=False)
    return advance(visit, login, alert="You should receive an email shortly with further instructions.", alert_kind="success")


def consent(visit: Visit) -> Response:
    """The answer to a device's request for access."""
    login, client = open_login(visit)
    device = visit.realm.devices.get(login["device"] or "")
    if device is None or not login["proved"]:
        return advance(visit, login)
    if "accept" in visit.form:
        keep(visit.realm, login, consented=True)
        note_event(visit.realm, "GRANT_CONSENT", client=client["clientId"], user=login["user"], consent="consent_granted")
        return advance(visit, login)
    visit.realm.devices.put(device["id"], device | {"state": "denied"})
    visit.realm.logins.remove(login["id"])
    return visit.leave(f"{visit.realm.issuer}/device/status?error=access_denied")
