"""A customer's agent work, erased: requests, runs, files, checkpoints. What was billed stays with Lago, as numbers."""

import sqlalchemy as sa
from sqlmodel import Session, col

from glue.agents.tables import AgentCheckpoint, AgentQuote, AgentRun, AgentText, RunArtifact, RunEvent, RunStep
from glue.rules.names import TenantId

_TABLES = (AgentText, AgentCheckpoint, RunArtifact, RunEvent, RunStep, AgentRun, AgentQuote)


def scrub_agents(session: Session, tenant: TenantId) -> None:
    """Forget the rows, in the caller's transaction; ``Dispatcher.forget`` removes the files afterwards."""
    for table in _TABLES:
        session.execute(sa.delete(table).where(col(table.tenant_id) == tenant))
