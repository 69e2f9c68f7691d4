"""The port behind which steps are done: offline templates, models of several providers, a customer's own endpoint or command."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from glue.agents.planning import Step
from glue.agents.registry import Agent
from glue.agents.understanding import Details
from glue.errors import GlueError, UpstreamRefused
from glue.rules.names import TenantId


@dataclass(frozen=True)
class File:
    """Something a step made."""

    name: str
    title: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Work:
    """All an executor may know: the request, its details, and files of the steps before. ``findings`` came back from a check."""

    tenant: TenantId
    run_id: str
    step: Step
    agent: Agent
    text: str
    details: Details
    inputs: Mapping[str, File] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    earlier: tuple[File, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """``tokens`` are what the price counts; ``metered_tokens`` what a model read and wrote (none without a model)."""

    files: tuple[File, ...]
    tokens: int
    metered_tokens: int
    model: str


class BudgetReached(GlueError):
    """The step would cost more than it may. ``tokens`` were used until then and are paid."""

    code = "budget_reached"
    title = "The step needs more credits"

    def __init__(self, detail: str, *, tokens: int, metered_tokens: int, model: str) -> None:
        super().__init__(detail)
        self.tokens, self.metered_tokens, self.model = tokens, metered_tokens, model


class StepUnusable(UpstreamRefused):
    """An executor answered with something that is no result. ``tokens`` were used and are paid."""

    code = "step_unusable"
    title = "A step made nothing usable"

    def __init__(self, detail: str, *, model: str, tokens: int = 0, metered_tokens: int = 0, remedy: str = "") -> None:
        super().__init__(detail, upstream=model, operation="step", remedy=remedy)
        self.tokens, self.metered_tokens, self.model = tokens, metered_tokens, model


Report = Callable[[int], None]  # tokens so far


class Executor(Protocol):
    """Does a step with at most ``most_tokens``. Raises BudgetReached, UpstreamUnavailable, StepUnusable."""

    @property
    def name(self) -> str: ...

    def perform(self, work: Work, *, most_tokens: int, report: Report) -> Outcome: ...
