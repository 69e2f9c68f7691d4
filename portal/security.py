"""Headers of every page, and the check that a form was sent from our own pages."""

from asgi_cross_origin_protection import CrossOriginProtection
from secure import (
    ContentSecurityPolicy,
    CrossOriginOpenerPolicy,
    CrossOriginResourcePolicy,
    PermissionsPolicy,
    ReferrerPolicy,
    Secure,
    StrictTransportSecurity,
    XContentTypeOptions,
    XFrameOptions,
)
from secure.middleware import SecureASGIMiddleware
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp

FOREIGN = HTMLResponse(
    "<!doctype html><title>Not from here</title><h1>This form was not sent from our pages</h1>"
    "<p>Go back, load the page again and send the form once more.</p>",
    status_code=403,
)


def protect(app: ASGIApp, *, identity_url: str, https: bool) -> ASGIApp:
    """Wrap the portal: strict headers, no other origin but our own; login redirects may go to ``identity_url``."""
    policy = (
        ContentSecurityPolicy()
        .default_src("'none'")
        .script_src("'self'")
        .style_src("'self'")
        .img_src("'self'", "data:")
        .connect_src("'self'")
        .font_src("'self'")
        .manifest_src("'self'")
        .form_action("'self'", identity_url)
        .frame_ancestors("'none'")
        .base_uri("'none'")
    )
    headers = Secure(
        csp=policy,
        hsts=StrictTransportSecurity().max_age(31536000).include_subdomains() if https else None,
        xfo=XFrameOptions().deny(),
        xcto=XContentTypeOptions().nosniff(),
        referrer=ReferrerPolicy().same_origin(),
        coop=CrossOriginOpenerPolicy().same_origin(),
        corp=CrossOriginResourcePolicy().same_origin(),
        permissions=PermissionsPolicy().geolocation().camera().microphone(),
    )
    checked = CrossOriginProtection(app, deny_app=FOREIGN, allow_unverifiable_requests=False, exempt_paths=("/auth/backchannel-logout",))
    return SecureASGIMiddleware(checked, secure=headers)  # type: ignore[return-value]  # it types scopes as objects
