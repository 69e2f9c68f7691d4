"""Status: which parts answer now. Open to everybody, also while nobody can sign in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.responses import Response

from glue.rules.names import TenantId
from glue.wiring import Services
from portal.rendering import FormState
from portal.site import Site

FRESH = 10.0
_NOBODY = TenantId("status")


@dataclass(frozen=True)
class PartStatus:
    """``since`` is when a part was first seen not to answer; None while it does."""

    name: str
    purpose: str
    since: datetime | None


@dataclass(frozen=True)
class StatusPage:
    parts: tuple[PartStatus, ...]
    checked_at: datetime


@dataclass(frozen=True)
class DesignPage:
    """``form`` has a filled field and one with a problem."""

    form: FormState


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter()

    @router.get("/status")
    def page(request: Request) -> Response:
        say = site.writer(request).text
        with services.database.engine.connect() as connection:
            connection.execute(sa.text("select 1"))
        purposes = {
            "keycloak": ("Keycloak", say("Signing in, teams, invitations")),
            "lago": ("Lago", say("Plans, invoices, payment")),
            "keygen": ("Keygen", say("Licenses, machines")),
        }
        parts = [PartStatus(services.settings.product_name, say("These pages, metering, runs"), None)]
        parts += [PartStatus(*purposes[name], since=_since(site, name, pin)) for name, pin in services.pins().items()]
        context = StatusPage(parts=tuple(parts), checked_at=services.clock.now())
        person = site.people.find(request) if request.session.get("person") else None
        return site.page(request, "status", context, title="Status", person=person)

    @router.get("/design")
    def design(request: Request) -> Response:
        """Every component of the design system once."""
        form = FormState({"one": "Ada"}, {"two": site.writer(request).text("This is not an e-mail address.")})
        return site.page(request, "design", DesignPage(form), title="Design system")

    return router


def _since(site: Site, upstream: str, pin: Callable[[], str]) -> datetime | None:
    known = site.known.failing_since(upstream)  # what another page has just met
    return known or site.known.look(_NOBODY, upstream, f"pin of {upstream}", pin, fresh_seconds=FRESH).stale_since
