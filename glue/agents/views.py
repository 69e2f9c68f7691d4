"""What callers see of quotes and runs: plain frozen models, the same for pages, API and command line."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

RunState = Literal["queued", "running", "paused", "waiting_approval", "completed", "failed", "canceled"]
StepState = Literal["waiting", "running", "settling", "completed", "failed", "canceled"]
ENDED: frozenset[RunState] = frozenset({"completed", "failed", "canceled"})


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class AnalysisView(_View):
    task_type: str
    complexity: str
    supports: tuple[str, ...]
    skill_levels: tuple[str, ...]
    modules: int | None
    deliverables: tuple[str, ...]
    timeline: str | None
    language: str
    confidence: float
    evidence: tuple[str, ...]


class RouteStep(_View):
    """``estimate`` is the expected cost in credits, ``ceiling`` the most it may take of the cap."""

    name: str
    agent: str
    agent_title: str
    task_type: str
    title: str
    depends_on: tuple[str, ...]
    tools: tuple[str, ...]
    checks: tuple[str, ...]
    estimate: int
    ceiling: int
    minutes: int
    optional: bool


class Offer(_View):
    """Earlier work of the same customer that answers a request, and the credits and tokens that doing it again would cost."""

    run_id: str
    text: str
    likeness: float
    saves_credits: int
    saves_tokens: int


class QuoteView(_View):
    """``cap`` binds: the run never costs more without a person's word. ``question`` is to be answered first when it is not None.

    ``offers`` are earlier runs of the same customer that answer the same: their files are there already.
    """

    id: str
    text: str
    analysis: AnalysisView
    steps: tuple[RouteStep, ...]
    graph: str
    expected: int
    cap: int
    minutes: int
    words: str
    question: str | None
    notes: tuple[str, ...]
    created_at: datetime
    valid_until: datetime
    run_id: str | None
    offers: tuple[Offer, ...] = ()


class ArtifactView(_View):
    name: str
    title: str
    step: str
    media_type: str
    bytes: int
    digest: str
    made_by: str


class StepView(_View):
    name: str
    agent: str
    title: str
    depends_on: tuple[str, ...]
    state: StepState
    attempt: int
    expected: int
    cost: int
    tokens: int
    model: str
    error: str
    findings: tuple[str, ...]
    started_at: datetime | None
    ended_at: datetime | None


class RunView(_View):
    """``cost`` and ``cap`` are credits; ``needs`` is what it asks approval for, beyond the cap."""

    id: str
    quote_id: str
    text: str
    state: RunState
    steps: tuple[StepView, ...]
    cost: int
    cap: int
    needs: int
    tokens: int
    artifacts: tuple[ArtifactView, ...]
    error: str
    asked_by: str
    accepted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class RunBrief(_View):
    """A run in a list."""

    id: str
    tenant: str
    text: str
    state: RunState
    cost: int
    cap: int
    accepted_at: datetime
    ended_at: datetime | None


class EventView(_View):
    """Something that happened; ``number`` grows, so that a reader can ask for what came after."""

    number: int
    kind: str
    data: dict[str, object]
    at: datetime
