"""One cohort's report: as a page with charts, and as CSV."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from glue.actions.privacy import as_csv
from glue.rules.cohorts import Cohort
from glue.support.reports import Report, report_of, report_rows
from glue.wiring import Services
from portal.pages.operator.shared import show
from portal.site import Site


@dataclass(frozen=True)
class CohortPage:
    cohort: Cohort
    report: Report
    retention: tuple[tuple[str, float], ...]


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/operator/cohorts")

    def report(code: str) -> tuple[Cohort, Report]:
        cohort = services.rollout.get(code)
        prices = services.plan_prices()
        paid = frozenset(tier.code for tier in services.tiers if any(int(prices[plan.code]["amount_cents"]) for plan in tier.plans))
        return cohort, report_of(services.database, services.meter_database, cohort, now=services.clock.now(), paid_tiers=paid)

    @router.get("/{code}.csv")
    def table(request: Request, code: str) -> Response:
        site.people.get_operator(request)
        cohort, found = report(code)
        headers = {"Content-Disposition": f'attachment; filename="{cohort.code}.csv"', "Cache-Control": "no-store"}
        return Response(as_csv(report_rows(found)), media_type="text/csv; charset=utf-8", headers=headers)

    @router.get("/{code}")
    def page(request: Request, code: str) -> Response:
        person = site.people.get_operator(request)
        cohort, found = report(code)
        shares = tuple((str(week), round(100 * back / possible, 1) if possible else 0.0) for week, possible, back in found.retention)
        return show(site, request, person, "operator_cohort", CohortPage(cohort, found, shares), cohort.title, "rollout")

    return router
