"""The dispatcher: from a sentence to a quote, from a quote to a run, from a run to files. What pages, API and commands call.

Understood and priced in ``quoting``, accepted in ``accepting``, steered in ``steering``, carried out step by step in ``carrying`` by
the workflows of ``runs`` that ``keeping`` looks after, read in ``reading``, found and offered again in ``library``.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from glue.agents.accepting import Acceptance
from glue.agents.artifacts import ArtifactStore
from glue.agents.books import Books, Page
from glue.agents.carrying import Carrier
from glue.agents.costs import RunCost, explain_line
from glue.agents.executors import Executor
from glue.agents.executors.commands import CommandExecutor
from glue.agents.executors.offline import OfflineTemplates
from glue.agents.holds import METER, RunCredits
from glue.agents.keeping import Keeper
from glue.agents.library import Library
from glue.agents.opinion import SecondOpinion
from glue.agents.quoting import QuoteDesk
from glue.agents.reading import RunReader
from glue.agents.registry import Agent, Registry
from glue.agents.search import SearchIndex, keep_text, readable
from glue.agents.steering import Steering
from glue.agents.tables import AgentRun, RunArtifact
from glue.agents.takeover import Leases
from glue.agents.understanding import Analysis, analyse
from glue.clock import Clock
from glue.db import Database
from glue.meter.metering import Meter
from glue.rules.names import TenantId


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
        second_opinion: str = "",
        understand: Callable[[str], Analysis] = analyse,
        demand_runs: Callable[[], None] = lambda: None,
    ) -> None:
        """``second_opinion`` is the model (PROVIDER:NAME) to ask when a request is unclear; none if its provider has no executor."""
        self._books, self._meter, self.registry = Books(database, clock), meter, registry
        self._credits, self._store = RunCredits(meter), ArtifactStore(data_dir)
        self._executors = {executor.name: executor for executor in (CommandExecutor(), *executors)}
        self._offline = OfflineTemplates()
        reader = RunReader(self._books, self._store)
        self.library = Library(self._books, self._store, SearchIndex(database), run_of=reader.run_of)
        self.carrier = Carrier(
            self._books, self._credits, registry, self._store,
            executor_for=self._executor_for, earlier=self.library.earlier_files, keep_text=_keep_text,
        )  # fmt: skip
        asked = self._executors.get(second_opinion.partition(":")[0])
        quotes = QuoteDesk(
            self._books, clock, meter, registry, understand=understand, worker_of=lambda agent: self._executor_for(agent).name, offers=self.library.offers,
            opinion=SecondOpinion(self._credits, asked, model=second_opinion) if asked else None,
        )  # fmt: skip
        accepting = Acceptance(
            self._books, clock, meter, self._credits, reader, enqueue=self._enqueue, demand_runs=demand_runs
        )  # fmt: skip
        steering = Steering(self._books, self.carrier, reader, admit=accepting.admit)
        self._keeper = Keeper(
            self._books, self.carrier, self._credits, Leases(database, clock), database_url=database_url, admit=accepting.admit,
            give_up=lambda tenant, run_id: steering.cancel(tenant, run_id, asked_by="deadline"),
        )  # fmt: skip

        self.quote, self.change_quote, self.quote_of = quotes.quote, quotes.change_quote, quotes.quote_of
        self.measured, self.calibration = quotes.measured, quotes.calibration
        self.accept, self.admit, self.approve, self.retry_step = accepting.accept, accepting.admit, accepting.approve, accepting.retry_step
        self.cancel, self.pause, self.resume = steering.cancel, steering.pause, steering.resume
        self.run_of, self.run_by_key, self.runs = reader.run_of, reader.run_by_key, reader.runs
        self.events, self.artifact = reader.events, reader.artifact
        self.start, self.stop, self.keep_once = self._keeper.start, self._keeper.stop, self._keeper.keep_once

    def explain_line(self, tenant: TenantId, *, from_at: datetime, to_at: datetime, meter: str = METER) -> tuple[RunCost, ...]:
        """The runs and steps behind an invoice line of a meter and time span."""
        return explain_line(self._books, self._meter, tenant, from_at=from_at, to_at=to_at, code=meter)

    def forget(self, tenant: TenantId) -> None:
        """Remove the files of an erased tenant and what search knew of them."""
        self._store.forget(tenant)
        self.library.forget()

    def _enqueue(self, run: AgentRun) -> None:
        self._keeper.enqueue(run)

    def _executor_for(self, agent: Agent) -> Executor:
        return self._executors.get(agent.model.partition(":")[0], self._offline)


def _keep_text(page: Page, artifact: RunArtifact, content: bytes) -> None:
    if readable(artifact.media_type):
        text = content.decode("utf-8", errors="replace")
        keep_text(page.session, page.tenant, run_id=artifact.run_id, name=artifact.name, title=artifact.title, text=text)
