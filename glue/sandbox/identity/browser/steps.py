"""The steps of logging in and registering: what a form sends, and what follows."""

import re

from starlette.responses import Response

from glue.sandbox.identity import invitations, mails, passwords, people
from glue.sandbox.identity.answers import Document, Refusal
from glue.sandbox.identity.browser.flow import (
    SUPPORTED,
    action_claims,
    action_url,
    advance,
    keep,
    next_action,
    open_login,
    refuse_disabled,
    registration_page,
    send_verification,
    signed_in,
    start_login,
    with_params,
)
from glue.sandbox.identity.browser.visits import Problem, Visit
from glue.sandbox.identity.clients import fits_redirect
from glue.sandbox.identity.events import note_event
from glue.sandbox.identity.grants import check_login
from glue.sandbox.identity.scopes import grant
from glue.sandbox.identity.sessions import end_session, tell_clients

WRONG = "Invalid username or password."


def authorize(visit: Visit) -> Response:
    """The authorization endpoint."""
    realm, given = visit.realm, visit.given
    client = realm.client(given.get("client_id"))
    if client is None or not client["enabled"]:
        raise Problem("Client not found." if client is None else "Client disabled.")
    uri = given.get("redirect_uri")
    if not uri or not fits_redirect(client, uri):
        note_event(realm, "LOGIN_ERROR", client=client["clientId"], error="invalid_redirect_uri", redirect_uri=uri)
        raise Problem("Invalid parameter: redirect_uri", client=client)
    mode = "fragment" if given.get("response_mode") == "fragment" else "query"

    def refuse(kind: str, text: str | None = None) -> Response:
        params = {"error": kind} | ({"error_description": text} if text else {})
        params |= {"state": given["state"]} if "state" in given else {}
        return visit.leave(with_params(uri, params | {"iss": realm.issuer}, mode=mode))

    problem = _request_problem(client, given)
    if problem:
        return refuse(*problem)
    try:
        grant(realm, client, given.get("scope", ""))
    except Refusal as refusal:
        return refuse("invalid_scope", str((refusal.body or {})["error_description"]))
    if given.get("kc_locale"):
        visit.set_cookie("KEYCLOAK_LOCALE", given["kc_locale"])
    session, prompt = signed_in(visit), (given.get("prompt") or "").split()
    fields = {name: given.get(name) for name in ("redirect_uri", "state", "nonce")} | {"scope": given.get("scope", ""), "mode": mode}
    fields |= {"challenge": given.get("code_challenge"), "challenge_method": given.get("code_challenge_method")}
    if "create" in prompt:
        if not realm.settings["registrationAllowed"]:
            return refuse("invalid_request", "Registration is not allowed")
        return registration_page(visit, start_login(visit, client, "registration", **fields))
    login = start_login(visit, client, "authenticate", **fields)
    user = realm.users.get(session["user"]) if session else None
    if user:
        keep(realm, login, user=user["id"], attempted=user["username"], proved="login" not in prompt, sso="login" not in prompt)
    if "none" in prompt:
        if user is None or not login["proved"]:
            return refuse("login_required")
        if next_action(realm, login, user):
            return refuse("interaction_required")
    if user is None and given.get("login_hint"):
        return _take_username(visit, login, client, given["login_hint"])
    return advance(visit, login)


def _request_problem(client: Document, given: dict[str, str]) -> tuple[str, str] | None:
    if not given.get("response_type"):
        return "invalid_request", "Missing parameter: response_type"
    if given["response_type"] != "code":
        return "unsupported_response_type", "The sandbox offers the code flow only."
    if not client["standardFlowEnabled"]:
        return "unauthorized_client", "Client is not allowed to initiate browser login with given response_type. Standard flow is disabled for the client."
    method, wanted = given.get("code_challenge_method"), client["attributes"].get("pkce.code.challenge.method")
    if wanted and not method:
        return "invalid_request", "Missing parameter: code_challenge_method"
    if (wanted and method != wanted) or (method and method not in ("S256", "plain")):
        return "invalid_request", "Invalid parameter: code challenge method is not configured one"
    if (wanted or method) and not given.get("code_challenge"):
        return "invalid_request", "Missing parameter: code_challenge"
    if given.get("code_challenge") and not re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", given["code_challenge"]):
        return "invalid_request", "Invalid parameter: code_challenge"
    return None


