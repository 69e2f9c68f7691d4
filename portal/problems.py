"""From errors to pages: sign-in and onboarding are redirects, everything else says what happened and what to do."""

from dataclasses import dataclass
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from glue.app.problems import status_of
from glue.errors import BadInput, ConfigInvalid, GlueError, LimitReached, NotFound, Unavailable, UpstreamError
from portal.languages import refusal
from portal.people import OnboardingNeeded, SignInNeeded
from portal.site import Site, StalePage

log = structlog.get_logger()


@dataclass(frozen=True)
class ProblemPage:
    """``facts`` are (name, value); ``back`` a path of ours; ``reference`` finds the request in the log."""

    title: str
    detail: str
    remedy: str
    facts: tuple[tuple[str, str], ...]
    back: str
    reference: str


def install(app: FastAPI, site: Site) -> None:
    """Answer every error of the app as a page. The handlers are not async: they read the database for the frame."""

    @app.exception_handler(SignInNeeded)
    def to_sign_in(request: Request, error: SignInNeeded) -> Response:
        if request.headers.get("hx-request"):
            return Response(status_code=401, headers={"HX-Redirect": f"/auth/login?then={quote(error.then)}"})
        return RedirectResponse(f"/auth/login?then={quote(error.then)}", 303)

    @app.exception_handler(OnboardingNeeded)
    def to_onboarding(_request: Request, _error: OnboardingNeeded) -> Response:
        return RedirectResponse("/welcome", 303)

    @app.exception_handler(StalePage)
    def on_stale(request: Request, error: StalePage) -> Response:
        return show(request, error, status=409)

    @app.exception_handler(GlueError)
    def on_problem(request: Request, error: GlueError) -> Response:
        return show(request, error)

    @app.exception_handler(RequestValidationError)
    def on_invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        field = str(first["loc"][-1])
        return show(request, BadInput("This address or form cannot be used as it is.", field=field, expected=first["msg"]))

    @app.exception_handler(HTTPException)
    def on_http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return show(request, NotFound("There is no page at this address.", remedy="The menu leads to all pages."))
        return show(request, GlueError("This cannot be done at this address."), status=error.status_code)

    @app.exception_handler(Exception)
    def on_defect(request: Request, error: Exception) -> Response:
        log.error("page_failed", path=request.url.path, exc_info=error)
        return show(request, GlueError("This is our mistake. It is written down, and nothing was lost.", remedy="Try again in a moment."))

    def show(request: Request, error: GlueError, *, status: int = 0) -> Response:
        status = status or status_of(error)
        inner = isinstance(error, UpstreamError | ConfigInvalid)
        if inner:
            log.warning("page_refused", code=error.code, detail=error.detail, path=request.url.path)
        try:
            person = site.people.find(request)
        except GlueError:  # the page about a problem must not meet another one
            person = None
        say = site.writer(request, person).text
        detail = say("We could not finish this because a system we depend on had a problem.") if inner else refusal(error, say)
        remedy = say("Try again in a moment; nothing was lost.") if inner else error.remedy and say(error.remedy)
        facts = tuple((name, str(error.fields[name])) for name in ("limit", "used", "remaining", "resets_at") if name in error.fields)
        context = ProblemPage(
            title=say(error.title),
            detail=detail,
            remedy=remedy,
            facts=facts if isinstance(error, LimitReached) else (),
            back=_back(request),
            reference=str(request.scope.get("state", {}).get("request_id", "")),
        )
        answer = site.page(request, "problem", context, title=error.title, person=person, status=status)
        if status == 503:
            answer.headers["Retry-After"] = str(max(1, round(error.retry_after_seconds))) if isinstance(error, Unavailable) else "5"
        return answer


def _back(request: Request) -> str:
    """The page this came from, if it is one of ours; else the start."""
    referer = request.headers.get("referer", "")
    origin = f"{request.url.scheme}://{request.url.netloc}/"
    path = "/" + referer.removeprefix(origin) if referer.startswith(origin) else "/"
    return path if path != request.url.path and not path.startswith("//") else "/"
