"""What agents' part of an invoice consists of: from a line to events at Lago, to runs, to their steps."""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict
from sqlmodel import col, select

from glue.agents.books import Books
from glue.agents.holds import METER
from glue.agents.tables import AgentQuote, AgentRun, RunStep
from glue.meter.metering import Meter
from glue.meter.reports import TracedFact
from glue.rules.names import TenantId


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class StepCost(_View):
    """``units`` of the meter that a step used; ``transaction_ids`` name the events at Lago that they are part of."""

    step: str
    title: str
    agent: str
    model: str
    units: Decimal
    transaction_ids: tuple[str, ...]


class RunCost(_View):
    """A run in an invoice line. ``run_id`` is empty for units that no run used; ``text`` for a run that was erased."""

    run_id: str
    text: str
    units: Decimal
    steps: tuple[StepCost, ...]


def explain_line(
    books: Books, meter: Meter, tenant: TenantId, *, from_at: datetime, to_at: datetime, code: str = METER
) -> tuple[RunCost, ...]:
    """The runs behind the billed units of a meter and time span, dearest first; their units add up to the line's."""
    facts: dict[str, dict[str, list[tuple[TracedFact, str]]]] = defaultdict(lambda: defaultdict(list))
    for fold in meter.trace_line(tenant, code, from_at=from_at, to_at=to_at):
        for fact in fold.facts:
            facts[fact.dimensions.get("run", "")][fact.dimensions.get("step", "")].append((fact, fold.transaction_id))
    with books.read(tenant) as page:
        texts = dict(
            page.session.exec(
                select(AgentRun.id, AgentQuote.text)
                .join(AgentQuote, col(AgentQuote.id) == col(AgentRun.quote_id))
                .where(col(AgentRun.id).in_(facts))
            ).all()
        )
        titles = {(step.run_id, step.name): step.plan["title"] for step in page.session.exec(select(RunStep).where(col(RunStep.run_id).in_(facts)))}  # fmt: skip
    runs = []
    for run_id, by_step in facts.items():
        steps = tuple(_step_cost(step, titles.get((run_id, step), step), found) for step, found in by_step.items())
        runs.append(RunCost(run_id=run_id, text=texts.get(run_id, ""), units=sum((step.units for step in steps), Decimal(0)), steps=steps))
    return tuple(sorted(runs, key=lambda run: (-run.units, run.run_id)))


def _step_cost(step: str, title: str, found: list[tuple[TracedFact, str]]) -> StepCost:
    first = found[0][0].dimensions
    return StepCost(
        step=step, title=title, agent=first.get("agent", ""), model=first.get("model", ""), units=sum((fact.units for fact, _ in found), Decimal(0)),
        transaction_ids=tuple(dict.fromkeys(event for _, event in found)),
    )  # fmt: skip
