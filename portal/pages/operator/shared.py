"""What the operator's pages share: pages of lists, names of tenants, the frame."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from sqlmodel import Session, col, select
from starlette.responses import Response

from glue.converge.tenants import Tenant
from glue.db import System
from glue.rules.names import TenantId
from portal.people import Person
from portal.site import Site

PAGE = 50
SCOPE = System("operators look at all customers")


@dataclass(frozen=True)
class Pager:
    """Links to the pages before and after, and what is shown in words."""

    previous: str
    next: str
    label: str


def pager_of(path: str, offset: int, total: int, **filters: str) -> Pager:
    """The pager of a list of ``total`` rows that shows those from ``offset`` on; ``filters`` stay in its links."""
    offset = max(offset, 0)
    last = min(offset + PAGE, total)

    def link(start: int) -> str:
        return f"{path}?{urlencode({'offset': start} | {name: value for name, value in filters.items() if value})}"

    return Pager(
        previous=link(max(offset - PAGE, 0)) if offset else "",
        next=link(offset + PAGE) if last < total else "",
        label=f"{min(offset + 1, total)}–{last} / {total}",
    )


def open_pager(path: str, offset: int, found: int) -> Pager:
    """The pager of a list of which only ``found`` rows from ``offset`` on were read: one more than a page tells of a next one."""
    return pager_of(path, offset, max(offset, 0) + found)


def names_of(session: Session, tenants: Iterable[TenantId]) -> dict[str, str]:
    """Display names by tenant."""
    wanted = set(tenants)
    if not wanted:
        return {}
    rows = session.exec(select(Tenant.tenant_id, Tenant.display_name).where(col(Tenant.tenant_id).in_(wanted)))
    return {tenant: name or tenant for tenant, name in rows}


def show(site: Site, request: Request, person: Person, name: str, context: Any, title: str, current: str) -> Response:
    """An operator's page in its frame."""
    return site.page(request, name, context, title=title, person=person, current=current, operator=True)
