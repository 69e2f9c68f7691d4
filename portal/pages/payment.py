"""Payment: how invoices are paid, what to do when that failed, and where invoices go."""

import re
from dataclasses import asdict, dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from glue.errors import BadInput, Unavailable
from glue.rules.facts import Address, Invoice, Role
from glue.wiring import Services
from portal.billing_data import COUNTRIES, check_billing
from portal.people import Person
from portal.rendering import FormState
from portal.site import FormText, Site


@dataclass(frozen=True)
class PaymentPage:
    """``debts`` are the open invoices, oldest first; ``grace_ends_at`` is when everything stops without payment."""

    by_invoice: bool
    debts: tuple[Invoice, ...]
    failed: bool
    overdue: bool
    grace_ends_at: datetime | None
    suspended: bool
    can_change: bool
    form: FormState
    countries: tuple[tuple[str, str], ...]
    stale_since: datetime | None


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/payment")

    def show(request: Request, person: Person, form: FormState, *, status: int = 200) -> Response:
        look, facts = site.known.money(person.tenant), site.known.standing(person.tenant, fresh_seconds=5)
        debts = sorted((row for row in look.value.invoices if row.is_open), key=lambda row: row.payment_due_date) if look.value else []
        context = PaymentPage(
            by_invoice=not (look.value and look.value.by_card),
            debts=tuple(debts),
            failed=any(row.payment_status == "failed" for row in debts),
            overdue=facts.standing == "past_due",
            grace_ends_at=facts.grace_ends_at,
            suspended=facts.standing == "suspended",
            can_change=person.may(Role.BILLING),
            form=form,
            countries=tuple(COUNTRIES.items()),
            stale_since=look.stale_since,
        )
        return site.page(request, "payment", context, title="Payment", person=person, current="payment", status=status)

    @router.get("")
    def page(request: Request) -> Response:
        person = site.people.get(request)
        person.must_see(Role.BILLING)
        record = services.actions.record(person.tenant)
        kept = asdict(record.address)
        return show(
            request,
            person,
            site.new_form(
                billing_email=record.email, legal_name=record.legal_name, tax_id=record.tax_id,
                **{name: kept[name] for name in ("line1", "zipcode", "city", "country")},
            ),
        )  # fmt: skip

    @router.post("/address")
    def keep(
        request: Request,
        billing_email: FormText = "",
        legal_name: FormText = "",
        line1: FormText = "",
        zipcode: FormText = "",
        city: FormText = "",
        country: FormText = "",
        tax_id: FormText = "",
    ) -> Response:
        """Where invoices go from now on; the three systems follow by themselves."""
        person = site.people.get(request)
        person.must(Role.BILLING)
        say = site.writer(request, person).text
        given = {
            "billing_email": billing_email,
            "legal_name": legal_name,
            "line1": line1,
            "zipcode": zipcode,
            "city": city,
            "country": country,
        }
        given = {name: value.strip() for name, value in given.items()} | {"tax_id": re.sub(r"\s", "", tax_id).upper()}
        try:
            check_billing(given)
        except BadInput as error:
            return show(request, person, site.wrong(given, error, say=say), status=422)
        before = services.actions.record(person.tenant).address
        address = Address(given["line1"], before.line2, given["zipcode"], given["city"], before.state, given["country"])
        services.actions.change(
            person.tenant, by=person.email, text="Changed the billing data.",
            email=given["billing_email"], legal_name=given["legal_name"], tax_id=given["tax_id"], address=asdict(address),
        )  # fmt: skip
        site.tell(request, say("The billing data were changed; the next invoice carries them."))
        return RedirectResponse("/payment", 303)

    @router.get("/checkout")
    def checkout(request: Request) -> Response:
        """Off to the payment provider, to enter or change a card."""
        person = site.people.get(request)
        person.must(Role.BILLING)
        url = services.lago.checkout_url(person.tenant)
        if url is None:
            raise Unavailable("No payment provider is linked.", remedy="Invoices are paid by bank transfer.")
        return RedirectResponse(url, 303)

    return router
