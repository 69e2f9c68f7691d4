"""The API of agent work: quotes, runs, their events and files. Joined to the app by ``routes``."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from glue.agents.costs import RunCost
from glue.agents.dispatcher import Dispatcher
from glue.agents.holds import METER
from glue.agents.library import EXPORT_TYPES, ExportFormat, Found, Library
from glue.agents.quoting import LONGEST_TEXT
from glue.agents.views import ENDED, ArtifactView, QuoteView, RunBrief, RunView
from glue.meter.callers import Caller
from glue.rules.names import TenantId

_POLL_SECONDS = 0.2
_PING_EVERY = 50  # polls without news


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AskIn(_In):
    text: str = Field(min_length=1, max_length=LONGEST_TEXT)
    requirements: list[str] = Field(default_factory=list, max_length=50)
    without: list[str] = Field(default_factory=list, max_length=20, description="Optional steps to leave out.")


class DispatchIn(AskIn):
    accept_up_to: int | None = Field(None, ge=1, description="Accept at once when the cap is at most this many credits.")


class DispatchAnswer(BaseModel):
    quote: QuoteView
    run: RunView | None


class AcceptIn(_In):
    quote_id: str


class ApproveIn(_In):
    extra: int | None = Field(None, ge=0, description="Credits on top of the cap; what the run asked for, if not given.")


class RetryIn(_In):
    step: str


def routes(dispatcher: Dispatcher, library: Library, caller: Callable[..., Any]) -> APIRouter:
    """All routes; ``caller`` is the dependency that says who asks (a ``Caller``)."""
    router = APIRouter(prefix="/v1", tags=["agents"])
    who_asks = Annotated[Caller, Depends(caller)]
    key_given = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=255)]

    @router.post("/dispatch", status_code=201)
    def dispatch(body: DispatchIn, who: who_asks, key: key_given) -> DispatchAnswer:
        """Understand, plan, price; and begin at once when the cap is small enough and nothing is unclear."""
        known = dispatcher.run_by_key(who.snapshot.tenant, key)
        if known is not None:
            return DispatchAnswer(quote=dispatcher.quote_of(who.snapshot.tenant, known.quote_id), run=known)
        quote = _quote(dispatcher, body, who)
        run = None
        if body.accept_up_to is not None and quote.cap <= body.accept_up_to and quote.question is None:
            run = dispatcher.accept(who.snapshot.tenant, quote.id, asked_by=who.name, key=key)
        return DispatchAnswer(quote=dispatcher.quote_of(who.snapshot.tenant, quote.id), run=run)

    @router.post("/quotes", status_code=201)
    def ask(body: AskIn, who: who_asks) -> QuoteView:
        return _quote(dispatcher, body, who)

    @router.get("/quotes/{quote_id}")
    def show_quote(quote_id: str, who: who_asks) -> QuoteView:
        return dispatcher.quote_of(who.snapshot.tenant, quote_id)

    @router.post("/runs", status_code=201)
    def accept(body: AcceptIn, who: who_asks, key: key_given) -> RunView:
        """Accept a quote: its cap is reserved, the run begins. The same key again answers the same run."""
        return dispatcher.accept(who.snapshot.tenant, body.quote_id, asked_by=who.name, key=key)

    @router.get("/runs")
    def list_runs(
        who: who_asks, offset: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> list[RunBrief]:
        return dispatcher.runs(who.snapshot.tenant, offset=offset, limit=limit)

    @router.get("/runs/search")
    def search(
        who: who_asks, q: Annotated[str, Query(min_length=1, max_length=200)], limit: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> list[Found]:
        return library.search(who.snapshot.tenant, q, limit=limit)

    @router.get("/runs/costs")
    def explain_costs(
        who: who_asks,
        from_at: Annotated[AwareDatetime, Query(alias="from")],
        to_at: Annotated[AwareDatetime, Query(alias="to")],
        meter: str = METER,
    ) -> list[RunCost]:
        """What an invoice line of this meter and time span consists of: the runs, their steps, and the events at Lago they are part of."""
        return list(dispatcher.explain_line(who.snapshot.tenant, from_at=from_at, to_at=to_at, meter=meter))

    @router.get("/runs/{run_id}")
    def show_run(run_id: str, who: who_asks) -> RunView:
        return dispatcher.run_of(who.snapshot.tenant, run_id)

    @router.get("/runs/{run_id}/events", response_class=EventSourceResponse)
    async def watch(
        run_id: str, who: who_asks, last: Annotated[int, Header(alias="Last-Event-ID", ge=0)] = 0
    ) -> AsyncIterator[ServerSentEvent]:
        """Progress, tokens and cost so far, until the run has ended; goes on after ``Last-Event-ID``."""
        async for event in _follow(dispatcher, who.snapshot.tenant, run_id, last):
            yield event

    @router.get("/runs/{run_id}/artifacts")
    def list_artifacts(run_id: str, who: who_asks) -> list[ArtifactView]:
        return list(dispatcher.run_of(who.snapshot.tenant, run_id).artifacts)

    @router.get("/runs/{run_id}/artifacts/{name:path}", response_class=Response)
    def download(run_id: str, name: str, who: who_asks) -> Response:
        media_type, content = dispatcher.artifact(who.snapshot.tenant, run_id, name)
        return Response(content, media_type=media_type, headers=_AS_A_FILE)

    @router.get("/runs/{run_id}/export", response_class=Response)
    def export(run_id: str, who: who_asks, form: Annotated[ExportFormat, Query(alias="format")] = "markdown") -> Response:
        return Response(library.export(who.snapshot.tenant, run_id, form=form), media_type=EXPORT_TYPES[form], headers=_AS_A_FILE)

    @router.post("/runs/{run_id}/approve")
    def approve(run_id: str, body: ApproveIn, who: who_asks) -> RunView:
        return dispatcher.approve(who.snapshot.tenant, run_id, asked_by=who.name, extra=body.extra)

    @router.post("/runs/{run_id}/retry-step")
    def retry(run_id: str, body: RetryIn, who: who_asks) -> RunView:
        return dispatcher.retry_step(who.snapshot.tenant, run_id, body.step, asked_by=who.name)

    @router.post("/runs/{run_id}/cancel")
    def cancel(run_id: str, who: who_asks) -> RunView:
        return dispatcher.cancel(who.snapshot.tenant, run_id, asked_by=who.name)

    @router.post("/runs/{run_id}/pause")
    def pause(run_id: str, who: who_asks) -> RunView:
        return dispatcher.pause(who.snapshot.tenant, run_id, asked_by=who.name)

    @router.post("/runs/{run_id}/resume")
    def resume(run_id: str, who: who_asks) -> RunView:
        return dispatcher.resume(who.snapshot.tenant, run_id, asked_by=who.name)

    return router


# What agents made is a download, whatever it says it is: it never runs where this API is served.
_AS_A_FILE = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}


def _quote(dispatcher: Dispatcher, body: AskIn, who: Caller) -> QuoteView:
    return dispatcher.quote(who.snapshot.tenant, body.text, asked_by=who.name, requirements=body.requirements, without=body.without)


async def _follow(dispatcher: Dispatcher, tenant: TenantId, run_id: str, last: int) -> AsyncIterator[ServerSentEvent]:
    quiet = 0
    while True:
        run = await asyncio.to_thread(dispatcher.run_of, tenant, run_id)
        news = await asyncio.to_thread(dispatcher.events, tenant, run_id, after=last)
        for event in news:
            last = event.number
            yield ServerSentEvent(id=str(last), event=event.kind, data={**event.data, "at": event.at.isoformat()})
        if run.state in ENDED and not news:
            yield ServerSentEvent(event="end", data={"state": run.state, "cost": run.cost, "cap": run.cap, "tokens": run.tokens})
            return
        quiet = 0 if news else quiet + 1
        if quiet % _PING_EVERY == _PING_EVERY - 1:
            yield ServerSentEvent(comment="still here")
        if not news:
            await asyncio.sleep(_POLL_SECONDS)
