"""The dispatcher: from a sentence to a quote, from a quote to a run, from a run to files. What pages, API and commands call."""

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
import structlog
from sqlmodel import col, select

from glue.agents.artifacts import ArtifactStore
from glue.agents.books import EVERYBODY, Books, Page
from glue.agents.carrying import DEADLINE, OVER, Carrier
from glue.agents.costs import RunCost, explain_line
from glue.agents.executors import Executor, File
from glue.agents.executors.commands import CommandExecutor
from glue.agents.executors.offline import OfflineTemplates
from glue.agents.holds import METER, RunCredits
from glue.agents.library import Library
from glue.agents.planning import Route, Step, draw_graph, leave_out, plan_route
from glue.agents.quote import Measured, Priced, in_words, price_route
from glue.agents.registry import Agent, Registry
from glue.agents.search import SearchIndex, keep_text, readable
from glue.agents.tables import AgentQuote, AgentRun, RunArtifact, RunEvent, RunStep
from glue.agents.takeover import Leases
from glue.agents.understanding import Analysis, analyse
from glue.agents.views import AnalysisView, ArtifactView, EventView, QuoteView, RouteStep, RunBrief, RunState, RunView, StepState, StepView
from glue.clock import Clock
from glue.db import Database
from glue.errors import BadInput, Conflict, GlueError, LimitReached, NotAllowed
from glue.meter.metering import Meter
from glue.rules.names import TenantId

if TYPE_CHECKING:
    from glue.agents.runs import Engine

log = structlog.get_logger()
LONGEST_TEXT = 20_000
QUOTE_VALID = timedelta(days=7)
MEASURED_DAYS = 90
MOST_ROUNDS = 40
_KEEP_EVERY_SECONDS = 2.0
_RENEW_EVERY = 1800  # turns of the keeper


