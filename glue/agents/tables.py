"""Quotes, runs, their steps, files and events. Credits are whole numbers; instants are business time unless a name says wall."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from glue.db import TenantScoped, Utc


class AgentQuote(TenantScoped, table=True):
    """What was asked, how it was understood, the route, and the price that binds until ``valid_until``."""

    __tablename__ = "agent_quotes"

    id: str = Field(primary_key=True)
    text: str
    analysis: dict[str, Any] = Field(sa_type=sa.JSON)
    route: list[dict[str, Any]] = Field(sa_type=sa.JSON)
    expected: int
    cap: int
    minutes: int
    notes: list[str] = Field(sa_type=sa.JSON)
    asked_by: str
    created_at: datetime = Field(sa_type=Utc)
    valid_until: datetime = Field(sa_type=Utc)
    run_id: str | None = None


class AgentRun(TenantScoped, table=True):
    """``wish`` is what a person asked for and the run does not yet obey: pause or cancel. ``round`` counts its workflows.

    ``holds`` are {id, units} in the order in which steps settle against them: credits 1 to n of the cap belong to the first.
    """

    __tablename__ = "agent_runs"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "key"),)

    id: str = Field(primary_key=True)
    quote_id: str = Field(unique=True)
    key: str
    asked_by: str
    state: str = Field(index=True)
    wish: str = ""
    round: int = 0
    cap: int
    settled: int = 0
    needs: int = 0
    tokens: int = 0
    holds: list[dict[str, Any]] = Field(sa_type=sa.JSON)
    error: str = ""
    accepted_at: datetime = Field(sa_type=Utc, index=True)
    started_at: datetime | None = Field(default=None, sa_type=Utc)
    ended_at: datetime | None = Field(default=None, sa_type=Utc)
    deadline: datetime = Field(sa_type=Utc)


class RunStep(TenantScoped, table=True):
    """A step of a run. States: waiting, running, settling (done, its cost not yet in the meter), completed, failed, canceled.

    ``reserved`` is what it may spend while it runs. Of the last attempt: ``spent`` credits from ``settled_from`` on (the run's
    spending before it), ``metered`` tokens of a model, and the state that follows settling. ``cost`` is of all attempts.
    """

    __tablename__ = "agent_run_steps"
    __table_args__ = (sa.UniqueConstraint("run_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(index=True)
    name: str
    place: int
    agent: str = Field(index=True)
    plan: dict[str, Any] = Field(sa_type=sa.JSON)
    size: str
    state: str = "waiting"
    attempt: int = 1
    expected: int
    ceiling: int
    reserved: int = 0
    cost: int = 0
    spent: int = 0
    settled_from: int = 0
    metered: int = 0
    next_state: str = ""
    tokens: int = 0
    model: str = ""
    error: str = ""
    findings: list[str] = Field(sa_type=sa.JSON)
    started_at: datetime | None = Field(default=None, sa_type=Utc)
    ended_at: datetime | None = Field(default=None, sa_type=Utc)


class RunArtifact(TenantScoped, table=True):
    """A file a step made. ``digest`` (SHA-256) names its content in the store; ``text`` is what search reads."""

    __tablename__ = "agent_artifacts"
    __table_args__ = (sa.UniqueConstraint("run_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(index=True)
    step: str
    name: str
    title: str
    media_type: str
    digest: str
    size: int
    made_by: str
    at: datetime = Field(sa_type=Utc)


class RunEvent(TenantScoped, table=True):
    """What happened in a run, in order: for people who watch and for the record."""

    __tablename__ = "agent_run_events"

    id: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(index=True)
    kind: str
    data: dict[str, Any] = Field(sa_type=sa.JSON)
    at: datetime = Field(sa_type=Utc)


class ExecutorLease(SQLModel, table=True):
    """A process that carries out runs, alive until ``until_wall``."""

    __tablename__ = "agent_executors"

    id: str = Field(primary_key=True)
    until_wall: datetime = Field(sa_type=Utc)


class AgentText(TenantScoped, table=True):
    """Text of a request (``name`` empty) or of a file, for search. Ids only grow: an index may catch up from its newest."""

    __tablename__ = "agent_texts"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(index=True)
    name: str
    title: str
    text: str


class AgentCheckpoint(TenantScoped, table=True):
    """A named state of a run's files: ``files`` maps names to {digest, title, media_type, step, size, made_by}."""

    __tablename__ = "agent_checkpoints"
    __table_args__ = (sa.UniqueConstraint("run_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(index=True)
    name: str
    files: dict[str, Any] = Field(sa_type=sa.JSON)
    by: str
    at: datetime = Field(sa_type=Utc)
    archived: bool = False
