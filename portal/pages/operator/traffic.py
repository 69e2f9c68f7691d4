"""What came in and what goes out: deliveries with replay, unclear effects, stranded usage."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from glue.actions.stranded import bill_stranded, price_stranded
from glue.converge.effects import Effect
from glue.doors.deliveries import Delivery
from glue.errors import BadInput, Conflict
from glue.meter.flush import Stranded
from glue.rules.names import TenantId
from glue.wiring import Services
from portal.pages.operator.shared import PAGE, SCOPE, Pager, names_of, open_pager, pager_of, show
from portal.rendering import FormState
from portal.site import Site


@dataclass(frozen=True)
class EffectsPage:
    effects: tuple[Effect, ...]
    names: Mapping[str, str]
    pager: Pager


@dataclass(frozen=True)
class DeliveriesPage:
    rows: tuple[Delivery, ...]
    names: Mapping[str, str]
    pager: Pager
    source: str
    state: str


@dataclass(frozen=True)
class StrandedRow:
    """``most`` is the most it can be worth, in the customer's currency."""

    item: Stranded
    name: str
    most: Decimal


@dataclass(frozen=True)
class StrandedPage:
    rows: tuple[StrandedRow, ...]
    pager: Pager
    form: FormState


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/operator")
    database = services.database

    @router.get("/effects")
    def effects(request: Request, offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        rows = services.effects.list_unclear(offset=max(offset, 0), limit=PAGE + 1)
        with database.read(SCOPE) as session:
            names = names_of(session, [TenantId(row.tenant_id) for row in rows])
        return show(
            site,
            request,
            person,
            "operator_effects",
            EffectsPage(tuple(rows[:PAGE]), names, open_pager("/operator/effects", offset, len(rows))),
            "Effects",
            "effects",
        )

    @router.post("/effects/again")
    def send_again(request: Request, key: Annotated[str, Form()]) -> Response:
        person = site.people.get_operator(request)
        tenant = services.effects.send_again(key)
        services.look_at(tenant, why=f"{person.email} sent {key} again")
        return RedirectResponse("/operator/effects", 303)

    @router.get("/deliveries")
    def deliveries(request: Request, source: str = "", state: str = "", offset: int = 0) -> Response:
        person = site.people.get_operator(request)
        rows, total = services.deliveries.page(source=source, state=state, offset=max(offset, 0), limit=PAGE)
        with services.database.read(SCOPE) as session:
            names = names_of(session, [TenantId(tenant) for row in rows for tenant in row.tenants.split(",") if tenant])
        pager = pager_of("/operator/deliveries", offset, total, source=source, state=state)
        context = DeliveriesPage(tuple(rows), names, pager, source, state)
        return show(site, request, person, "operator_deliveries", context, "Deliveries", "deliveries")

    @router.post("/deliveries/replay")
    def replay(request: Request, delivery: Annotated[int, Form()]) -> Response:
        site.people.get_operator(request)
        services.deliveries.replay(delivery)
        return RedirectResponse("/operator/deliveries", 303)

    @router.get("/stranded")
    def stranded(request: Request, offset: int = 0) -> Response:
        return show_stranded(request, offset, site.new_form())

    def show_stranded(request: Request, offset: int, form: FormState, *, status: int = 200) -> Response:
        person = site.people.get_operator(request)
        found = services.meter.flush.stranded()
        shown = found[max(offset, 0) :][:PAGE]
        with database.read(SCOPE) as session:
            names = names_of(session, [TenantId(item.tenant) for item in shown])
        rows = tuple(
            StrandedRow(
                item, names.get(item.tenant, item.tenant), Decimal(price_stranded(services.actions, item, services.unit_prices)) / 100
            )
            for item in shown
        )
        context = StrandedPage(rows, pager_of("/operator/stranded", offset, len(found)), form)
        page = show(site, request, person, "operator_stranded", context, "Stranded usage", "stranded")
        page.status_code = status
        return page

    @router.post("/stranded/bill")
    def bill(request: Request, fold: Annotated[str, Form()] = "", amount: Annotated[str, Form()] = "") -> Response:
        """Bill it once with what the operator decided, 0 waives it."""
        person = site.people.get_operator(request)
        try:
            bill_stranded(services.actions, services.meter.flush, fold, cents=_cents(amount), by=person.email)
        except (BadInput, Conflict) as error:
            say = site.writer(request, person).text
            form = FormState(values={fold: amount}, problems={fold: say(error.detail)})
            return show_stranded(request, 0, form, status=409 if isinstance(error, Conflict) else 422)
        return RedirectResponse("/operator/stranded", 303)

    return router


def _cents(amount: str) -> int:
    try:
        return int((Decimal(amount.strip().replace(",", ".")) * 100).to_integral_value())
    except ArithmeticError as error:
        raise BadInput("This is not an amount.", field="amount", expected="for example 12.50") from error
