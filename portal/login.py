"""Signing in and out through Keycloak: code flow with PKCE, ``iss`` compared, back-channel logout, no passwords here."""

from typing import Annotated, Any

import httpx
import httpx2
from anyio.to_thread import run_sync
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter, Form, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.responses import RedirectResponse, Response
from starsessions import regenerate_session_id

from glue.actions.signins import Signins
from glue.clock import Clock
from glue.errors import BadInput, Unauthenticated, Unavailable
from glue.settings import Settings
from glue.upstream.keycloak import Keycloak

SCOPE = "openid email profile organization:*"
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


def safe_path(path: str | None) -> str:
    """A path on this site to go on to, or the start page: never another site, whatever a link says."""
    if (
        path
        and path.startswith("/")
        and not path.startswith(("//", "/\\", "/auth/"))
        and "\\" not in path
        and not any(ord(c) < 32 for c in path)
    ):
        return path
    return "/"


def routes(settings: Settings, keycloak: Keycloak, signins: Signins, clock: Clock) -> APIRouter:
    """The routes below ``/auth``."""
    router = APIRouter(prefix="/auth")
    oauth = OAuth()
    identity = settings.keycloak
    oauth.register(
        "keycloak",
        client_id=identity.portal_client_id,
        client_secret=identity.portal_client_secret.get_secret_value(),
        server_metadata_url=f"{identity.url}/realms/{identity.realm}/.well-known/openid-configuration",
        client_kwargs={"scope": SCOPE, "code_challenge_method": "S256", "timeout": identity.timeout_seconds},
    )
    callback_url = f"{settings.public_url}/auth/callback"

    @router.get("/login")
    async def log_in(request: Request, then: str = "/", screen: str = "", language: str = "") -> Response:
        """Off to Keycloak's pages; ``screen=register`` opens the registration."""
        request.session["then"] = safe_path(then)
        extra = {"prompt": "create"} if screen == "register" else {}
        if language:
            extra["ui_locales"] = {"pt": "pt-BR"}.get(language, language)
        try:
            redirect: Response = await oauth.keycloak.authorize_redirect(request, callback_url, **extra)
        except httpx2.HTTPError as error:
            raise _silent() from error
        return redirect

    @router.get("/callback")
    async def come_back(request: Request) -> Response:
        """Keycloak's answer. A stale or foreign one starts over instead of failing."""
        if request.query_params.get("iss") != identity.issuer_url:
            raise Unauthenticated("The sign-in answer came from somebody else.", remedy="Sign in again.")
        if request.query_params.get("error") in {"access_denied", "temporarily_unavailable", "login_required"}:
            return RedirectResponse("/", 303)
        try:
            token = await oauth.keycloak.authorize_access_token(request)
        except (OAuthError, JoseError):
            return RedirectResponse("/auth/login", 303)  # an old tab: Keycloak still knows the person and answers at once
        except httpx2.HTTPError as error:
            raise _silent() from error
        then = safe_path(request.session.get("then"))
        claims = token["userinfo"]
        active = await run_sync(keycloak.introspect, token["access_token"]) or {}
        kept = {name: request.session[name] for name in ("language", "theme") if request.session.get(name)}
        request.session.clear()
        regenerate_session_id(request)
        request.session["person"] = {
            "sub": claims["sub"],
            "sid": claims.get("sid", ""),
            "email": claims.get("email", ""),
            "name": claims.get("name") or claims.get("email", ""),
            "locale": claims.get("locale", ""),
            "operator": "operator" in active.get("realm_access", {}).get("roles", []),
            "organizations": sorted(active.get("organization", {}) if isinstance(active.get("organization"), dict) else []),
            "checked_at": clock.wall().timestamp(),
        }
        request.session["id_token"] = token["id_token"]
        request.session.update(kept)
        return RedirectResponse(then, 303)

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        """End our session and Keycloak's."""
        id_token = request.session.get("id_token", "")
        request.session.clear()
        end = httpx.URL(f"{identity.url}/realms/{identity.realm}/protocol/openid-connect/logout")
        params = {"post_logout_redirect_uri": f"{settings.public_url}/", "client_id": identity.portal_client_id}
        return RedirectResponse(str(end.copy_merge_params(params | ({"id_token_hint": id_token} if id_token else {}))), 303)

    @router.post("/backchannel-logout")
    def end_session(logout_token: Annotated[str, Form()]) -> Response:
        """Keycloak says that a session is over (OpenID Connect Back-Channel Logout 1.0)."""
        claims = _verified(
            logout_token, keycloak.jwks(), issuer=identity.issuer_url, audience=identity.portal_client_id, now=clock.wall().timestamp()
        )
        signins.end(identity_session=claims.get("sid", ""), subject="" if claims.get("sid") else claims.get("sub", ""))
        return Response(status_code=200, headers={"Cache-Control": "no-store"})

    return router


def _silent() -> Unavailable:
    return Unavailable("The sign-in service does not answer.", remedy="Try again in a minute.")


def _verified(token: str, jwks: dict[str, Any], *, issuer: str, audience: str, now: float) -> dict[str, Any]:
    try:
        decoded = jwt.decode(token, KeySet.import_key_set(jwks), algorithms=["RS256"])  # type: ignore[arg-type]
        jwt.JWTClaimsRegistry(
            now=lambda: int(now),
            leeway=60,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            iat={"essential": True},
        ).validate(decoded.claims)
    except (JoseError, ValueError) as error:
        raise BadInput(
            "The logout token is not valid.", field="logout_token", expected="a token signed by the realm for this client"
        ) from error
    claims = dict(decoded.claims)
    if _LOGOUT_EVENT not in claims.get("events", {}) or "nonce" in claims or not (claims.get("sid") or claims.get("sub")):
        raise BadInput("The token is not a logout token.", field="logout_token", expected="events, and sid or sub")
    return claims
