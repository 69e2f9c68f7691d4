"""A model's second opinion about a request that was not clear enough: asked at most once, for at most one credit, or not at all."""

import json
import re
import secrets
from dataclasses import replace

import structlog

from glue.agents.executors import BudgetReached, Executor, Outcome, StepUnusable, Work
from glue.agents.holds import RunCredits
from glue.agents.planning import Step
from glue.agents.registry import Agent, BySize, Price
from glue.agents.understanding import Analysis, Complexity, TaskType
from glue.errors import GlueError
from glue.rules.names import TenantId

log = structlog.get_logger()
MOST_CREDITS = 1
_NAME = "second-opinion"
_PRICE = Price(step=0, per_1k_tokens="1")  # type: ignore[arg-type]  # read as a decimal
_NOTHING = BySize(simple=0, moderate=0, complex=0, enterprise=0)
_OBJECT = re.compile(r"\{[^{}]*\}")
_INSTRUCTIONS = (
    "Classify the request; do not do it. Answer with one JSON object and nothing else: "
    f'{{"task_type": one of {", ".join(TaskType)}, "complexity": one of {", ".join(Complexity)}}}. '
    "If nobody could tell what is wanted, answer {}."
)


class SecondOpinion:
    """Pays from a hold of its own: without a free credit nobody is asked, and our own reading stands."""

    def __init__(self, credits_: RunCredits, executor: Executor, *, model: str) -> None:
        self._credits, self._executor = credits_, executor
        self._agent = Agent(
            code=_NAME, kind="command", title="Second opinion", summary="", fit={}, model=model, price=_PRICE, tokens=_NOTHING,
            minutes=_NOTHING, instructions=_INSTRUCTIONS,
        )  # fmt: skip

    def ask(self, tenant: TenantId, text: str, own: Analysis) -> tuple[Analysis, tuple[str, ...]]:
        """The analysis, corrected if the model knew better, and what to say about it."""
        name = f"opinion-{secrets.token_hex(8)}"
        try:
            hold = self._credits.hold(tenant, name, MOST_CREDITS)
        except GlueError:
            return own, ()
        answer, tokens = "", 0
        try:
            outcome = self._perform(tenant, name, text, own)
            answer, tokens = outcome.files[0].content.decode(errors="replace"), outcome.tokens
        except (BudgetReached, StepUnusable) as error:
            tokens = error.tokens
        except GlueError as error:
            log.info("no_second_opinion", error=str(error))
        finally:
            cost = min(MOST_CREDITS, _PRICE.credits(tokens))
            dimensions = {"run": name, "step": _NAME, "agent": _NAME, "model": self._agent.model}
            self._credits.settle_hold(tenant, hold["id"], cost, key=name, dimensions=dimensions)
            self._credits.record_tokens(tenant, tokens, key=f"{name}/tokens", dimensions=dimensions)
        corrected = _read(answer, own)
        if corrected is None:
            return own, ()
        return corrected, (f"A model was asked what is meant, for {cost} credit{'s' * (cost != 1)}.",)

    def _perform(self, tenant: TenantId, name: str, text: str, own: Analysis) -> Outcome:
        step = Step(
            name=_NAME, agent=_NAME, task=own.task_type, title="Say what is asked for", size=own.complexity, depends_on=(), tools=(),
            checks=(), tokens=0, minutes=0, expected=0, ceiling=MOST_CREDITS,
        )  # fmt: skip
        work = Work(tenant, name, step, self._agent, text, own.details)
        return self._executor.perform(work, most_tokens=_PRICE.tokens_within(MOST_CREDITS), report=lambda _tokens: None)


def _read(answer: str, own: Analysis) -> Analysis | None:
    """Our analysis with the model's two words; None when it said anything else."""
    try:
        said = json.loads(found[0]) if (found := _OBJECT.search(answer)) else {}
        return replace(own, task_type=TaskType(said["task_type"].lower()), complexity=Complexity(said["complexity"].lower()), question=None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