def authenticate(visit: Visit) -> Response:
    """Username, organization or password, whichever the page asked for; without a form the present step again."""
    login, client = open_login(visit)
    form, realm = visit.form, visit.realm
    if visit.method == "GET":
        if visit.query.get("kc_locale"):
            visit.set_cookie("KEYCLOAK_LOCALE", visit.query["kc_locale"])
        return advance(visit, login)
    if form.get("rememberMe"):
        keep(realm, login, remember=True)
    if "switch_organization" in form:
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
        return advance(visit, login, errors={"username": "Invalid username or email."})
    user = people.find_login(visit.realm, name)
    if user:
        refuse_disabled(visit.realm, user, client)
    keep(visit.realm, login, attempted=name, user=user["id"] if user else None)
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
        told = {"auth_method": "openid-connect", "redirect_uri": login["redirect_uri"], "code_id": login["root"], "username": login["attempted"]}
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
    return advance(visit, login)


def registrations(visit: Visit) -> Response:
    """The link of an invitation to somebody without an account."""
    realm, token = visit.realm, visit.given.get("token")
    client = realm.client(visit.given.get("client_id"))
    if client is None:
        raise Problem("Client not found.")
    if not token:
        if not realm.settings["registrationAllowed"]:
            raise Problem("Registration not allowed", client=client)
        return authorize_registration(visit)
    claims = realm.keys.unseal(token)
    opened = invitations.open_invitation(realm, claims)
    if opened is None or claims is None or opened[0]["user"] or realm.users.by("email", opened[0]["email"]):
        raise Problem("The link you clicked is no longer valid. It may have expired or already been used.", client=client)
    login = start_login(visit, client, "registration", invitation=token, redirect_uri=claims["reduri"])
    return registration_page(visit, login)


def authorize_registration(visit: Visit) -> Response:
    """The same as ``prompt=create``."""
    visit.query["prompt"] = "create"
    return authorize(visit)


def register(visit: Visit) -> Response:
    """The registration form; a GET only shows it."""
    login, client = open_login(visit)
    realm, form = visit.realm, visit.form
    if not realm.settings["registrationAllowed"] and not login["invitation"]:
        raise Problem("Registration not allowed", client=client)
    keep(realm, login, kind="registration")
    if visit.method == "GET":
        return registration_page(visit, login)
    opened = invitations.open_invitation(realm, realm.keys.unseal(login["invitation"])) if login["invitation"] else None
    if login["invitation"] and opened is None:
        raise Problem("The link you clicked is no longer valid. It may have expired or already been used.", client=client)
    errors = _registration_errors(visit, opened[0] if opened else None)
    if errors:
        note_event(realm, "REGISTER_ERROR", client=client["clientId"], error="invalid_registration", register_method="form", email=form.get("email"))
        return registration_page(visit, login, errors=errors, values=form)
    user = _create(visit)
    told = {"auth_method": "openid-connect", "register_method": "form", "code_id": login["root"], "email": user["email"], "username": user["username"]}
    told |= {"first_name": user["firstName"], "last_name": user["lastName"]}
    told["redirect_uri"] = f"/realms/{realm.name}/account" if opened else login["redirect_uri"]
    if opened:
        invitation, organization = opened
        told |= {"token_id": invitation["id"], "action": "ORGIVT"}
        invitations.accept(realm, invitation, organization, user, managed=True)
    note_event(realm, "REGISTER", client=client["clientId"], user=user["id"], **told)
    if opened:
        note_event(realm, "INVITE_ORG", client=client["clientId"], user=user["id"], org_id=opened[1]["id"], **told)
    keep(realm, login, user=user["id"], attempted=user["username"], proved=True, invitation=None)
    return advance(visit, login)


