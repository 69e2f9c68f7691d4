"""Health of upstreams and of our own work."""

from dataclasses import dataclass

import sqlalchemy as sa
from fastapi import APIRouter, Request
from sqlmodel import col, select
from starlette.responses import Response

from glue.converge.drift import DriftLine, open_drift
from glue.dirty import Dirty
from glue.errors import GlueError
from glue.wiring import Services
from portal.pages.operator.shared import SCOPE, show
from portal.site import Site


@dataclass(frozen=True)
class HealthPage:
    """``parts`` are (name, state, detail)."""

    parts: tuple[tuple[str, str, str], ...]
    due: int
    stuck: tuple[DriftLine, ...]
    paused: str


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/operator")
    database, clock = services.database, services.clock

    @router.get("/health")
    def health(request: Request) -> Response:
        person = site.people.get_operator(request)
        parts = []
        for name, read in services.pins().items():
            try:
                parts.append((name, "good", read()))
            except GlueError as error:
                parts.append((name, "bad", error.detail))
        with database.read(SCOPE) as session:
            due = session.exec(select(sa.func.count()).select_from(Dirty).where(col(Dirty.due_at) <= clock.now())).one()
            stuck = tuple(line for line in open_drift(session) if line.state == "stuck")
        return show(
            site, request, person, "operator_health", HealthPage(tuple(parts), due, stuck, services.sweep.paused), "Health", "health"
        )

    return router
