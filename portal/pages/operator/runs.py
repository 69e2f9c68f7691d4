"""Runs of all customers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from glue.rules.names import TenantId
from glue.wiring import Services
from portal.pages.operator.shared import PAGE, SCOPE, Pager, names_of, pager_of, show
from portal.site import Site


@dataclass(frozen=True)
class RunsPage:
    rows: tuple[Any, ...]
    names: Mapping[str, str]
    pager: Pager


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/operator")
    database = services.database

    @router.get("/runs")
    def runs(request: Request, offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        rows = services.dispatcher.runs(None, offset=max(offset, 0), limit=PAGE)
        with database.read(SCOPE) as session:
            names = names_of(session, [TenantId(row.tenant) for row in rows])
        pager = pager_of("/operator/runs", offset, offset + len(rows) + (1 if len(rows) == PAGE else 0))
        return show(site, request, person, "operator_runs", RunsPage(tuple(rows), names, pager), "Runs", "runs-all")

    return router
