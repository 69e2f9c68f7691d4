"""Drift: what waits for a decision, what was mended, and the breaker."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from glue.converge.breaker import BreakerView, confirm_losses, look_at_breaker
from glue.converge.drift import DriftLine, decide_against, mended_drift, open_drift
from glue.dirty import Priority, mark, mark_all
from glue.rules.names import parse_tenant_id
from glue.wiring import Services
from portal.pages.operator.shared import PAGE, SCOPE, Pager, names_of, open_pager, show
from portal.site import Site


@dataclass(frozen=True)
class DriftPage:
    waiting: tuple[DriftLine, ...]
    mended: tuple[DriftLine, ...]
    names: Mapping[str, str]
    breaker: BreakerView
    pager: Pager


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/operator")
    database, clock = services.database, services.clock

    @router.get("/drift")
    def drift_page(request: Request, offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        with database.read(SCOPE) as session:
            waiting = open_drift(session, offset=max(offset, 0), limit=PAGE + 1)
            mended = mended_drift(session, since=clock.now() - timedelta(days=7), limit=PAGE)
            names = names_of(session, [line.tenant for line in [*waiting, *mended]])
            breaker = look_at_breaker(session, now=clock.now())
        context = DriftPage(tuple(waiting[:PAGE]), tuple(mended), names, breaker, open_pager("/operator/drift", offset, len(waiting)))
        return show(site, request, person, "operator_drift", context, "Drift", "drift")

    @router.post("/drift/restore")
    def restore(request: Request, tenant: Annotated[str, Form()], field: Annotated[str, Form()]) -> Response:
        person = site.people.get_operator(request)
        tenant_id = parse_tenant_id(tenant)
        with database.write(tenant_id) as session:
            decide_against(session, tenant_id, field, by=person.email)
            mark(session, tenant_id, why=f"{person.email} decided to restore {field}", now=clock.now(), priority=Priority.PERSON)
        services.actions.wait_until_settled(tenant_id, seconds=10)
        return RedirectResponse("/operator/drift", 303)

    @router.post("/breaker/confirm")
    def confirm(request: Request) -> Response:
        person = site.people.get_operator(request)
        with database.write(SCOPE) as session:
            tenants = confirm_losses(session, now=clock.now(), by=person.email)
            mark_all(session, tenants, why=f"{person.email} confirmed the losses", now=clock.now(), priority=Priority.HINT)
        return RedirectResponse("/operator/drift", 303)

    return router