def _registration_errors(visit: Visit, invitation: Document | None) -> dict[str, str]:
    realm, form = visit.realm, visit.form
    email, errors = form.get("email", "").strip().lower(), {}
    for name, label in (("firstName", "first name"), ("lastName", "last name"), ("email", "email")):
        if not form.get(name, "").strip():
            errors[name] = f"Please specify {label}."
    if email and not people.is_email(email):
        errors["email"] = "Invalid email address."
    elif email and realm.users.by("email", email):
        errors["email"] = "Email already exists."
    elif invitation and email != invitation["email"]:
        errors["email"] = "Email does not match the invitation."
    if not realm.settings["verifyEmail"]:
        errors |= _password_errors(visit, {"username": email, "email": email}, form.get("password", ""), form.get("password-confirm", ""), at="password")
    return errors


def _password_errors(visit: Visit, user: Document, password: str, again: str, *, at: str) -> dict[str, str]:
    if not password:
        return {at: "Please specify password."}
    problem = passwords.policy_violation(visit.realm, user, password)
    if problem:
        return {at: problem[1]}
    return {"password-confirm": "Password confirmation doesn't match."} if password != again else {}


def _create(visit: Visit) -> Document:
    realm, form = visit.realm, visit.form
    email = form["email"].strip().lower()
    username = email if realm.settings["registrationEmailAsUsername"] else form.get("username", email).lower()
    user = people.new_user(realm, username, email=email, firstName=form["firstName"].strip(), lastName=form["lastName"].strip())
    user["attributes"] = people.declared_attributes(realm, {"locale": [form["locale"]]} if form.get("locale") else {})
    if realm.settings["verifyEmail"]:  # the password is asked for once the address is verified
        user["requiredActions"] = ["UPDATE_PASSWORD"]
    realm.users.put(user["id"], user)
    if not realm.settings["verifyEmail"]:
        passwords.set_password(realm, user, form["password"])
    return user


def required_action(visit: Visit) -> Response:
    """The page of the next required action, and its form."""
    login, client = open_login(visit)
    realm = visit.realm
    user = realm.users.get(login["user"]) if login["proved"] else None
    action = next_action(realm, login, user) if user else None
    if user is None or action is None:
        return advance(visit, login)
    if action == "VERIFY_EMAIL":
        if login["mailed"] is None or "resend" in visit.query:
            send_verification(visit, login, user)
        again = action_url(visit, login, "required-action", execution="VERIFY_EMAIL", resend="1")
        return visit.show("verify-email.html", "login-verify-email", "Email verification", action=again, email=user["email"])
    if action not in SUPPORTED:
        raise Problem(f"The identity sandbox does not imitate the required action {action}.", status=501, client=client)
    errors: dict[str, str] = {}
    if visit.method == "POST":
        password, again = visit.form.get("password-new", ""), visit.form.get("password-confirm", "")
        errors = _password_errors(visit, user, password, again, at="password-new")
        if not errors:
            _take_new_password(visit, login, client, user, password)
            return advance(visit, login)
    at = action_url(visit, login, "required-action", execution="UPDATE_PASSWORD")
    alert = errors.pop("password-new", None) or "You need to change your password to activate your account."
    kind = "error" if visit.method == "POST" and alert.startswith(("Invalid", "Please")) else "warning"
    return visit.show("update-password.html", "login-update-password", "Update password", action=at, errors=errors, alert=alert, alert_kind=kind)


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
        note_event(realm, kind, client=client["clientId"], user=user["id"], auth_method="openid-connect", credential_type="password", username=user["username"])


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
    if user and user["enabled"] and user.get("email"):
        seconds = realm.settings["actionTokenGeneratedByUserLifespan"]
        claims = action_claims(realm, user, "reset-credentials", seconds, azp=client["clientId"], asid=f"{login['root']}.{login['id']}.{login['client']}")
        link = f"{realm.issuer}/login-actions/action-token?key={realm.keys.seal(claims)}&client_id={client['clientId']}&tab_id={login['id']}"
        visit.errands.append(mails.send_reset(realm, user, link=link, seconds=seconds))
        note_event(realm, "SEND_RESET_PASSWORD", client=client["clientId"], user=user["id"], email=user["email"], username=user["username"])
    keep(realm, login, user=None, attempted=None, proved=False)
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
    return visit.tell("Device Login Failed", "Consent denied for connecting the device.")
