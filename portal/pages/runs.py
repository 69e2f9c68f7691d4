"""Runs: ask in plain words, read plan and price, accept, watch, approve, take the files."""

import mimetypes
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from glue.agents.views import ENDED, QuoteView, RunBrief, RunView
from glue.errors import BadInput, Conflict, GlueError, LimitReached, NotAllowed
from glue.rules.facts import Role
from glue.wiring import Services
from portal.graph import Graph, lay_out
from portal.languages import refusal
from portal.people import Person
from portal.rendering import FormState
from portal.samples import SAMPLES, Sample
from portal.site import FormText, Site

PAGE = 25
_SHOWN = {"text/plain", "text/markdown", "text/csv", "application/json"}


@dataclass(frozen=True)
class RunsPage:
    """``older`` is the offset of the next page, 0 at the end."""

    runs: tuple[RunBrief, ...]
    older: int
    newer: int
    can_ask: bool


@dataclass(frozen=True)
class RunNewPage:
    """``samples`` are ready texts; ``refusal`` says why the last wish was not priced."""

    form: FormState
    samples: tuple[Sample, ...]
    refusal: str


@dataclass(frozen=True)
class QuotePage:
    """The plan and the price that binds. ``left`` is what remains of this period's credits (None: unlimited)."""

    quote: QuoteView
    graph: Graph
    form: FormState
    refusal: str
    left: str
    can_ask: bool


