"""Routes of the hosted pages."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from glue.sandbox.identity.browser import authorizing, leaving, links, registering, steps
from glue.sandbox.identity.browser.visits import TEMPLATES, Problem, Visit
from glue.sandbox.identity.mails import MailError
from glue.sandbox.identity.provider import form_of, require_realm
from glue.sandbox.identity.state import Realm

Step = Callable[[Visit], Response]


def browser_routes(realm: Realm) -> list[Route]:
    """Routes below ``/realms/{realm}``."""

    def visiting(step: Step) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            require_realm(realm, request)
            form, headers = await form_of(request), request.headers
            visit = Visit(
                realm,
                request.method,
                realm.url + request.url.path,
                dict(request.query_params),
                form,
                dict(request.cookies),
                headers.get("user-agent", ""),
                headers.get("accept-language", ""),
                headers.get("authorization"),
                "text/html" in headers.get("accept", ""),
            )
            try:
                with realm.store.transaction():
                    visit.remember_locale()
                    response = step(visit)
                for errand in visit.errands:
                    await errand
            except Problem as problem:
                response = visit.explain(problem)
            except MailError:
                response = visit.explain(Problem("Failed to send email, please try again later.", status=500))
            return response

        return endpoint

    async def stylesheet(_: Request) -> Response:
        return FileResponse(TEMPLATES / "pages.css", media_type="text/css", headers={"cache-control": "max-age=3600"})

    async def script(_: Request) -> Response:
        return FileResponse(TEMPLATES / "pages.js", media_type="text/javascript", headers={"cache-control": "max-age=3600"})

    base, openid, actions = "/realms/{realm}", "/realms/{realm}/protocol/openid-connect", "/realms/{realm}/login-actions"
    table: list[tuple[str, Step]] = [
        (f"{openid}/auth", authorizing.authorize),
        (f"{openid}/registrations", registering.registrations),
        (f"{openid}/logout", leaving.log_out),
        (f"{openid}/logout/logout-confirm", leaving.confirm_logout),
        (f"{actions}/authenticate", steps.authenticate),
        (f"{actions}/registration", registering.register),
        (f"{actions}/required-action", steps.required_action),
        (f"{actions}/reset-credentials", steps.reset_credentials),
        (f"{actions}/restart", steps.restart),
        (f"{actions}/consent", steps.consent),
        (f"{actions}/action-token", links.follow),
        (f"{base}/device", leaving.device),
        (f"{base}/device/status", leaving.device_done),
        (f"{base}/account", leaving.account),
        (f"{base}/account/", leaving.account),
    ]
    routes = [Route(path, visiting(step), methods=["GET", "POST"]) for path, step in table]
    return [*routes, Route(f"{base}/resources/pages.css", stylesheet), Route(f"{base}/resources/pages.js", script)]
