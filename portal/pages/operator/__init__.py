"""The operator's cockpit, a module per page: tenants, the roll-out, drift, traffic, runs, tickets, health."""

from fastapi import APIRouter

from glue.wiring import Services
from portal.pages.operator import cohorts, drift, health, rollout, runs, tenants, tickets, traffic
from portal.site import Site


def routes(site: Site, services: Services) -> APIRouter:
    """Everything below ``/operator``; each needs the realm role `operator`."""
    router = APIRouter()
    for page in (tenants, rollout, cohorts, drift, traffic, runs, tickets, health):
        router.include_router(page.routes(site, services))
    return router