class Dispatcher:
    """Everything about agent work. ``start`` begins to carry out runs; without it quotes and runs can be read and accepted."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        meter: Meter,
        registry: Registry,
        *,
        database_url: str,
        data_dir: Path,
        executors: Sequence[Executor] = (),
        understand: Callable[[str], Analysis] = analyse,
        demand_runs: Callable[[], None] = lambda: None,
    ) -> None:
        self._books, self._clock, self._meter, self.registry = Books(database, clock), clock, meter, registry
        self._credits, self._store = RunCredits(meter), ArtifactStore(data_dir)
        self._understand, self._demand_runs = understand, demand_runs
        self._executors = {executor.name: executor for executor in (CommandExecutor(), *executors)}
        self._offline = OfflineTemplates()
        self._leases = Leases(database, clock)
        self._url = database_url
        self._engine: Engine | None = None
        self._stopping = threading.Event()
        self._keeper: threading.Thread | None = None
        self.carrier = Carrier(
            self._books, self._credits, registry, self._store,
            executor_for=self._executor_for, earlier=self._earlier, keep_text=_keep_text,
        )  # fmt: skip
        self.library = Library(self._books, self._store, SearchIndex(database), run_of=self.run_of)

    # --- quotes -------------------------------------------------------------------------------------------------------

    def quote(
        self, tenant: TenantId, text: str, *, asked_by: str, requirements: Sequence[str] | None = None, without: Sequence[str] = ()
    ) -> QuoteView:
        """Understand, plan, price. Raises BadInput, NotAllowed, LimitReached (larger than the plan allows a run)."""
        whole = "\n".join([text.strip(), *(requirements or ())])
        if not whole.strip() or len(whole) > LONGEST_TEXT:
            raise BadInput("Say what you want to have done.", field="text", expected=f"1 to {LONGEST_TEXT} characters")
        found = self._understand(whole)
        route = plan_route(found, self.registry)
        now = self._clock.now()
        row = AgentQuote(
            id=f"quote-{secrets.token_hex(8)}", tenant_id=tenant, text=whole, analysis=_analysis(found, whole), route=[], expected=0, cap=0,
            minutes=0, notes=[], asked_by=asked_by, created_at=now, valid_until=now + QUOTE_VALID,
        )  # fmt: skip
        self._price_into(row, leave_out(route, set(without)) if without else route)
        with self._books.change(tenant) as page:
            page.session.add(row)
        return self._quote_view(row)

    def change_quote(self, tenant: TenantId, quote_id: str, *, without: Sequence[str]) -> QuoteView:
        """Leave optional steps out, before acceptance; priced anew. Raises BadInput, Conflict, NotFound."""
        with self._books.change(tenant) as page:
            row = page.quote(quote_id)
            if row.run_id:
                raise Conflict("This quote was accepted already.", remedy="Ask for a new one.", run=row.run_id)
            self._price_into(row, leave_out(_route_of(row), set(without)))
            page.session.add(row)
        return self._quote_view(row)

    def quote_of(self, tenant: TenantId, quote_id: str) -> QuoteView:
        with self._books.read(tenant) as page:
            return self._quote_view(page.quote(quote_id))

    def _price_into(self, row: AgentQuote, route: Route) -> None:
        snapshot = self._meter.snapshot_of(TenantId(row.tenant_id))
        self._meter.demand_standing(snapshot)
        if not snapshot.max_credits_per_run:
            raise NotAllowed("Your plan does not include agent runs.", remedy="See the plan page of the portal.", reason="not_included")
        priced: Priced = price_route(route, measured=self.measured(), most=snapshot.max_credits_per_run)
        row.route = [step.as_json() for step in priced.route.steps]
        row.notes, row.expected, row.cap, row.minutes = list(route.notes), priced.expected, priced.cap, priced.minutes

    def measured(self) -> Measured:
        """What completed steps of the last months cost, of all customers: numbers only."""
        since = self._clock.now() - timedelta(days=MEASURED_DAYS)
        found: dict[tuple[str, str], list[int]] = {}
        with self._books.read_all() as session:
            rows = session.execute(
                select(RunStep.agent, RunStep.size, RunStep.cost)
                .where(RunStep.state == "completed", col(RunStep.ended_at) > since)
                .order_by(col(RunStep.id).desc())
                .limit(5000)
            )
            for agent, size, cost in rows:
                found.setdefault((agent, size), []).append(cost)
        return found

    def calibration(self) -> dict[str, Any]:
        """How well quotes held: ended runs, the share that ended within the quote, and cost against expectation."""
        with self._books.read_all() as session:
            rows = session.execute(
                select(AgentRun.settled, AgentQuote.expected, AgentQuote.cap)
                .join(AgentQuote, col(AgentQuote.id) == col(AgentRun.quote_id))
                .where(AgentRun.state == "completed")
            ).all()
        within = sum(settled <= cap for settled, _, cap in rows)
        expected = sum(row[1] for row in rows)
        return {
            "runs": len(rows),
            "within_quote": within,
            "share_within": round(within / len(rows), 4) if rows else None,
            "cost_to_expected": round(sum(row[0] for row in rows) / expected, 3) if expected else None,
        }

    # --- runs ---------------------------------------------------------------------------------------------------------

    def accept(self, tenant: TenantId, quote_id: str, *, asked_by: str, key: str) -> RunView:
        """Reserve the cap and queue the run. The same quote and key again answer the same run.

        Raises LimitReached (not enough credits), NotAllowed, Conflict (accepted with another key, or out of date).
        """
        if not key or len(key) > 255:
            raise BadInput("An acceptance needs a key.", field="key", expected="1 to 255 characters, new for each acceptance")
        with self._books.read(tenant) as page:
            quote = page.quote(quote_id)
            known = page.session.exec(select(AgentRun).where(AgentRun.key == key)).first()
        if known is not None and known.quote_id != quote_id:
            raise Conflict("This key accepted another quote.", remedy="Use a new key.", run=known.id)
        if quote.run_id:
            if known is None:
                raise Conflict("This quote was accepted already.", remedy="Look at its run.", run=quote.run_id)
            return self.run_of(tenant, quote.run_id)
        self._demand_runs()
        if self._clock.now() > quote.valid_until:
            raise Conflict("This quote is out of date.", remedy="Ask for a new one.", quote=quote_id)
        run_id = "run-" + quote_id.removeprefix("quote-")
        hold = self._credits.hold(tenant, run_id, quote.cap)
        try:
            self._write_run(tenant, quote_id, run_id, hold, asked_by=asked_by, key=key, cap=quote.cap)
        except sa.exc.IntegrityError as error:
            raise Conflict("Somebody accepted this at the same moment.", remedy="Look at the run.", run=run_id) from error
        self.admit(tenant)
        return self.run_of(tenant, run_id)

    def _write_run(self, tenant: TenantId, quote_id: str, run_id: str, hold: dict[str, Any], *, asked_by: str, key: str, cap: int) -> None:
        with self._books.change(tenant) as page:
            quote = page.quote(quote_id)
            if quote.run_id or quote.cap != cap:
                if quote.run_id and page.run(quote.run_id).key == key:
                    return
                raise Conflict("This quote changed or was accepted meanwhile.", remedy="Look at it again.", quote=quote_id)
            quote.run_id = run_id
            run = AgentRun(
                id=run_id, tenant_id=tenant, quote_id=quote_id, key=key, asked_by=asked_by, state="queued", cap=cap, holds=[hold],
                accepted_at=page.now, deadline=page.now + DEADLINE,
            )  # fmt: skip
            page.session.add_all([quote, run])
            page.session.add_all(
                RunStep(
                    tenant_id=tenant, run_id=run_id, name=step.name, place=place, agent=step.agent, plan=step.as_json(), size=step.size.value,
                    expected=step.expected, ceiling=step.ceiling, findings=[],
                )
                for place, step in enumerate(_route_of(quote).steps)
            )  # fmt: skip
            keep_text(page.session, tenant, run_id=run_id, name="", title="", text=quote.text)
            page.tell(run_id, "run_queued", cap=cap, asked_by=asked_by)

    def admit(self, tenant: TenantId) -> None:
        """Begin queued runs as far as the plan's concurrency allows, oldest first."""
        allowed = self._meter.snapshot_of(tenant).run_concurrency
        with self._books.change(tenant) as page:
            busy = page.session.exec(select(sa.func.count()).select_from(AgentRun).where(AgentRun.state == "running")).one()
            waiting = page.session.exec(
                select(AgentRun)
                .where(AgentRun.state == "queued")
                .order_by(col(AgentRun.accepted_at), col(AgentRun.id))
                .limit(max(0, allowed - busy))
            ).all()
            for run in waiting:
                run.round += 1
                run.started_at = run.started_at or page.now
                page.move(run, "running")
        for run in waiting:
            self._enqueue(run)

    def _enqueue(self, run: AgentRun) -> None:
        # Without an engine in this process (a portal beside workers) the keeper of a worker finds the run.
        if self._engine is not None:
            self._engine.enqueue(TenantId(run.tenant_id), run.id, run.round)

    def run_of(self, tenant: TenantId, run_id: str) -> RunView:
        with self._books.read(tenant) as page:
            return _run_view(page, page.run(run_id))

    def run_by_key(self, tenant: TenantId, key: str) -> RunView | None:
        """The run that was accepted with this key."""
        with self._books.read(tenant) as page:
            run = page.session.exec(select(AgentRun).where(AgentRun.key == key)).first()
            return _run_view(page, run) if run is not None else None

    def runs(self, tenant: TenantId | None, *, offset: int = 0, limit: int = 50) -> list[RunBrief]:
        """Newest first; None: of all customers, for operators."""
        with self._books.read_all(EVERYBODY if tenant is None else tenant) as session:
            rows = session.exec(
                select(AgentRun, AgentQuote.text)
                .join(AgentQuote, col(AgentQuote.id) == col(AgentRun.quote_id))
                .order_by(col(AgentRun.accepted_at).desc(), col(AgentRun.id))
                .offset(offset)
                .limit(min(limit, 500))
            ).all()
        return [
            RunBrief(
                id=run.id, tenant=run.tenant_id, text=text, state=cast("RunState", run.state), cost=run.settled, cap=run.cap, accepted_at=run.accepted_at,
                ended_at=run.ended_at,
            )
            for run, text in rows
        ]  # fmt: skip

    def events(self, tenant: TenantId, run_id: str, *, after: int = 0, limit: int = 500) -> list[EventView]:
        """What happened after event ``after``, in order."""
        with self._books.read(tenant) as page:
            page.run(run_id)
            rows = page.session.exec(
                select(RunEvent).where(RunEvent.run_id == run_id, col(RunEvent.id) > after).order_by(col(RunEvent.id)).limit(limit)
            )
            return [EventView(number=row.id or 0, kind=row.kind, data=row.data, at=row.at) for row in rows]

    def cancel(self, tenant: TenantId, run_id: str, *, asked_by: str) -> RunView:
        """Stop: what is running ends its step, what was used is paid, the rest goes back. An ended run stays as it is."""
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state == "running":
                run.wish = "cancel"
                page.session.add(run)
                page.tell(run_id, "cancel_asked", by=asked_by)
            elif run.state not in OVER:
                self.carrier.end(page, run, "canceled", by=asked_by)
        self.carrier.close(tenant, run_id)
        self.admit(tenant)
        return self.run_of(tenant, run_id)

    def pause(self, tenant: TenantId, run_id: str, *, asked_by: str) -> RunView:
        """Stop before the next step. Raises Conflict when it has ended."""
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state == "queued":
                page.move(run, "paused", by=asked_by)
            elif run.state == "running":
                run.wish = run.wish or "pause"
                page.session.add(run)
                page.tell(run_id, "pause_asked", by=asked_by)
            elif run.state != "paused":
                raise _moved_on(run)
        return self.run_of(tenant, run_id)

    def resume(self, tenant: TenantId, run_id: str, *, asked_by: str) -> RunView:
        """Carry a paused run on. Raises Conflict in any other state."""
        return self._requeue(tenant, run_id, "paused", by=asked_by)

    def approve(self, tenant: TenantId, run_id: str, *, asked_by: str, extra: int | None = None) -> RunView:
        """Raise the cap by ``extra`` credits (what the run asked for, if not given), and carry on. Raises LimitReached, Conflict."""
        with self._books.read(tenant) as page:
            run = page.run(run_id)
        more = run.needs if extra is None else extra
        if run.state != "waiting_approval":
            raise _moved_on(run)
        most = self._meter.snapshot_of(tenant).max_credits_per_run
        if more < 0 or run.cap + more > most:
            raise LimitReached(
                f"With {more} more this run could cost {run.cap + more} credits; your plan allows {most} a run.",
                remedy="Approve less, cancel the run, or choose a larger plan.",
                reason="run_too_large", limit=most,
            )  # fmt: skip
        holds = [self._credits.hold(tenant, run_id, more, part=run.round)] if more else []
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state != "waiting_approval":
                raise _moved_on(run)
            known = {hold["id"] for hold in run.holds}
            new = [hold for hold in holds if hold["id"] not in known]
            run.holds, run.cap, run.needs, run.error = [*run.holds, *new], run.cap + more * bool(new), 0, ""
            page.move(run, "queued", by=asked_by, extra=more)
        self.admit(tenant)
        return self.run_of(tenant, run_id)

    def retry_step(self, tenant: TenantId, run_id: str, step: str, *, asked_by: str) -> RunView:
        """Do a failed step of a failed run again, and what waited for it: under what is left of the cap, reserved anew."""
        with self._books.read(tenant) as page:
            run, row = page.run(run_id), page.step(run_id, step)
        if run.state != "failed" or row.state != "failed":
            raise Conflict(
                "Only a failed step of a failed run can be done again.", remedy="See the run's steps.", run=run_id, state=run.state
            )
        hold = self._credits.hold(tenant, run_id, run.cap - run.settled, part=1000 + run.round) if run.cap > run.settled else None
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state != "failed":
                raise _moved_on(run)
            # What was settled stays with the old holds; the rest of the cap now belongs to the new one.
            run.holds = [{"id": run.holds[-1]["id"], "units": run.settled, "closed": True}, *([hold] if hold else [])]
            for other in page.steps(run_id):
                if other.state in {"failed", "canceled"}:
                    other.state, other.error, other.ended_at, other.attempt = "waiting", "", None, other.attempt + 1
                    page.session.add(other)
            run.error, run.ended_at, run.deadline = "", None, page.now + DEADLINE
            page.move(run, "queued", by=asked_by, step=step)
        self.admit(tenant)
        return self.run_of(tenant, run_id)

    def _requeue(self, tenant: TenantId, run_id: str, state: str, **said: Any) -> RunView:
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state != state:
                raise _moved_on(run)
            page.move(run, "queued", **said)
        self.admit(tenant)
        return self.run_of(tenant, run_id)

    def artifact(self, tenant: TenantId, run_id: str, name: str) -> tuple[str, bytes]:
        """Media type and content of a file. Raises NotFound."""
        with self._books.read(tenant) as page:
            page.run(run_id)
            row = page.artifact(run_id, name)
        return row.media_type, self._store.get(tenant, row.digest)

    def explain_line(self, tenant: TenantId, *, from_at: datetime, to_at: datetime, meter: str = METER) -> tuple[RunCost, ...]:
        """The runs and steps behind an invoice line of a meter and time span."""
        return explain_line(self._books, self._meter, tenant, from_at=from_at, to_at=to_at, code=meter)

    def forget(self, tenant: TenantId) -> None:
        """Remove the files of an erased tenant and what search knew of them."""
        self._store.forget(tenant)
        self.library.forget()

    # --- carrying out -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to carry out runs in this process."""
        from glue.agents.runs import Engine  # the engine takes a second to import: only processes that carry out runs pay for it

        single = self._books.database.is_sqlite
        self._engine = Engine(
            self._url, self.carrier, executor_id="local" if single else f"executor-{secrets.token_hex(6)}", admit=self.admit
        )
        self._engine.start()
        self._leases.take(self._engine.executor_id)
        self._stopping.clear()
        self._keeper = threading.Thread(target=self._keep, name="runs-keeper", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """Stop; what is running is carried on after the next start."""
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.join()
        if self._engine is not None:
            self._engine.stop()
            self._leases.drop(self._engine.executor_id)
            self._engine = None

    def _keep(self) -> None:
        turn = 0
        while not self._stopping.wait(_KEEP_EVERY_SECONDS if turn else 0.05):
            try:
                self.keep_once(renew=turn % _RENEW_EVERY == 0)
            except (GlueError, sa.exc.SQLAlchemyError) as error:
                log.warning("runs_not_kept", error=str(error))
            turn += 1

    def keep_once(self, *, renew: bool = False) -> None:
        """Renew our lease, take over from the dead, begin what nobody began, end what cannot go on, keep reservations."""
        engine = self._engine
        if engine is None:
            return
        self._leases.take(engine.executor_id)
        if dead := self._leases.expired():
            log.info("runs_taken_over", executors=dead, runs=engine.take_over(dead))
            for executor_id in dead:
                self._leases.drop(executor_id)
        with self._books.read_all() as session:
            open_runs = session.exec(select(AgentRun).where(col(AgentRun.state).not_in(OVER))).all()
        for run in open_runs:
            tenant = TenantId(run.tenant_id)
            if run.state == "running":
                engine.enqueue(tenant, run.id, run.round)
                if why := engine.is_gone(run.id, run.round):
                    self._carry_on(tenant, run.id, why)
            elif run.state == "queued":
                self.admit(tenant)
            elif self._clock.now() > run.deadline:
                self.cancel(tenant, run.id, asked_by="deadline")
            if renew:
                self._renew(tenant, run)

    def _renew(self, tenant: TenantId, run: AgentRun) -> None:
        try:
            self._credits.renew(tenant, run)
        except GlueError as error:  # found again, and asked about, when the run goes on
            log.info("reservation_lapsed", run=run.id, error=str(error))

    def _carry_on(self, tenant: TenantId, run_id: str, why: str) -> None:
        """A round broke off (the meter or a database was away): the next one finds what is done. Too many, and the run fails."""
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state != "running":
                return
            log.warning("run_broke_off", run=run_id, round=run.round, why=why)
            run.round += 1
            page.tell(run_id, "run_broke_off", why=why)
            if run.round > MOST_ROUNDS and all(step.state != "settling" for step in page.steps(run_id)):
                self.carrier.end(page, run, "failed", error=why)
            page.session.add(run)
        self._enqueue(run)
        self.carrier.close(tenant, run_id)
        self.admit(tenant)

    def _executor_for(self, agent: Agent) -> Executor:
        return self._executors.get(agent.model.partition(":")[0], self._offline)

    def _earlier(self, tenant: TenantId, run_id: str, step: Step) -> tuple[File, ...]:
        return self.library.earlier_files(tenant, run_id, step)

    def _quote_view(self, row: AgentQuote) -> QuoteView:
        route = _route_of(row)
        return QuoteView(
            id=row.id, text=row.text, analysis=AnalysisView(**{k: v for k, v in row.analysis.items() if k in AnalysisView.model_fields}),
            steps=tuple(
                RouteStep(
                    name=step.name, agent=step.agent, agent_title=self.registry.get(step.agent).title, task_type=step.task.value,
                    title=step.title, depends_on=step.depends_on, tools=step.tools, checks=step.checks, estimate=step.expected,
                    ceiling=step.ceiling, minutes=step.minutes, optional=step.optional,
                )
                for step in route.steps
            ),
            graph=draw_graph(route), expected=row.expected, cap=row.cap, minutes=row.minutes,
            words=in_words(row.expected, row.cap, row.minutes), question=row.analysis.get("question"), notes=tuple(row.notes),
            created_at=row.created_at, valid_until=row.valid_until, run_id=row.run_id,
        )  # fmt: skip


def _keep_text(page: Page, artifact: RunArtifact, content: bytes) -> None:
    if readable(artifact.media_type):
        text = content.decode("utf-8", errors="replace")
        keep_text(page.session, page.tenant, run_id=artifact.run_id, name=artifact.name, title=artifact.title, text=text)


def _moved_on(run: AgentRun) -> Conflict:
    return Conflict(f"The run is {run.state.replace('_', ' ')}.", remedy="Look at it again.", run=run.id, state=run.state)


def _route_of(quote: AgentQuote) -> Route:
    return Route(tuple(Step.from_json(step) for step in quote.route), tuple(quote.notes))


def _analysis(found: Analysis, text: str) -> dict[str, Any]:
    details = asdict(found.details)
    return {
        "task_type": found.task_type.value, "complexity": found.complexity.value, "supports": [task.value for task in found.supports],
        **{name: details[name] for name in ("skill_levels", "modules", "deliverables", "timeline", "dependencies", "language")},
        "confidence": found.confidence, "evidence": list(dict.fromkeys(text[word.start : word.end] for word in found.evidence)),
        "question": found.question,
    }  # fmt: skip


def _run_view(page: Page, run: AgentRun) -> RunView:
    return RunView(
        id=run.id, quote_id=run.quote_id, text=page.quote(run.quote_id).text, state=cast("RunState", run.state),
        cost=run.settled, cap=run.cap, needs=run.needs,
        tokens=run.tokens, error=run.error, asked_by=run.asked_by, accepted_at=run.accepted_at, started_at=run.started_at,
        ended_at=run.ended_at,
        steps=tuple(
            StepView(
                name=step.name, agent=step.agent, title=step.plan["title"], depends_on=tuple(step.plan["depends_on"]), state=cast("StepState", step.state),
                attempt=step.attempt, expected=step.expected, cost=step.cost, tokens=step.tokens, model=step.model, error=step.error,
                findings=tuple(step.findings), started_at=step.started_at, ended_at=step.ended_at,
            )
            for step in page.steps(run.id)
        ),
        artifacts=tuple(
            ArtifactView(
                name=row.name, title=row.title, step=row.step, media_type=row.media_type, bytes=row.size, digest=row.digest, made_by=row.made_by
            )
            for row in page.artifacts(run.id)
        ),
    )  # fmt: skip
