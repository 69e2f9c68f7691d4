"""The keeper: what a process that carries out runs does beside them, so that each one ends, whatever died."""

import secrets
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from sqlmodel import col, select

from glue.agents.books import Books
from glue.agents.carrying import OVER, Carrier
from glue.agents.holds import RunCredits
from glue.agents.isolation import remove_left_over
from glue.agents.tables import AgentRun
from glue.agents.takeover import Leases
from glue.errors import GlueError
from glue.rules.names import TenantId

if TYPE_CHECKING:
    from glue.agents.runs import Engine

log = structlog.get_logger()
MOST_ROUNDS = 40
_KEEP_EVERY_SECONDS = 2.0
_RENEW_EVERY = 1800  # turns of the keeper


class Keeper:
    """``start`` begins to carry out runs in this process. ``admit`` begins queued ones, ``give_up`` cancels one past its deadline."""

    def __init__(
        self,
        books: Books,
        carrier: Carrier,
        credits_: RunCredits,
        leases: Leases,
        *,
        database_url: str,
        admit: Callable[[TenantId], None],
        give_up: Callable[[TenantId, str], object],
    ) -> None:
        self._books, self._carrier, self._credits, self._leases = books, carrier, credits_, leases
        self._url, self._admit, self._give_up = database_url, admit, give_up
        self._engine: Engine | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to carry out runs in this process."""
        from glue.agents.runs import Engine  # the engine takes a second to import: only processes that carry out runs pay for it

        single = self._books.database.is_sqlite
        self._engine = Engine(
            self._url, self._carrier, executor_id="local" if single else f"executor-{secrets.token_hex(6)}", admit=self._admit
        )
        self._engine.start()
        self._leases.take(self._engine.executor_id)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._keep, name="runs-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; what is running is carried on after the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._engine is not None:
            self._engine.stop()
            self._leases.drop(self._engine.executor_id)
            self._engine = None

    def enqueue(self, run: AgentRun) -> None:
        """Have a run's present round carried out; without an engine in this process a worker's keeper finds it."""
        if self._engine is not None:
            self._engine.enqueue(TenantId(run.tenant_id), run.id, run.round)

    def _keep(self) -> None:
        turn = 0
        while not self._stopping.wait(_KEEP_EVERY_SECONDS if turn else 0.05):
            try:
                self.keep_once(renew=turn % _RENEW_EVERY == 0)
            except (GlueError, sa.exc.SQLAlchemyError) as error:
                log.warning("runs_not_kept", error=str(error))
            turn += 1

    def keep_once(self, *, renew: bool = False) -> None:
        """Renew our lease, clear up and take over from the dead, begin what nobody began, end what cannot go on, keep reservations."""
        engine = self._engine
        if engine is None:
            return
        self._leases.take(engine.executor_id)
        if renew:
            remove_left_over()
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
                self._admit(tenant)
            elif self._books.clock.now() > run.deadline:
                self._give_up(tenant, run.id)
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
                self._carrier.end(page, run, "failed", error=why)
            page.session.add(run)
        self.enqueue(run)
        self._carrier.close(tenant, run_id)
        self._admit(tenant)
