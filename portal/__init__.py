"""Portal: pages for customers and operators. May import anything in glue; glue never imports portal."""

from importlib.util import find_spec

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starsessions import SessionAutoloadMiddleware, SessionMiddleware

from glue.wiring import Services
from portal import login, problems
from portal.known import Known
from portal.memberships import Memberships
from portal.pages import PAGES
from portal.people import People
from portal.security import protect
from portal.sessions import COOKIE, LIFETIME_SECONDS, SqlStore
from portal.site import Site
from portal.static_files import StaticFiles


def create(services: Services) -> ASGIApp:
    """The whole portal as one ASGI app: sign-in, pages, static files, strict headers."""
    people = People(services.keycloak, Memberships(services), services.clock)
    site = Site(product=services.settings.product_name, people=people, known=Known(services.actions))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(login.routes(services.settings, services.keycloak, services.signins, services.clock))
    if find_spec("portal.pages.operator") is not None:
        from portal.pages import operator

        app.include_router(operator.routes(site, services))
    for page in PAGES:
        app.include_router(page(site, services))
    problems.install(app, site)
    sessions = SessionMiddleware(
        SessionAutoloadMiddleware(app),
        store=SqlStore(services.signins),
        lifetime=LIFETIME_SECONDS,
        cookie_name=COOKIE,
        cookie_same_site="lax",
        cookie_https_only=True,
        cookie_path="/",
    )
    settings = services.settings

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        """Starlette raises an error again after its page was sent, only to be logged; that is done (``page_failed``)."""
        begun = False

        async def noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await sessions(scope, receive, noting)
        except Exception:
            if not begun:
                raise

    return protect(StaticFiles(answered), identity_url=settings.keycloak.url, https=settings.public_url.startswith("https://"))
