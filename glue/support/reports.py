"""How a cohort does: the funnel from registration to payment, who comes back by week, what they say. From our own tables alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

import sqlalchemy as sa
from sqlmodel import col, select

from glue.converge.effects import Effect, EffectState
from glue.converge.tenants import Tenant
from glue.db import Database, System
from glue.meter.tables import DAYS
from glue.rules.cohorts import Cohort
from glue.rules.standing import Standing
from glue.support.cohorts import members_of
from glue.support.feedback import Feedback

STEPS = ("registered", "onboarded", "first_machine", "first_call", "first_run", "paid")
_MOST_WEEKS = 13
_AT_ONCE = 500
_SCOPE = System("a report counts the members of a cohort")
_PAYING = {Standing.ACTIVE, Standing.PAST_DUE}


@dataclass(frozen=True)
class Report:
    """``funnel`` are (step, customers), ``retention`` (week after joining, customers in it so long, those who used something then)."""

    funnel: tuple[tuple[str, int], ...]
    retention: tuple[tuple[int, int, int], ...]
    feedback_mean: float | None
    feedback_count: int


@dataclass(frozen=True)
class _Use:
    """Days on which a customer called something, and whether an agent worked."""

    days: frozenset[date]
    run: bool


def report_of(database: Database, meter_database: Database, cohort: Cohort, *, now: datetime, paid_tiers: frozenset[str]) -> Report:
    """The report at ``now``. ``paid_tiers`` cost something: who stands well on one of them has become a paying customer."""
    with database.read(_SCOPE) as session:
        joined = members_of(session, cohort.code)
        stands: dict[str, tuple[str, str]] = {}
        machines: set[str] = set()
        ratings: list[int] = []
        for part in _parts(list(joined)):
            mine = col(Tenant.tenant_id).in_(part)
            found = session.exec(select(Tenant.tenant_id, Tenant.standing, Tenant.tier).where(mine))
            stands |= {tenant: (standing, tier) for tenant, standing, tier in found}
            activated = sa.select(col(Effect.tenant_id)).where(
                col(Effect.tenant_id).in_(part), col(Effect.kind) == "activate_machine", col(Effect.state) == EffectState.DONE
            )
            machines |= set(session.scalars(activated))
            ratings += session.scalars(sa.select(col(Feedback.rating)).where(col(Feedback.tenant_id).in_(part)))
    uses = _uses(meter_database, list(joined))
    counts = Counter(
        registered=len(joined),
        onboarded=sum(standing != Standing.PENDING for standing, _ in stands.values()),
        first_machine=len(machines),
        first_call=len(uses),
        first_run=sum(use.run for use in uses.values()),
        paid=sum(standing in _PAYING and tier in paid_tiers for standing, tier in stands.values()),
    )
    return Report(
        funnel=tuple((step, counts[step]) for step in STEPS),
        retention=tuple(_retention(joined, uses, now=now)),
        feedback_mean=round(sum(ratings) / len(ratings), 2) if ratings else None,
        feedback_count=len(ratings),
    )


def report_rows(report: Report) -> list[Mapping[str, str | int | float]]:
    """The report as rows of a table: part, name, customers, of."""
    registered = report.funnel[0][1]
    rows: list[Mapping[str, str | int | float]] = [
        {"part": "funnel", "name": step, "customers": count, "of": registered} for step, count in report.funnel
    ]
    rows += [{"part": "retention", "name": f"week {week}", "customers": back, "of": possible} for week, possible, back in report.retention]
    mean = "" if report.feedback_mean is None else report.feedback_mean
    return [*rows, {"part": "feedback", "name": "mean rating", "customers": mean, "of": report.feedback_count}]


def _retention(joined: Mapping[str, datetime], uses: Mapping[str, _Use], *, now: datetime) -> Iterator[tuple[int, int, int]]:
    age = {tenant: (now.date() - since.date()).days // 7 for tenant, since in joined.items()}
    first = {tenant: since.date().toordinal() for tenant, since in joined.items()}
    used = {tenant: {(day.toordinal() - first[tenant]) // 7 for day in use.days} for tenant, use in uses.items()}
    for week in range(min(max(age.values(), default=-1) + 1, _MOST_WEEKS)):
        possible = [tenant for tenant, weeks in age.items() if weeks >= week]
        yield week, len(possible), sum(week in used.get(tenant, ()) for tenant in possible)


def _uses(meter_database: Database, tenants: Sequence[str]) -> dict[str, _Use]:
    days: dict[str, set[date]] = {}
    runs: set[str] = set()
    read_day = cache(date.fromisoformat)
    # Seats are recorded by ourselves: they tell of nobody's use.
    columns = DAYS.c.tenant_id, DAYS.c.day, DAYS.c.dimensions.like('%"agent":%')
    with meter_database.engine.connect() as connection:
        for part in _parts(tenants):
            for tenant, day, run in connection.execute(sa.select(*columns).where(DAYS.c.tenant_id.in_(part), DAYS.c.meter != "seats")):
                days.setdefault(tenant, set()).add(read_day(day))
                if run:
                    runs.add(tenant)
    return {tenant: _Use(frozenset(found), tenant in runs) for tenant, found in days.items()}


def _parts(tenants: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(tenants), _AT_ONCE):
        yield tenants[start : start + _AT_ONCE]
