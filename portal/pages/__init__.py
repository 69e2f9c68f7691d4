"""A module per page: authorize, read, build the context, render."""

from collections.abc import Callable

from fastapi import APIRouter

from glue.wiring import Services
from portal.pages import (
    account,
    events,
    install,
    invoices,
    licenses,
    overview,
    payment,
    plan,
    privacy,
    programs,
    runs,
    status,
    support,
    team,
    usage,
    waiting,
    welcome,
)
from portal.site import Site

PAGES: tuple[Callable[[Site, Services], APIRouter], ...] = (
    overview.routes,
    welcome.routes,
    waiting.routes,
    plan.routes,
    usage.routes,
    licenses.routes,
    install.routes,
    team.routes,
    programs.routes,
    events.routes,
    privacy.routes,
    runs.routes,
    invoices.routes,
    payment.routes,
    support.routes,
    account.routes,
    status.routes,
)
