"""Registering, on one's own or by an invitation."""

from starlette.responses import Response

from glue.sandbox.identity import invitations, passwords, people
from glue.sandbox.identity.answers import Document
from glue.sandbox.identity.browser.authorizing import authorize
from glue.sandbox.identity.browser.flow import advance, keep, open_login, registration_page, start_login
from glue.sandbox.identity.browser.steps import password_errors
from glue.sandbox.identity.browser.visits import Problem, Visit
from glue.sandbox.identity.events import note_event

STALE = "The link you clicked is no longer valid. It may have expired or already been used."


def registrations(visit: Visit) -> Response:
    """The link of an invitation to somebody without an account."""
    realm, token = visit.realm, visit.given.get("token")
    client = realm.client(visit.given.get("client_id"))
    if client is None:
        raise Problem("Client not found.")
    if not token:
        if not realm.settings["registrationAllowed"]:
            raise Problem("Registration not allowed", client=client)
        visit.query["prompt"] = "create"
        return authorize(visit)
    claims = realm.keys.unseal(token)
    opened = invitations.open_invitation(realm, claims)
    if opened is None or claims is None or opened[0]["user"] or realm.users.by("email", opened[0]["email"]):
        return visit.refuse_link(STALE)
    login = start_login(visit, client, "registration", invitation=token, redirect_uri=claims["reduri"])
    return registration_page(visit, login)


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
        return visit.refuse_link(STALE)
    errors = _registration_errors(visit, opened[0] if opened else None)
    if errors:
        note_event(
            realm,
            "REGISTER_ERROR",
            client=client["clientId"],
            error="invalid_registration",
            register_method="form",
            email=form.get("email"),
        )
        return registration_page(visit, login, errors=errors, values=form)
    user = _create(visit)
    told = {
        "auth_method": "openid-connect",
        "register_method": "form",
        "code_id": login["root"],
        "email": user["email"],
        "username": user["username"],
    }
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
    for name in ("firstName", "lastName", "email"):
        if not form.get(name, "").strip():
            errors[name] = "Please specify email." if name == "email" else "Please specify this field."
    if email and not people.is_email(email):
        errors["email"] = "Invalid email address."
    elif email and realm.users.by("email", email):
        errors["email"] = "Email already exists."
    elif invitation and email != invitation["email"]:
        errors["email"] = "Email does not match the invitation"
    if not realm.settings["verifyEmail"]:
        errors |= password_errors(
            visit, {"username": email, "email": email}, form.get("password", ""), form.get("password-confirm", ""), at="password"
        )
    return errors


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
