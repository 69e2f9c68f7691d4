"""Invoices: the list, one explained down to units and price steps, its PDF, the way to pay it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import httpx
import structlog
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from glue.agents.costs import RunCost
from glue.errors import NotFound, Unavailable, UpstreamError, UpstreamNotFound
from glue.rules.facts import Invoice, InvoiceLine, ReductionKind, Role
from glue.rules.names import TenantId
from glue.wiring import Services
from portal.invoice_pdf import REDUCTIONS, draw_invoice
from portal.prices import PriceCard, price_cards
from portal.site import Site

log = structlog.get_logger()
PAGE = 25
LARGEST_PDF = 10 * 2**20
MOST_RUNS = 100


@dataclass(frozen=True)
class InvoicesPage:
    """Newest first. ``older`` and ``newer`` are where those pages begin: 0 and -1 where there is none."""

    invoices: tuple[Invoice, ...]
    older: int
    newer: int
    stale_since: datetime | None


@dataclass(frozen=True)
class PriceStep:
    """Units ``first`` to ``last`` (None: all further) at ``price`` each: ``units`` of them fell into this step."""

    first: int
    last: int | None
    units: Decimal
    price: Decimal


@dataclass(frozen=True)
class ExplainedLine:
    """A line with its price steps, how many events and facts it stands for (0: not metered), and the agents' runs among them."""

    line: InvoiceLine
    steps: tuple[PriceStep, ...]
    events: int
    facts: int
    runs: tuple[RunCost, ...] = ()


@dataclass(frozen=True)
class InvoicePage:
    invoice: Invoice
    lines: tuple[ExplainedLine, ...]
    payable: bool
    by_invoice: bool
    support_address: str
    reduction_names: Mapping[ReductionKind, str]


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/invoices")
    lago = services.lago

    def own(tenant: TenantId, lago_id: str) -> Invoice:
        with suppress(UpstreamNotFound):
            invoice = lago.get_invoice(lago_id)
            if invoice.customer_external_id == tenant:
                return invoice
        raise NotFound("There is no such invoice.")

    @router.get("")
    def page(request: Request, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0) -> Response:
        person = site.people.get(request)
        person.must_see(Role.BILLING)
        look = site.known.money(person.tenant)
        invoices = look.value.invoices if look.value else ()
        context = InvoicesPage(
            invoices=invoices[offset : offset + PAGE],
            older=offset + PAGE if len(invoices) > offset + PAGE else 0,
            newer=max(offset - PAGE, 0) if offset else -1,
            stale_since=look.stale_since,
        )
        return site.page(request, "invoices", context, title="Invoices", person=person, current="invoices")

    @router.get("/{lago_id}")
    def detail(request: Request, lago_id: str) -> Response:
        person = site.people.get(request)
        person.must_see(Role.BILLING)
        invoice = own(person.tenant, lago_id)
        money = site.known.money(person.tenant, fresh_seconds=5).value
        by_card = bool(money and money.by_card)
        cards = price_cards(services.tiers, services.plan_prices(), currency=invoice.currency)
        context = InvoicePage(
            invoice=invoice,
            lines=tuple(_explain(services, person.tenant, line, cards) for line in invoice.lines),
            payable=invoice.is_open and person.may(Role.BILLING) and by_card,
            by_invoice=not by_card,
            support_address=services.settings.support_address,
            reduction_names=REDUCTIONS,
        )
        return site.page(request, "invoice", context, title="Invoice", person=person, current="invoices")

    @router.get("/{lago_id}/pdf")
    def pdf(request: Request, lago_id: str) -> Response:
        """Lago's own where it makes them, else ours."""
        person = site.people.get(request)
        person.must_see(Role.BILLING)
        invoice, record = own(person.tenant, lago_id), services.actions.record(person.tenant)
        content = _lagos_pdf(services, lago_id) or draw_invoice(
            invoice, record, writer=site.writer(request, person), product=services.settings.product_name
        )
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in invoice.number) or "invoice"
        headers = {"Content-Disposition": f'attachment; filename="{name}.pdf"', "Cache-Control": "no-store"}
        return Response(content, media_type="application/pdf", headers=headers)

    @router.get("/{lago_id}/pay")
    def pay(request: Request, lago_id: str) -> Response:
        """Off to the payment provider's own page."""
        person = site.people.get(request)
        person.must(Role.BILLING)
        url = lago.payment_url(own(person.tenant, lago_id).lago_id)
        if url is None:
            raise Unavailable("There is no payment page for this invoice.", remedy="Pay it by bank transfer; the invoice says where to.")
        return RedirectResponse(url, 303)

    return router


def _lagos_pdf(services: Services, lago_id: str) -> bytes | None:
    try:
        url = services.lago.invoice_pdf_url(lago_id)
        if not url:
            return None
        answer = httpx.get(url, timeout=10, trust_env=False, follow_redirects=False)
    except (UpstreamError, httpx.HTTPError) as error:
        log.info("no_pdf_from_lago", error=str(error))
        return None
    return (
        answer.content if answer.status_code == 200 and answer.content.startswith(b"%PDF-") and len(answer.content) <= LARGEST_PDF else None
    )


def _explain(services: Services, tenant: TenantId, line: InvoiceLine, cards: tuple[PriceCard, ...]) -> ExplainedLine:
    if line.kind != "charge" or not line.from_at or not line.to_at:
        return ExplainedLine(line, (), 0, 0)
    traced = services.meter.trace_line(tenant, line.code, from_at=line.from_at, to_at=line.to_at)
    steps = min((split_units(line.units, card, line.code) for card in cards), key=lambda found: abs(_cents(found) - line.amount_cents))
    runs = services.dispatcher.explain_line(tenant, from_at=line.from_at, to_at=line.to_at, meter=line.code)
    return ExplainedLine(
        line,
        steps if abs(_cents(steps) - line.amount_cents) <= 1 else (),
        len(traced),
        sum(fold.events for fold in traced),
        tuple(run for run in runs if run.run_id)[:MOST_RUNS],
    )


def split_units(units: Decimal, card: PriceCard, meter: str) -> tuple[PriceStep, ...]:
    """How ``units`` fall into the price steps of a plan's meter."""
    found, before = [], Decimal(0)
    for code, first, last, price in card.steps:
        if code == meter:
            upto = units if last is None else min(units, Decimal(last))
            if upto > before:
                found.append(PriceStep(first, last, upto - before, price))
                before = upto
    return tuple(found)


def _cents(steps: tuple[PriceStep, ...]) -> Decimal:
    return sum((step.units * step.price * 100 for step in steps), Decimal(0))
