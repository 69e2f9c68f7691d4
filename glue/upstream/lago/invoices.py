"""Invoices and the ways to pay them. Amounts are integer cents, units and unit prices Decimal."""

from decimal import Decimal
from typing import Any

from glue.errors import UpstreamRefused
from glue.rules.facts import Invoice, InvoiceLine, Reduction, ReductionKind
from glue.upstream.calling import Page
from glue.upstream.lago.calls import LagoCalls, all_pages, checked_id
from glue.upstream.reading import day, decimal, instant, text, whole

NO_PROVIDER = "no_linked_payment_provider"


class Invoices(LagoCalls):
    def list_invoices(
        self,
        *,
        external_customer_id: str | None = None,
        page: int = 1,
        per_page: int = 100,
        payment_statuses: tuple[str, ...] = (),
        overdue: bool | None = None,
    ) -> Page[Invoice]:
        """Newest first, without lines."""
        params: list[tuple[str, str | int]] = [("page", page), ("per_page", per_page)]
        if external_customer_id is not None:
            params.append(("external_customer_id", checked_id(external_customer_id)))
        if len(payment_statuses) == 1:
            params.append(("payment_status", payment_statuses[0]))
        if overdue is not None:
            params.append(("payment_overdue", "true" if overdue else "false"))

        def wanted(record: Any) -> Invoice | None:
            invoice = parse_invoice(record, lines=False)
            fits = external_customer_id in {None, invoice.customer_external_id} and overdue in {None, invoice.payment_overdue}
            return invoice if fits and (not payment_statuses or invoice.payment_status in payment_statuses) else None

        return self._list("list_invoices", "/invoices", "invoices", wanted, params=params)

    def invoices_of(self, external_customer_id: str) -> tuple[Invoice, ...]:
        """Every invoice of a customer, newest first, without lines."""
        return tuple(all_pages(lambda page: self.list_invoices(external_customer_id=external_customer_id, page=page)))

    def get_invoice(self, lago_id: str) -> Invoice:
        """One invoice with its lines."""
        return self._send(
            "get_invoice", "GET", f"/invoices/{checked_id(lago_id)}", lambda answer: parse_invoice(answer["invoice"], lines=True)
        )

    def invoice_pdf_url(self, lago_id: str) -> str | None:
        """A signed address that needs no login: fetch it for the person, never show it. None: not made (yet)."""
        path = f"/invoices/{checked_id(lago_id)}/download"
        return self._send("invoice_pdf_url", "POST", path, lambda answer: (answer or {}).get("invoice", {}).get("file_url") or None)

    def mark_invoice_paid(self, lago_id: str) -> None:
        """Paid outside of any provider. Repeating it changes nothing."""
        body = {"invoice": {"payment_status": "succeeded"}}
        self._send("mark_invoice_paid", "PUT", f"/invoices/{checked_id(lago_id)}", lambda _: None, json=body)

    def payment_url(self, lago_id: str) -> str | None:
        """Where a person pays this invoice; None when no payment provider is linked."""
        path = f"/invoices/{checked_id(lago_id)}/payment_url"
        return self._provider_url("payment_url", path, "invoice_payment_details", "payment_url")

    def checkout_url(self, external_customer_id: str) -> str | None:
        """Where a person enters or changes a card; None when no payment provider is linked."""
        path = f"/customers/{checked_id(external_customer_id)}/checkout_url"
        return self._provider_url("checkout_url", path, "customer", "checkout_url")

    def create_one_off_invoice(
        self, external_customer_id: str, *, currency: str, add_on_code: str, units: Decimal, unit_amount_cents: int, description: str
    ) -> Invoice:
        """Bill something once. ``description`` is its name for ever: an invoice whose line says the same is returned instead."""
        existing = self.find_one_off_invoice(external_customer_id, description)
        if existing is not None:
            return existing
        fee = {"add_on_code": add_on_code, "units": f"{units:f}", "unit_amount_cents": unit_amount_cents, "description": description}
        body = {"external_customer_id": checked_id(external_customer_id), "currency": currency, "fees": [fee]}
        return self._send(
            "create_one_off_invoice",
            "POST",
            "/invoices",
            lambda answer: parse_invoice(answer["invoice"], lines=True),
            json={"invoice": body},
        )

    def find_one_off_invoice(self, external_customer_id: str, description: str) -> Invoice | None:
        """The one-off invoice with a line of exactly this description."""
        for invoice in self.invoices_of(external_customer_id):
            if invoice.kind == "one_off":
                path = f"/invoices/{checked_id(invoice.lago_id)}"
                record = self._send("find_one_off_invoice", "GET", path, lambda answer: answer["invoice"])
                if any(fee["description"] == description for fee in record["fees"]):
                    return parse_invoice(record, lines=True)
        return None

    def _provider_url(self, operation: str, path: str, root: str, name: str) -> str | None:
        try:
            return self._send(operation, "POST", path, lambda answer: str(answer[root][name]))
        except UpstreamRefused as error:
            if NO_PROVIDER in error.fields["codes"]:
                return None
            raise


def parse_invoice(record: Any, *, lines: bool) -> Invoice:
    issued = day(record["issuing_date"])
    if issued is None:
        raise ValueError("an invoice without a date")
    return Invoice(
        lago_id=record["lago_id"],
        number=text(record["number"]),
        kind=record["invoice_type"],
        status=record["status"],
        payment_status=record["payment_status"],
        payment_overdue=bool(record["payment_overdue"]),
        currency=record["currency"],
        total_cents=whole(record["total_amount_cents"]),
        total_due_cents=whole(record["total_due_amount_cents"]),
        issuing_date=issued,
        payment_due_date=day(record["payment_due_date"]) or issued,
        customer_external_id=record["customer"]["external_id"],
        file_url=text(record["file_url"]),
        taxes_cents=whole(record["taxes_amount_cents"]),
        reductions=tuple(Reduction(kind, cents) for kind in ReductionKind if (cents := whole(record[f"{kind}_amount_cents"]))),
        lines=tuple(_parse_line(fee) for fee in record["fees"]) if lines else (),
    )


def _parse_line(fee: Any) -> InvoiceLine:
    item = fee["item"]
    return InvoiceLine(
        lago_id=fee["lago_id"],
        kind=item["type"],
        name=text(item["invoice_display_name"] or item["name"]),
        code=text(item["code"]),
        units=decimal(fee["units"]),
        unit_price=decimal(fee["precise_unit_amount"]),
        amount_cents=whole(fee["amount_cents"]),
        taxes_cents=whole(fee["taxes_amount_cents"]),
        subscription_external_id=fee["external_subscription_id"],
        from_at=instant(fee.get("from_date")),
        to_at=instant(fee.get("to_date")),
    )
