"""The authorization endpoint: an application sends a person here to log in or register."""

import re

from starlette.responses import Response

from glue.sandbox.identity.answers import Document, Refusal
from glue.sandbox.identity.browser.flow import advance, keep, must_pick, next_action, registration_page, signed_in, start_login, with_params
from glue.sandbox.identity.browser.steps import take_hint
from glue.sandbox.identity.browser.visits import Problem, Visit
from glue.sandbox.identity.clients import fits_redirect
from glue.sandbox.identity.events import note_event
from glue.sandbox.identity.scopes import grant

NOT_ALLOWED = "Client is not allowed to initiate browser login with given response_type."


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
    mode = "fragment" if given.get("response_mode") == "fragment" or "token" in given.get("response_type", "") else "query"

    def refuse(kind: str, text: str | None = None) -> Response:
        params = {"error": kind} | ({"error_description": text} if text else {})
        params |= {"state": given["state"]} if "state" in given else {}
        return visit.leave(with_params(uri, params | {"iss": realm.issuer}, mode=mode))

    problem = _request_problem(client, given)
    if problem:
        return refuse(*problem)
    try:
        grant(realm, client, given.get("scope"))
    except Refusal as refusal:
        return refuse("invalid_scope", str((refusal.body or {})["error_description"]))
    session, prompt = signed_in(visit), (given.get("prompt") or "").split()
    fields = {name: given.get(name) for name in ("redirect_uri", "state", "nonce")} | {"scope": given.get("scope", ""), "mode": mode}
    fields |= {"challenge": given.get("code_challenge"), "challenge_method": given.get("code_challenge_method")}
    if "create" in prompt:
        if not realm.settings["registrationAllowed"]:
            raise Problem("Registration not allowed", client=client)
        return registration_page(visit, start_login(visit, client, "registration", **fields))
    login = start_login(visit, client, "authenticate", hint=given.get("login_hint"), **fields)
    user = realm.users.get(session["user"]) if session else None
    if user:
        keep(realm, login, user=user["id"], attempted=user["username"], proved="login" not in prompt, sso="login" not in prompt)
    if "none" in prompt:
        if user is None or not login["proved"] or must_pick(realm, login, user):
            return refuse("login_required")
        if next_action(realm, login, user):
            return refuse("interaction_required")
    if user is None and given.get("login_hint"):
        return take_hint(visit, login)
    again = {"alert": "Please re-authenticate to continue", "alert_kind": "info"} if user and not login["proved"] else {}
    return advance(visit, login, **again)


def _request_problem(client: Document, given: dict[str, str]) -> tuple[str, str] | None:
    if not given.get("response_type"):
        return "invalid_request", "Missing parameter: response_type"
    if given["response_type"] != "code":
        kind = "Implicit" if given["response_type"] in ("token", "id_token", "id_token token") else "Standard"
        return "unauthorized_client", f"{NOT_ALLOWED} {kind} flow is disabled for the client."
    if not client["standardFlowEnabled"]:
        return "unauthorized_client", f"{NOT_ALLOWED} Standard flow is disabled for the client."
    method, wanted = given.get("code_challenge_method"), client["attributes"].get("pkce.code.challenge.method")
    if wanted and not method:
        return "invalid_request", "Missing parameter: code_challenge_method"
    if (wanted and method != wanted) or (method and method not in ("S256", "plain")):
        return "invalid_request", "Invalid parameter: code challenge method is not matching the configured one"
    if (wanted or method) and not given.get("code_challenge"):
        return "invalid_request", "Missing parameter: code_challenge"
    if given.get("code_challenge") and not re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", given["code_challenge"]):
        return "invalid_request", "Invalid parameter: code_challenge"
    return None
