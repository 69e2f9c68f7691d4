"""Reading runs: one, all, what happened to one, its files."""

from datetime import datetime
from typing import cast

from sqlmodel import col, select

from glue.agents.artifacts import ArtifactStore
from glue.agents.books import EVERYBODY, Books, Page
from glue.agents.tables import AgentQuote, AgentRun, RunEvent
from glue.agents.views import ArtifactView, EventView, RunBrief, RunState, RunView, StepState, StepView
from glue.rules.names import TenantId


class RunReader:
    """Changes nothing. Everything but ``runs(None)`` is one tenant's."""

    def __init__(self, books: Books, store: ArtifactStore) -> None:
        self._books, self._store = books, store

    def run_of(self, tenant: TenantId, run_id: str) -> RunView:
        with self._books.read(tenant) as page:
            return _run_view(page, page.run(run_id))

    def run_by_key(self, tenant: TenantId, key: str) -> RunView | None:
        """The run that was accepted with this key."""
        with self._books.read(tenant) as page:
            run = page.session.exec(select(AgentRun).where(AgentRun.key == key)).first()
            return _run_view(page, run) if run is not None else None

    def runs(
        self,
        tenant: TenantId | None,
        *,
        state: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> list[RunBrief]:
        """Newest first; None: of all customers, for operators. Those in ``state`` and accepted in [since, until) when given."""
        wanted = [col(AgentRun.state) == state] if state else []
        wanted += [col(AgentRun.accepted_at) >= since] if since else []
        wanted += [col(AgentRun.accepted_at) < until] if until else []
        with self._books.read_all(EVERYBODY if tenant is None else tenant) as session:
            rows = session.exec(
                select(AgentRun, AgentQuote.text)
                .join(AgentQuote, col(AgentQuote.id) == col(AgentRun.quote_id))
                .where(*wanted)
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

    def artifact(self, tenant: TenantId, run_id: str, name: str) -> tuple[str, bytes]:
        """Media type and content of a file. Raises NotFound."""
        with self._books.read(tenant) as page:
            page.run(run_id)
            row = page.artifact(run_id, name)
        return row.media_type, self._store.get(tenant, row.digest)


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
