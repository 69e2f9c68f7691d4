"""The books of runs: every change of a run's state is one transaction here, with its event, one after another for a tenant."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from glue.agents.tables import AgentQuote, AgentRun, RunArtifact, RunEvent, RunStep
from glue.clock import Clock
from glue.db import Database, Scope, System
from glue.errors import NotFound
from glue.rules.names import TenantId

EVERYBODY = System("runs of all customers are carried out, listed for operators, and measured for quotes")


class Books:
    """Reads and changes runs of one tenant at a time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock

    @contextmanager
    def change(self, tenant: TenantId) -> Iterator["Page"]:
        """A transaction over one tenant's runs; on PostgreSQL others of the same tenant wait for it, as on SQLite all do."""
        with self.database.write(tenant) as session:
            if not self.database.is_sqlite:
                session.execute(sa.text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": f"runs/{tenant}"})
            yield Page(session, tenant, self.clock.now())

    @contextmanager
    def read(self, tenant: TenantId) -> Iterator["Page"]:
        with self.database.read(tenant) as session:
            yield Page(session, tenant, self.clock.now())

    @contextmanager
    def read_all(self, scope: Scope = EVERYBODY) -> Iterator[Session]:
        with self.database.read(scope) as session:
            yield session


class Page:
    """What one transaction sees."""

    def __init__(self, session: Session, tenant: TenantId, now: datetime) -> None:
        self.session, self.tenant, self.now = session, tenant, now

    def quote(self, quote_id: str) -> AgentQuote:
        found = self.session.exec(select(AgentQuote).where(AgentQuote.id == quote_id)).first()
        if found is None:
            raise NotFound("There is no such quote.", remedy="Ask for a new one.", quote=quote_id)
        return found

    def run(self, run_id: str) -> AgentRun:
        found = self.session.exec(select(AgentRun).where(AgentRun.id == run_id)).first()
        if found is None:
            raise NotFound("There is no such run.", remedy="Check its id; `glue runs list` shows yours.", run=run_id)
        return found

    def steps(self, run_id: str) -> list[RunStep]:
        return list(self.session.exec(select(RunStep).where(RunStep.run_id == run_id).order_by(col(RunStep.place))))

    def step(self, run_id: str, name: str) -> RunStep:
        found = self.session.exec(select(RunStep).where(RunStep.run_id == run_id, RunStep.name == name)).first()
        if found is None:
            raise NotFound("The run has no such step.", run=run_id, step=name)
        return found

    def artifacts(self, run_id: str) -> list[RunArtifact]:
        return list(self.session.exec(select(RunArtifact).where(RunArtifact.run_id == run_id).order_by(col(RunArtifact.id))))

    def artifact(self, run_id: str, name: str) -> RunArtifact:
        found = self.session.exec(select(RunArtifact).where(RunArtifact.run_id == run_id, RunArtifact.name == name)).first()
        if found is None:
            raise NotFound("The run has no such file.", run=run_id, name=name)
        return found

    def tell(self, run_id: str, kind: str, **data: Any) -> None:
        """Write an event, in this transaction."""
        self.session.add(RunEvent(tenant_id=self.tenant, run_id=run_id, kind=kind, data=data, at=self.now))

    def move(self, run: AgentRun, state: str, **data: Any) -> None:
        """Change a run's state and tell it."""
        run.state = state
        self.session.add(run)
        self.tell(run.id, f"run_{state}", cost=run.settled, cap=run.cap, **data)
