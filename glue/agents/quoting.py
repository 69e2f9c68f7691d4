"""Quotes: a request understood, planned and priced, for a plan that allows so much; and how well quotes held."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

from sqlmodel import col, select

from glue.agents.books import Books
from glue.agents.opinion import SecondOpinion
from glue.agents.planning import Route, Step, draw_graph, leave_out, plan_route
from glue.agents.quote import Measured, Priced, in_words, price_route
from glue.agents.registry import Agent, Registry
from glue.agents.tables import AgentQuote, AgentRun, RunStep
from glue.agents.understanding import Analysis
from glue.agents.views import AnalysisView, Offer, QuoteView, RouteStep
from glue.clock import Clock
from glue.errors import BadInput, Conflict, NotAllowed
from glue.meter.metering import Meter
from glue.rules.names import TenantId
from glue.rules.snapshot import Snapshot

LONGEST_TEXT = 20_000
QUOTE_VALID = timedelta(days=7)
MEASURED_DAYS, MOST_MEASURED = 90, 2000


class QuoteDesk:
    """``worker_of`` names who does an agent's steps now; ``offers`` finds earlier work that answers a request.

    ``opinion`` is asked when ``understand`` would have to ask back.
    """

    def __init__(
        self,
        books: Books,
        clock: Clock,
        meter: Meter,
        registry: Registry,
        *,
        understand: Callable[[str], Analysis],
        worker_of: Callable[[Agent], str],
        offers: Callable[[TenantId, str], list[Offer]],
        opinion: SecondOpinion | None,
    ) -> None:
        self._books, self._clock, self._meter, self.registry = books, clock, meter, registry
        self._understand, self._worker_of, self._offers, self._opinion = understand, worker_of, offers, opinion

    def quote(
        self, tenant: TenantId, text: str, *, asked_by: str, requirements: Sequence[str] | None = None, without: Sequence[str] = ()
    ) -> QuoteView:
        """Understand, plan, price. Raises BadInput, NotAllowed, LimitReached (larger than the plan allows a run)."""
        whole = "\n".join([text.strip(), *(requirements or ())])
        if not whole.strip() or len(whole) > LONGEST_TEXT:
            raise BadInput("Say what you want to have done.", field="text", expected=f"1 to {LONGEST_TEXT} characters")
        self._demand_plan(tenant)  # before a model could be asked at the customer's cost
        found = self._understand(whole)
        notes: tuple[str, ...] = ()
        if found.question is not None and self._opinion is not None:
            found, notes = self._opinion.ask(tenant, whole, found)
        route = plan_route(found, self.registry)
        route = replace(route, notes=(*route.notes, *notes))
        now = self._clock.now()
        row = AgentQuote(
            id=f"quote-{secrets.token_hex(8)}", tenant_id=tenant, text=whole, analysis=_analysis(found, whole), route=[], expected=0, cap=0,
            minutes=0, notes=[], asked_by=asked_by, created_at=now, valid_until=now + QUOTE_VALID,
        )  # fmt: skip
        self._price_into(row, leave_out(route, set(without)) if without else route)
        with self._books.change(tenant) as page:
            page.session.add(row)
        return self._quote_view(row)

    def change_quote(self, tenant: TenantId, quote_id: str, *, without: Sequence[str]) -> QuoteView:
        """Leave optional steps out, before acceptance; priced anew. Raises BadInput, Conflict, NotFound."""
        with self._books.change(tenant) as page:
            row = page.quote(quote_id)
            if row.run_id:
                raise Conflict("This quote was accepted already.", remedy="Ask for a new one.", run=row.run_id)
            self._price_into(row, leave_out(route_of(row), set(without)))
            page.session.add(row)
        return self._quote_view(row)

    def quote_of(self, tenant: TenantId, quote_id: str) -> QuoteView:
        with self._books.read(tenant) as page:
            return self._quote_view(page.quote(quote_id))

    def _price_into(self, row: AgentQuote, route: Route) -> None:
        snapshot = self._demand_plan(TenantId(row.tenant_id))
        priced: Priced = price_route(route, measured=self.measured(), most=snapshot.max_credits_per_run)
        row.route = [step.as_json() for step in priced.route.steps]
        row.notes, row.expected, row.cap, row.minutes = list(route.notes), priced.expected, priced.cap, priced.minutes

    def _demand_plan(self, tenant: TenantId) -> Snapshot:
        snapshot = self._meter.snapshot_of(tenant)
        self._meter.demand_standing(snapshot)
        if not snapshot.max_credits_per_run:
            raise NotAllowed("Your plan does not include agent runs.", remedy="See the plan page of the portal.", reason="not_included")
        return snapshot

    def measured(self) -> Measured:
        """What completed steps of the last months cost, of all customers: multiples of what the registry says now, nothing else."""
        since = self._clock.now() - timedelta(days=MEASURED_DAYS)
        found: dict[tuple[str, str], list[Fraction]] = {}
        with self._books.read_all() as session:
            steps = session.exec(
                select(RunStep)
                .where(RunStep.state == "completed", col(RunStep.ended_at) > since)
                .order_by(col(RunStep.id).desc())
                .limit(MOST_MEASURED)
            ).all()
        for step in steps:
            agent = self.registry.find(step.agent)
            if agent is None or self._worker_of(agent) != step.model.partition(":")[0]:
                continue  # what templates cost says nothing about a model, and the other way round
            if said := agent.price.credits(step.plan["tokens"]):
                for kind in ((step.agent, step.size), (step.agent, ""), ("", "")):
                    found.setdefault(kind, []).append(Fraction(step.cost, said))
        return found

    def calibration(self) -> dict[str, Any]:
        """How well quotes held: ended runs, the share that ended within the quote, and cost against expectation."""
        with self._books.read_all() as session:
            rows = session.execute(
                select(AgentRun.settled, AgentQuote.expected, AgentQuote.cap)
                .join(AgentQuote, col(AgentQuote.id) == col(AgentRun.quote_id))
                .where(AgentRun.state == "completed")
            ).all()
        within = sum(settled <= cap for settled, _, cap in rows)
        expected = sum(row[1] for row in rows)
        return {
            "runs": len(rows),
            "within_quote": within,
            "share_within": round(within / len(rows), 4) if rows else None,
            "cost_to_expected": round(sum(row[0] for row in rows) / expected, 3) if expected else None,
        }

    def _quote_view(self, row: AgentQuote) -> QuoteView:
        route = route_of(row)
        return QuoteView(
            id=row.id, text=row.text, analysis=AnalysisView(**{k: v for k, v in row.analysis.items() if k in AnalysisView.model_fields}),
            steps=tuple(
                RouteStep(
                    name=step.name, agent=step.agent, agent_title=self.registry.get(step.agent).title, task_type=step.task.value,
                    title=step.title, depends_on=step.depends_on, tools=step.tools, checks=step.checks, estimate=step.expected,
                    ceiling=step.ceiling, minutes=step.minutes, optional=step.optional,
                )
                for step in route.steps
            ),
            graph=draw_graph(route), expected=row.expected, cap=row.cap, minutes=row.minutes,
            words=in_words(row.expected, row.cap, row.minutes), question=row.analysis.get("question"), notes=tuple(row.notes),
            created_at=row.created_at, valid_until=row.valid_until, run_id=row.run_id,
            offers=() if row.run_id else tuple(self._offers(TenantId(row.tenant_id), row.text)),
        )  # fmt: skip


def route_of(quote: AgentQuote) -> Route:
    return Route(tuple(Step.from_json(step) for step in quote.route), tuple(quote.notes))


def _analysis(found: Analysis, text: str) -> dict[str, Any]:
    details = asdict(found.details)
    return {
        "task_type": found.task_type.value, "complexity": found.complexity.value, "supports": [task.value for task in found.supports],
        **{name: details[name] for name in ("skill_levels", "modules", "deliverables", "timeline", "dependencies", "language")},
        "confidence": found.confidence, "evidence": list(dict.fromkeys(text[word.start : word.end] for word in found.evidence)),
        "question": found.question,
    }  # fmt: skip
