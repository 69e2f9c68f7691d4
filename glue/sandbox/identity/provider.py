"""The OpenID endpoints that programs call: discovery, keys, tokens, introspection, userinfo, revocation, devices."""

import json
import secrets
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from glue.sandbox.identity.answers import Document, builtin, error, oauth
from glue.sandbox.identity.events import note_event
from glue.sandbox.identity.grants import Form, authenticate_client, give_tokens
from glue.sandbox.identity.scopes import grant
from glue.sandbox.identity.sessions import end_session, leave_client, live_session, tell_clients
from glue.sandbox.identity.state import Realm, new_word
from glue.sandbox.identity.tokens import check_token, introspect, user_info

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Messages = list[tuple[str, str]]


def provider_routes(realm: Realm) -> list[Route]:
    """Routes below ``/realms/{realm}``."""
    openid = "/realms/{realm}/protocol/openid-connect"

    def reading(make: Callable[[Realm], Document]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            require_realm(realm, request)
            return JSONResponse(make(realm))

        return endpoint

    def posting(
        handle: Callable[[Realm, Form, str | None], Response | tuple[Response, Messages]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            require_realm(realm, request)
            form = await form_of(request)
            with realm.store.transaction():
                result = handle(realm, form, request.headers.get("authorization"))
            if isinstance(result, tuple):
                result, messages = result
                await tell_clients(messages)
            return result

        return endpoint

    async def on_userinfo(request: Request) -> Response:
        require_realm(realm, request)
        form = await form_of(request) if request.method == "POST" else {}
        return _userinfo(realm, request.headers.get("authorization"), form.get("access_token"))

    return [
        Route("/realms/{realm}", reading(_realm_page)),
        Route("/realms/{realm}/.well-known/openid-configuration", reading(discovery)),
        Route(f"{openid}/certs", reading(lambda realm: realm.keys.jwks())),
        Route(f"{openid}/token", posting(_token), methods=["POST"]),
        Route(f"{openid}/token/introspect", posting(_introspect), methods=["POST"]),
        Route(f"{openid}/userinfo", on_userinfo, methods=["GET", "POST"]),
        Route(f"{openid}/revoke", posting(_revoke), methods=["POST"]),
        Route(f"{openid}/auth/device", posting(authorize_device), methods=["POST"]),
    ]


def require_realm(realm: Realm, request: Request) -> None:
    if request.path_params["realm"] != realm.name:
        raise error(404, "Realm does not exist")


async def form_of(request: Request) -> Form:
    """The fields of a form post; empty for any other content."""
    if "form" not in request.headers.get("content-type", ""):
        return {}
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _realm_page(realm: Realm) -> Document:
    page = {"realm": realm.name, "public_key": realm.keys.public_key(), "token-service": f"{realm.issuer}/protocol/openid-connect"}
    return page | {"account-service": f"{realm.issuer}/account", "tokens-not-before": realm.settings["notBefore"]}


def discovery(realm: Realm) -> Document:
    page: Document = json.loads(json.dumps(builtin()["discovery"]).replace("{issuer}", realm.issuer))
    page["scopes_supported"] = ["openid", *(row["name"] for row in realm.scopes if row["protocol"] == "openid-connect")]
    return page


def _token(realm: Realm, form: Form, authorization: str | None) -> Response:
    response = JSONResponse(give_tokens(realm, form, authorization))
    response.headers.update({"cache-control": "no-store", "pragma": "no-cache"})
    return response


def _introspect(realm: Realm, form: Form, authorization: str | None) -> Response:
    client = realm.client(form.get("client_id"))
    if (
        client
        and not client["publicClient"]
        and client["enabled"]
        and form.get("client_secret")
        and form["client_secret"] != client.get("secret")
    ):
        raise oauth(401, "invalid_client", "Client authentication failed.")
    caller = authenticate_client(realm, form, authorization, event="INTROSPECT_TOKEN_ERROR")
    if caller["publicClient"]:
        raise oauth(403, "invalid_request", "Client not allowed.")
    if not form.get("token"):
        raise oauth(400, "invalid_request", "Token not provided.")
    page = introspect(realm, form["token"], caller)
    note_event(realm, "INTROSPECT_TOKEN", client=caller["clientId"])
    return JSONResponse(page)


def _userinfo(realm: Realm, authorization: str | None, token: str | None) -> Response:
    if authorization and authorization.lower().startswith("bearer "):
        token = authorization[7:]
    if not token:
        return _challenge(realm, 401)
    checked = check_token(realm, token)
    if isinstance(checked, str):
        return _challenge(realm, 401, "invalid_token", checked)
    if checked.claims["typ"] != "Bearer":
        return _challenge(realm, 401, "invalid_token", "Token verification failed")
    if "openid" not in str(checked.claims.get("scope", "")).split():
        return _challenge(realm, 403, "insufficient_scope", "Missing openid scope")
    note_event(realm, "USER_INFO_REQUEST", client=checked.client["clientId"], user=checked.user["id"])
    return JSONResponse(user_info(realm, checked))


def _challenge(realm: Realm, status: int, kind: str | None = None, text: str | None = None) -> Response:
    value = f'Bearer realm="{realm.name}"' + (f', error="{kind}", error_description="{text}"' if kind else "")
    return Response(status_code=status, headers={"www-authenticate": value, "content-type": "text/plain;charset=utf-8"})


def _revoke(realm: Realm, form: Form, authorization: str | None) -> Response | tuple[Response, Messages]:
    client = authenticate_client(realm, form, authorization)
    token = form.get("token")
    if not token:
        raise oauth(400, "invalid_request", "Token not provided")
    claims = realm.keys.read(token) or realm.keys.unseal(token)
    if claims is None:
        return JSONResponse(oauth(200, "invalid_token", "Invalid token").body)
    if claims.get("azp") != client["clientId"]:
        raise oauth(400, "invalid_token", "Unmatching clients")
    if claims["typ"] == "Bearer":
        realm.revoked.put(claims["jti"], {"id": claims["jti"]})
        return Response(status_code=200)
    session = live_session(realm, claims["sid"], offline=claims["typ"] == "Offline")
    messages: Messages = []
    if session:
        leave_client(realm, session, client)
        if not session["clients"]:
            messages = end_session(realm, session)
        note_event(realm, "REVOKE_GRANT", client=client["clientId"], user=session["user"], session=session["id"])
    return Response(status_code=200), messages


def logout_by_token(realm: Realm, form: Form, authorization: str | None) -> Messages:
    """End the session of a refresh token; again is fine. Returns the back-channel messages."""
    client = authenticate_client(realm, form, authorization)
    claims = realm.keys.unseal(form["refresh_token"])
    if claims is None or claims.get("typ") not in ("Refresh", "Offline"):
        raise oauth(400, "invalid_grant", "Invalid refresh token")
    if claims["azp"] != client["clientId"]:
        raise oauth(400, "invalid_grant", "Invalid refresh token. Token client and authorized client don't match")
    session = live_session(realm, claims["sid"], offline=claims["typ"] == "Offline")
    if session is None:
        return []
    method = None if client["publicClient"] else "client-secret"
    note_event(realm, "LOGOUT", client=client["clientId"], user=session["user"], session=session["id"], client_auth_method=method)
    return end_session(realm, session)


def authorize_device(realm: Realm, form: Form, authorization: str | None) -> Response:
    """A device asks for a code that a person will enter."""
    client = authenticate_client(realm, form, authorization)
    if client["attributes"].get("oauth2.device.authorization.grant.enabled") != "true":
        raise oauth(
            400,
            "unauthorized_client",
            "Client is not allowed to initiate OAuth 2.0 Device Authorization Grant. The flow is disabled for the client.",
        )
    grant(realm, client, form.get("scope"))
    lifespan = int(realm.settings["attributes"].get("oauth2DeviceCodeLifespan") or 600)
    interval = int(realm.settings["attributes"].get("oauth2DevicePollingInterval") or 5)
    code, word = new_word(32), "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(2))
    row = {"id": code, "user_code": word, "client": client["id"], "scope": form.get("scope", ""), "state": "pending"}
    realm.devices.put(code, row | {"until": realm.now() + lifespan, "interval": interval, "polled": 0, "session": None})
    page = {"device_code": code, "user_code": word, "verification_uri": f"{realm.issuer}/device"}
    return JSONResponse(
        page | {"verification_uri_complete": f"{realm.issuer}/device?user_code={word}", "expires_in": lifespan, "interval": interval}
    )