@dataclass(frozen=True)
class RunPage:
    """``ended``: nothing changes any more, the page need not ask again."""

    run: RunView
    titles: Mapping[str, str]
    graph: Graph
    ended: bool
    can_ask: bool


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/runs")

    def asker(request: Request) -> Person:
        person = site.people.get(request)
        person.must(Role.MEMBER, Role.BILLING)
        return person

    def may_ask(person: Person) -> bool:
        return person.may(Role.MEMBER, Role.BILLING)

    @router.get("")
    def page(request: Request, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> Response:
        person = site.people.get(request)
        found = services.dispatcher.runs(person.tenant, offset=offset, limit=PAGE + 1)
        context = RunsPage(
            runs=tuple(found[:PAGE]),
            older=offset + PAGE if len(found) > PAGE else 0,
            newer=max(offset - PAGE, 0) if offset else -1,
            can_ask=may_ask(person),
        )
        return site.page(request, "runs", context, title="Runs", person=person, current="runs")

    def show_new(request: Request, person: Person, form: FormState, *, refusal: str = "", status: int = 200) -> Response:
        context = RunNewPage(form=form, samples=SAMPLES, refusal=refusal)
        return site.page(request, "run_new", context, title="Ask for work", person=person, current="runs", status=status)

    @router.get("/new")
    def new(request: Request, sample: str = "") -> Response:
        person = asker(request)
        chosen = next((one for one in SAMPLES if one.code == sample), None)
        return show_new(request, person, site.new_form(text=chosen.text if chosen else ""))

    @router.post("/ask")
    def ask(request: Request, text: FormText = "", more: FormText = "") -> Response:
        """Understand and price; ``more`` answers a question that the first wish left open."""
        person = asker(request)
        say = site.writer(request, person).text
        try:
            quote = services.dispatcher.quote(
                person.tenant, text, asked_by=person.email, requirements=[more.strip()] if more.strip() else None
            )
        except BadInput as error:
            return show_new(request, person, site.wrong({"text": text}, error, say=say), status=422)
        except LimitReached as error:
            why = say("Your plan allows %(limit)s credits a run; this would cost about %(expected)s.", limit=error.fields.get("limit", ""), expected=error.fields.get("expected", ""))  # fmt: skip
            return show_new(request, person, site.new_form(text=text), refusal=why, status=403)
        except NotAllowed as error:
            return show_new(request, person, site.new_form(text=text), refusal=refusal(error, say), status=403)
        return RedirectResponse(f"/runs/quotes/{quote.id}", 303)

    def show_quote(request: Request, person: Person, quote: QuoteView, *, refusal: str = "", status: int = 200) -> Response:
        remaining = services.meter.check(person.tenant, "agent_credits")["remaining"]
        writer = site.writer(request, person)
        context = QuotePage(
            quote=quote,
            graph=lay_out([(step.name, step.title, step.depends_on, "") for step in quote.steps]),
            form=FormState(nonce=secrets.token_urlsafe(12)),
            refusal=refusal,
            left=writer.text("unlimited") if remaining is None else writer.number(remaining),
            can_ask=may_ask(person),
        )
        return site.page(request, "quote", context, title="Quote", person=person, current="runs", status=status)

    @router.get("/quotes/{quote_id}")
    def quote_page(request: Request, quote_id: str) -> Response:
        person = site.people.get(request)
        quote = services.dispatcher.quote_of(person.tenant, quote_id)
        return RedirectResponse(f"/runs/{quote.run_id}", 303) if quote.run_id else show_quote(request, person, quote)

    @router.post("/quotes/{quote_id}/without")
    def leave_out(request: Request, quote_id: str, step: Annotated[list[str] | None, Form()] = None) -> Response:
        person = asker(request)
        services.dispatcher.change_quote(person.tenant, quote_id, without=step or [])
        return RedirectResponse(f"/runs/quotes/{quote_id}", 303)

    @router.post("/quotes/{quote_id}/accept")
    def accept(request: Request, quote_id: str, nonce: FormText = "", cap: FormText = "") -> Response:
        """Begin, for the ``cap`` that the page showed. The form sent twice begins once: its nonce is the key of the acceptance."""
        person = asker(request)
        say = site.writer(request, person).text
        try:
            run = services.dispatcher.accept(person.tenant, quote_id, asked_by=person.email, key=nonce, cap=_whole(cap))
        except LimitReached:
            quote = services.dispatcher.quote_of(person.tenant, quote_id)
            why = say("There are not enough credits left in this period to cover the cap of %(cap)s.", cap=quote.cap)
            return show_quote(request, person, quote, refusal=why, status=403)
        except (Conflict, NotAllowed) as error:
            quote = services.dispatcher.quote_of(person.tenant, quote_id)
            if quote.run_id:
                return RedirectResponse(f"/runs/{quote.run_id}", 303)
            return show_quote(request, person, quote, refusal=refusal(error, say), status=409 if isinstance(error, Conflict) else 403)
        return RedirectResponse(f"/runs/{run.id}", 303)

    @router.get("/{run_id}")
    def run_page(request: Request, run_id: str) -> Response:
        person = site.people.get(request)
        run = services.dispatcher.run_of(person.tenant, run_id)
        context = RunPage(
            run=run,
            titles={agent.code: agent.title for agent in services.dispatcher.registry},
            graph=lay_out([(step.name, step.title, step.depends_on, step.state) for step in run.steps]),
            ended=run.state in ENDED,
            can_ask=may_ask(person),
        )
        return site.page(request, "run", context, title="Run", person=person, current="runs")

    @router.get("/{run_id}/artifacts/{name:path}")
    def artifact(request: Request, run_id: str, name: str) -> Response:
        """A file. Texts are shown as plain text, everything else is downloaded: nothing an agent made runs in our pages."""
        person = site.people.get(request)
        kind, content = services.dispatcher.artifact(person.tenant, run_id, name)
        shown = kind.partition(";")[0] in _SHOWN
        file_name = "".join(c if c.isalnum() or c in "._-" else "_" for c in name.rsplit("/", 1)[-1]) or "file"
        if "." not in file_name:
            file_name += mimetypes.guess_extension(kind.partition(";")[0]) or ""
        headers = {"Content-Disposition": f'{"inline" if shown else "attachment"}; filename="{file_name}"', "Cache-Control": "no-store"}
        return Response(content, media_type="text/plain; charset=utf-8" if shown else "application/octet-stream", headers=headers)

    @router.post("/{run_id}/{verb}")
    def act(request: Request, run_id: str, verb: str, step: FormText = "", cap: FormText = "", extra: FormText = "") -> Response:
        """Approve (``extra`` on top of the ``cap`` that the page showed), pause, resume, cancel or retry: what the buttons of a run do."""
        person = asker(request)
        dispatcher = services.dispatcher
        try:
            match verb:
                case "retry":
                    dispatcher.retry_step(person.tenant, run_id, step, asked_by=person.email)
                case "approve":
                    dispatcher.approve(person.tenant, run_id, asked_by=person.email, extra=_whole(extra), cap=_whole(cap))
                case "pause" | "resume" | "cancel":
                    getattr(dispatcher, verb)(person.tenant, run_id, asked_by=person.email)
                case _:
                    raise BadInput("This cannot be done with a run.", field="verb")
        except (Conflict, LimitReached) as error:
            site.tell(request, _refusal(site, request, person, error), "warn")
        return RedirectResponse(f"/runs/{run_id}", 303)

    return router


def _whole(text: str) -> int:
    """A number that a page of ours put into its form; -1, which equals none, for anything else."""
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def _refusal(site: Site, request: Request, person: Person, error: GlueError) -> str:
    say = site.writer(request, person).text
    if isinstance(error, LimitReached):
        return say("There are not enough credits left for this, or your plan allows no larger run.")
    return say("The run has moved on meanwhile; this is how it stands now.")
