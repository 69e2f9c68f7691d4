"""Assembling an invoice: fees, coupons, taxes, credit notes, wallets, in this order."""

from datetime import date, timedelta
from fractions import Fraction

from glue.sandbox.lago.coupons import apply_coupons
from glue.sandbox.lago.credit_notes import spend_credit_notes
from glue.sandbox.lago.usage import tax_rates
from glue.sandbox.lago.values import cents, day_of, given
from glue.sandbox.lago.wallet_spending import spend_wallets
from glue.sandbox.lago.world import Row, World, pick


def make_invoice(
    world: World, customer: Row, kind: str, currency: str, fees: list[Row], periods: list[Row], issued: date | None = None
) -> Row:
    """A finalized invoice of ``fees``, stored. One-off and credit invoices take neither coupons nor credits."""
    now = world.now()
    issuing = issued or day_of(now)
    term = customer["net_payment_term"] or 0
    number = customer["invoice_count"] = customer.get("invoice_count", 0) + 1
    customer["currency"] = customer["currency"] or currency
    world.customers.put(customer["id"], customer)
    invoice: Row = {
        "id": world.new_id(),
        "customer_id": customer["id"],
        "sequential_id": number,
        "number": f"{customer['slug']}-{number:03d}",
        "issuing_date": issuing.isoformat(),
        "payment_due_date": (issuing + timedelta(days=term)).isoformat(),
        "net_payment_term": term,
        "invoice_type": kind,
        "status": "finalized",
        "payment_status": "pending",
        "payment_dispute_lost_at": None,
        "payment_overdue": False,
        "currency": currency,
        "fees": fees,
        "periods": periods,
        "credits": [],
        "applied_taxes": [],
        "metadata": [],
        "fees_amount_cents": sum(fee["amount_cents"] for fee in fees),
        "coupons_amount_cents": 0,
        "credit_notes_amount_cents": 0,
        "prepaid_granted_cents": 0,
        "prepaid_purchased_cents": 0,
        "total_paid_amount_cents": 0,
        "credit_note_count": 0,
        "created_at": now,
        "updated_at": now,
        "voided_at": None,
    }
    if kind == "subscription":
        apply_coupons(world, customer, invoice)
    if kind != "credit":
        _apply_taxes(world, customer, invoice)
    total = invoice["fees_amount_cents"] - invoice["coupons_amount_cents"] + _taxes(invoice)
    if kind == "subscription":
        total -= spend_credit_notes(world, customer, invoice, total)
        total -= spend_wallets(world, customer, invoice, total)
    invoice["taxes_amount_cents"] = _taxes(invoice)
    invoice["total_amount_cents"] = total
    if total == 0:
        invoice["payment_status"] = "succeeded"
    world.later(lambda: world.finalized(invoice))
    return store_invoice(world, invoice)


def store_invoice(world: World, invoice: Row) -> Row:
    """Keep it, findable by its due date as long as it may become overdue."""
    is_open = invoice["status"] == "finalized" and invoice["payment_status"] != "succeeded" and not invoice["payment_overdue"]
    invoice["due_unpaid"] = invoice["payment_due_date"] if is_open and not invoice["payment_dispute_lost_at"] else None
    return world.invoices.put(invoice["id"], invoice)


def _taxes(invoice: Row) -> int:
    return sum(tax["amount_cents"] for tax in invoice["applied_taxes"])


def _apply_taxes(world: World, customer: Row, invoice: Row) -> None:
    """Each tax on the invoice's sum after coupons, rounded once; besides, each fee shows its own share."""
    ids = customer["tax_ids"] or [tax["id"] for tax in world.taxes if tax["applied_to_organization"]]
    taxes = [tax for tax in map(world.taxes.get, ids) if tax]
    taxable = invoice["fees_amount_cents"] - invoice["coupons_amount_cents"]
    for tax in taxes if invoice["fees"] else []:
        rate = Fraction(str(tax["rate"]))
        invoice["applied_taxes"].append(
            {
                "id": world.new_id(),
                "tax_id": tax["id"],
                **pick(tax, "name code rate description"),
                "amount_cents": cents(taxable * rate / 100),
                "fees_amount_cents": taxable,
                "created_at": world.now(),
            }
        )
    for fee in invoice["fees"]:
        base = given(fee["precise_cents"]) - given(fee["coupons_precise_cents"])
        fee["taxes"] = [
            {
                "id": world.new_id(),
                "tax_id": tax["id"],
                **pick(tax, "name code rate description"),
                "amount_cents": cents(base * Fraction(str(tax["rate"])) / 100),
                "created_at": world.now(),
            }
            for tax in taxes
        ]
        fee["taxes_amount_cents"] = cents(base * sum(tax_rates(world, customer), Fraction(0)) / 100)
