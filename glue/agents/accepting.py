"""From a quote to a run, and what costs more than was agreed: the cap is reserved before anything begins, raised only by a person."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from glue.agents.books import Books
from glue.agents.carrying import DEADLINE
from glue.agents.holds import RunCredits
from glue.agents.quoting import route_of
from glue.agents.reading import RunReader
from glue.agents.search import keep_text
from glue.agents.steering import moved_on
from glue.agents.tables import AgentRun, RunStep
from glue.agents.views import RunView
from glue.clock import Clock
from glue.errors import BadInput, Conflict, LimitReached
from glue.meter.metering import Meter
from glue.rules.names import TenantId


class Acceptance:
    """``enqueue`` has a run carried out, in this process or another one; ``demand_runs`` raises when no new ones may begin."""

    def __init__(
        self,
        books: Books,
        clock: Clock,
        meter: Meter,
        credits_: RunCredits,
        reader: RunReader,
        *,
        enqueue: Callable[[AgentRun], None],
        demand_runs: Callable[[], None],
    ) -> None:
        self._books, self._clock, self._meter, self._credits = books, clock, meter, credits_
        self._reader, self._enqueue, self._demand_runs = reader, enqueue, demand_runs

    def accept(self, tenant: TenantId, quote_id: str, *, asked_by: str, key: str, cap: int | None = None) -> RunView:
        """Reserve the cap and queue the run. The same quote and key again answer the same run. ``cap``: what the person saw, if they said.

        Raises LimitReached (not enough credits), NotAllowed, Conflict (accepted with another key, changed, or out of date).
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
            return self._reader.run_of(tenant, quote.run_id)
        self._demand_runs()
        if self._clock.now() > quote.valid_until:
            raise Conflict("This quote is out of date.", remedy="Ask for a new one.", quote=quote_id)
        if cap is not None and cap != quote.cap:
            raise _changed(quote_id)
        run_id = "run-" + quote_id.removeprefix("quote-")
        hold = self._credits.hold(tenant, run_id, quote.cap)
        try:
            self._write_run(tenant, quote_id, run_id, hold, asked_by=asked_by, key=key, cap=quote.cap)
        except sa.exc.IntegrityError as error:
            raise Conflict("Somebody accepted this at the same moment.", remedy="Look at the run.", run=run_id) from error
        self.admit(tenant)
        return self._reader.run_of(tenant, run_id)

    def _write_run(self, tenant: TenantId, quote_id: str, run_id: str, hold: dict[str, Any], *, asked_by: str, key: str, cap: int) -> None:
        with self._books.change(tenant) as page:
            quote = page.quote(quote_id)
            if quote.run_id or quote.cap != cap:
                if quote.run_id and page.run(quote.run_id).key == key:
                    return
                raise _changed(quote_id)
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
                for place, step in enumerate(route_of(quote).steps)
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

    def approve(self, tenant: TenantId, run_id: str, *, asked_by: str, extra: int | None = None, cap: int | None = None) -> RunView:
        """Raise the cap by ``extra`` credits (what the run asked for, if not given), and carry on. ``cap``: the one the person saw.

        Raises LimitReached, Conflict.
        """
        with self._books.read(tenant) as page:
            run = page.run(run_id)
        more = run.needs if extra is None else extra
        _demand_waiting(run, cap)
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
            _demand_waiting(run, cap)
            known = {hold["id"] for hold in run.holds}
            new = [hold for hold in holds if hold["id"] not in known]
            run.holds, run.cap, run.needs, run.error = [*run.holds, *new], run.cap + more * bool(new), 0, ""
            page.move(run, "queued", by=asked_by, extra=more)
        self.admit(tenant)
        return self._reader.run_of(tenant, run_id)

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
                raise moved_on(run)
            # What was settled stays with the old holds; the rest of the cap now belongs to the new one.
            run.holds = [{"id": run.holds[-1]["id"], "units": run.settled, "closed": True}, *([hold] if hold else [])]
            for other in page.steps(run_id):
                if other.state in {"failed", "canceled"}:
                    other.state, other.error, other.ended_at, other.attempt = "waiting", "", None, other.attempt + 1
                    page.session.add(other)
            run.error, run.ended_at, run.deadline = "", None, page.now + DEADLINE
            page.move(run, "queued", by=asked_by, step=step)
        self.admit(tenant)
        return self._reader.run_of(tenant, run_id)


def _demand_waiting(run: AgentRun, cap: int | None) -> None:
    if run.state != "waiting_approval" or cap not in {None, run.cap}:
        raise moved_on(run)


def _changed(quote_id: str) -> Conflict:
    return Conflict("This quote changed or was accepted meanwhile.", remedy="Look at it again.", quote=quote_id)
