"""Carries out a run: which steps are next, what one may spend, its work, its cost. Every method may be repeated after a crash.

A step's work is kept before its cost is settled, and its cost is settled under a key of run, step and attempt: killed
anywhere and carried on, it is paid once, and done again only when its result had not been kept yet.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from glue.agents.artifacts import ArtifactStore
from glue.agents.books import Books, Page
from glue.agents.checks import check_files
from glue.agents.executors import BudgetReached, Executor, File, Outcome, StepUnusable, Work
from glue.agents.holds import RunCredits
from glue.agents.planning import Step
from glue.agents.registry import Agent, Registry
from glue.agents.tables import AgentQuote, AgentRun, RunArtifact, RunStep
from glue.agents.understanding import Details
from glue.errors import GlueError, LimitReached
from glue.rules.names import TenantId

log = structlog.get_logger()
OVER = frozenset({"completed", "failed", "canceled"})
DEADLINE = timedelta(days=7)
_DETAILS = tuple(Details.__dataclass_fields__)
_STOPS = {"pause": "paused", "approve": "waiting_approval"}


class Carrier:
    """Does what a run's workflow asks. ``executor_for`` chooses who works for an agent; ``search`` indexes what was made."""

    def __init__(
        self,
        books: Books,
        credits_: RunCredits,
        registry: Registry,
        store: ArtifactStore,
        *,
        executor_for: Callable[[Agent], Executor],
        earlier: Callable[[TenantId, str, Step], tuple[File, ...]],
        keep_text: Callable[[Page, RunArtifact, bytes], None],
    ) -> None:
        self._books, self._credits, self._registry, self._store = books, credits_, registry, store
        self._executor_for, self._earlier, self._keep_text = executor_for, earlier, keep_text

    def choose(self, tenant: TenantId, run_id: str) -> list[str]:
        """The steps to do now, side by side; none when the run has ended or waits for a person. Moves the run accordingly."""
        with self._books.change(tenant) as page:
            run, steps = page.run(run_id), page.steps(run_id)
            if run.state != "running":
                return []
            ending = _ending(run, steps, now=page.now)
            if ending is None:
                return self._next(page, run, steps)
        # Given back first: who sees the run ended sees its credits free. Killed in between, it ends when carried on.
        self._credits.release(tenant, run)
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            if run.state == "running":
                self.end(page, run, ending[0], error=ending[1])
        return []

    def _next(self, page: Page, run: AgentRun, steps: list[RunStep]) -> list[str]:
        if settling := [step.name for step in steps if step.state == "settling"]:
            return settling
        if run.wish in _STOPS:
            state, run.wish = _STOPS[run.wish], ""
            page.move(run, state, needs=run.needs)
            return []
        done = {step.name for step in steps if step.state == "completed"}
        return [step.name for step in steps if step.state in {"waiting", "running"} and set(step.plan["depends_on"]) <= done]

    def end(self, page: Page, run: AgentRun, state: str, *, error: str = "", **said: str) -> None:
        """End a run in the caller's transaction; ``close`` gives its credits back afterwards."""
        run.error, run.wish, run.ended_at = error, "", page.now
        for step in page.steps(run.id):
            if step.state in {"waiting", "running"}:
                step.state, step.reserved = "canceled", 0
                page.session.add(step)
        page.move(run, state, error=error, **said)

    def perform_all(self, tenant: TenantId, run_id: str, names: list[str]) -> None:
        """Do these steps side by side."""
        with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="step") as pool:
            for done in [pool.submit(self.perform, tenant, run_id, name) for name in names]:
                done.result()

    def close(self, tenant: TenantId, run_id: str) -> None:
        """Give back what an ended run has not used."""
        with self._books.read(tenant) as page:
            run = page.run(run_id)
        if run.state in OVER:
            self._credits.release(tenant, run)

    # --- one step -----------------------------------------------------------------------------------------------------

    def perform(self, tenant: TenantId, run_id: str, name: str) -> None:
        """Do one step to its end, unless it has one already or may not begin."""
        step = self._begin(tenant, run_id, name)
        if step is None:
            return
        if step.state == "running":
            try:
                self._work(tenant, run_id, step)
            except BudgetReached as error:
                self._keep_unfinished(tenant, run_id, name, error, state="waiting", reason=error.detail)
            except StepUnusable as error:
                self._keep_unfinished(tenant, run_id, name, error, state="failed", reason=str(error))
            except GlueError as error:
                self._fail(tenant, run_id, name, str(error))
            except Exception as error:  # a defect of an executor or check: this step's, not the engine's to repeat for ever
                log.exception("step_broke", run=run_id, step=name)
                self._fail(tenant, run_id, name, f"The step broke off: {type(error).__name__}.")
        self._settle(tenant, run_id, name)

    def _begin(self, tenant: TenantId, run_id: str, name: str) -> RunStep | None:
        with self._books.read(tenant) as page:
            run = page.run(run_id)
        try:
            self._credits.renew(tenant, run)
        except LimitReached as error:
            self._ask(tenant, run_id, needs=0, why=error.detail)
            return None
        with self._books.change(tenant) as page:
            run, steps = page.run(run_id), page.steps(run_id)
            step = next(step for step in steps if step.name == name)
            if step.state not in {"waiting", "running"}:
                return step if step.state == "settling" else None
            if run.state != "running" or run.wish:
                return None
            budget = _budget(run, steps, step)
            if budget < min(step.expected, self._registry.get(step.agent).price.credits(1)):
                run.wish, run.needs = "approve", max(1, step.expected - budget)
                page.session.add(run)
                return None
            step.state, step.reserved, step.error = "running", budget, ""
            step.started_at = step.started_at or page.now
            page.session.add(step)
            page.tell(run_id, "step_started", step=name, attempt=step.attempt, budget=budget)
            return step

    def _work(self, tenant: TenantId, run_id: str, step: RunStep) -> None:
        plan = Step.from_json(step.plan)
        agent = self._registry.get(step.agent)
        executor = self._executor_for(agent)
        with self._books.read(tenant) as page:
            quote = page.quote(page.run(run_id).quote_id)
            inputs = {
                row.name: File(row.name, row.title, row.media_type, self._store.get(tenant, row.digest)) for row in page.artifacts(run_id)
            }
        work = Work(
            tenant, run_id, plan, agent, quote.text, _details(quote), inputs, tuple(step.findings), self._earlier(tenant, run_id, plan)
        )
        outcome = self._ask_executor(executor, work, step, spent=0)
        findings = check_files(outcome.files, plan.checks)
        if findings:
            # Sent back once: the second result counts, with what is still wrong written beside it.
            self._note(tenant, run_id, step.name, "step_sent_back", findings)
            second = self._ask_executor(executor, replace(work, findings=tuple(findings)), step, spent=outcome.tokens)
            findings = check_files(second.files, plan.checks)
            outcome = replace(second, tokens=outcome.tokens + second.tokens, metered_tokens=outcome.metered_tokens + second.metered_tokens)
        self._keep(tenant, run_id, step, outcome, findings)

    def _ask_executor(self, executor: Executor, work: Work, step: RunStep, *, spent: int) -> Outcome:
        most = work.agent.price.tokens_within(step.reserved) - spent
        try:
            return executor.perform(work, most_tokens=most, report=lambda tokens: self._progress(work, step, spent + tokens))
        except (BudgetReached, StepUnusable) as error:
            error.tokens += spent
            raise

    def _progress(self, work: Work, step: RunStep, tokens: int) -> None:
        """Show what a step has used so far; what it cost is settled at its end."""
        with self._books.change(work.tenant) as page:
            row = page.step(work.run_id, step.name)
            if row.state == "running":
                row.tokens = tokens
                page.session.add(row)
                page.tell(work.run_id, "step_progress", step=step.name, tokens=tokens, cost_so_far=work.agent.price.credits(tokens))

    def _keep(self, tenant: TenantId, run_id: str, step: RunStep, outcome: Outcome, findings: list[str]) -> None:
        """Write the step's files and cost down: from here on it is done."""
        digests = {file.name: self._store.put(tenant, file.content) for file in outcome.files}
        with self._books.change(tenant) as page:
            row = page.step(run_id, step.name)
            if row.state != "running":
                return
            known = {artifact.name: artifact for artifact in page.artifacts(run_id)}
            for file in outcome.files:
                artifact = known.get(file.name) or RunArtifact(
                    tenant_id=tenant,
                    run_id=run_id,
                    step=step.name,
                    name=file.name,
                    title="",
                    media_type="",
                    digest="",
                    size=0,
                    made_by="",
                    at=page.now,
                )
                artifact.title, artifact.media_type, artifact.made_by = file.title, file.media_type, outcome.model
                artifact.digest, artifact.size, artifact.step, artifact.at = digests[file.name], len(file.content), step.name, page.now
                page.session.add(artifact)
                self._keep_text(page, artifact, file.content)
            row.findings = findings
            self._charge(page, row, outcome.tokens, outcome.metered_tokens, outcome.model, then="completed")

    def _keep_unfinished(
        self, tenant: TenantId, run_id: str, name: str, error: BudgetReached | StepUnusable, *, state: str, reason: str
    ) -> None:
        """Write down what an unfinished attempt used; it is paid, within the reservation."""
        with self._books.change(tenant) as page:
            row = page.step(run_id, name)
            if row.state != "running":
                return
            row.error = reason
            self._charge(page, row, error.tokens, error.metered_tokens, error.model, then=state)

    def _charge(self, page: Page, row: RunStep, tokens: int, metered: int, model: str, *, then: str) -> None:
        run = page.run(row.run_id)
        cost = min(row.reserved, self._registry.get(row.agent).price.credits(tokens))  # the reservation is what binds
        row.next_state, row.metered = then, metered
        row.state, row.spent, row.settled_from, row.model = "settling", cost, run.settled, model
        row.tokens, row.cost, row.reserved = tokens, row.cost + cost, 0
        run.settled += cost
        run.tokens += metered
        page.session.add_all([row, run])

    def _settle(self, tenant: TenantId, run_id: str, name: str) -> None:
        with self._books.read(tenant) as page:
            run, step = page.run(run_id), page.step(run_id, name)
        if step.state != "settling":
            return
        key = f"{run_id}/{name}/{step.attempt}"
        dimensions = {"run": run_id, "step": name, "agent": step.agent, "model": step.model or "none"}
        if step.spent:
            self._credits.settle(tenant, run, start=step.settled_from, cost=step.spent, key=key, dimensions=dimensions)
        self._credits.record_tokens(tenant, step.metered, key=f"{key}/tokens", dimensions=dimensions)
        with self._books.change(tenant) as page:
            row, run = page.step(run_id, name), page.run(run_id)
            if row.state != "settling":
                return
            row.state = row.next_state
            if row.state == "waiting":
                row.attempt += 1
                run.wish, run.needs = run.wish or "approve", max(1, row.expected)
            else:
                row.ended_at = page.now
            page.session.add_all([row, run])
            page.tell(run_id, f"step_{row.state}", step=name, cost=row.cost, tokens=row.tokens, cost_so_far=run.settled, error=row.error)

    def _fail(self, tenant: TenantId, run_id: str, name: str, why: str) -> None:
        with self._books.change(tenant) as page:
            row = page.step(run_id, name)
            row.state, row.error, row.reserved, row.ended_at = "failed", why, 0, page.now
            page.session.add(row)
            page.tell(run_id, "step_failed", step=name, error=why)

    def _note(self, tenant: TenantId, run_id: str, name: str, kind: str, findings: list[str]) -> None:
        with self._books.change(tenant) as page:
            page.tell(run_id, kind, step=name, findings=findings)

    def _ask(self, tenant: TenantId, run_id: str, *, needs: int, why: str) -> None:
        with self._books.change(tenant) as page:
            run = page.run(run_id)
            run.wish, run.needs, run.error = run.wish or "approve", needs, why
            page.session.add(run)


def _details(quote: AgentQuote) -> Details:
    """As they were when it was priced: what understands requests may have learned since."""
    stored: dict[str, Any] = {name: quote.analysis[name] for name in _DETAILS}
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    return Details(**fields)


def _ending(run: AgentRun, steps: list[RunStep], *, now: datetime) -> tuple[str, str] | None:
    """How a running run ends now, and why; None when it goes on."""
    states = {step.state for step in steps}
    if "settling" in states:
        return None
    if run.wish == "cancel":
        return "canceled", ""
    if failed := next((step for step in steps if step.state == "failed"), None):
        return "failed", f"{failed.plan['title']}: {failed.error}"
    if states == {"completed"}:
        return "completed", ""
    return ("failed", "The run's deadline has passed.") if now > run.deadline else None


def _budget(run: AgentRun, steps: list[RunStep], step: RunStep) -> int:
    """Credits the step may spend: what the cap leaves beside the ceilings of all others, at least its own ceiling if that is there."""
    others = [other for other in steps if other.name != step.name]
    free = run.cap - run.settled - sum(other.reserved for other in others if other.state == "running")
    later = sum(other.ceiling for other in others if other.state == "waiting")
    return max(free - later, min(step.ceiling, free), 0)
