"""What an invoice looks like in each place."""

from glue.sandbox.lago.coupons import show_credit
from glue.sandbox.lago.customers import show_customer
from glue.sandbox.lago.fees import show_fee
from glue.sandbox.lago.subscription_views import show_subscription
from glue.sandbox.lago.values import iso, iso_ms
from glue.sandbox.lago.world import ENTITY_CODE, Row, World, pick

_BILLING = ("subscriptions", "billing_periods", "fees", "credits")
# Which optional parts each place shows.
PARTS = {
    "answer": ("integrations", *_BILLING, "metadata", "applied_taxes", "error_details", "sections"),
    "list": ("integrations", "metadata", "applied_taxes"),
    "created": (*_BILLING, "applied_taxes", "sections"),
    "one_off_created": ("fees", "applied_taxes", "sections"),
    "payment_status_updated": ("fees",),
    "payment_overdue": ("fees", "applied_taxes"),
    "voided": (*_BILLING, "applied_taxes"),
    "payment_dispute_lost": (),
}


def show_applied_tax(invoice: Row, tax: Row) -> Row:
    return {
        "lago_id": tax["id"],
        "lago_invoice_id": invoice["id"],
        "lago_tax_id": tax["tax_id"],
        "tax_name": tax["name"],
        "tax_code": tax["code"],
        "tax_rate": tax["rate"],
        "tax_description": tax["description"],
        "amount_cents": tax["amount_cents"],
        "amount_currency": invoice["currency"],
        "fees_amount_cents": tax["fees_amount_cents"],
        "created_at": iso(tax["created_at"]),
    }


def _show_period(period: Row) -> Row:
    fixed = (period["charges_from"], period["charges_to"]) if period["shows_fixed_charges"] else (None, None)
    return {
        "lago_subscription_id": period["subscription_id"],
        "external_subscription_id": period["external_subscription_id"],
        "lago_plan_id": period["plan_id"],
        "subscription_from_datetime": iso(period["from_at"]),
        "subscription_to_datetime": iso(period["to_at"]),
        "charges_from_datetime": iso(period["charges_from"]),
        "charges_to_datetime": iso(period["charges_to"]),
        "fixed_charges_from_datetime": iso(fixed[0]),
        "fixed_charges_to_datetime": iso(fixed[1]),
        "invoicing_reason": period["reason"],
    }


def show_invoice(world: World, invoice: Row, place: str) -> Row:
    parts = PARTS[place]
    customer = world.customers.get(invoice["customer_id"]) or {}
    net = invoice["fees_amount_cents"] - invoice["coupons_amount_cents"]
    prepaid = invoice["prepaid_granted_cents"] + invoice["prepaid_purchased_cents"]
    shown: Row = {"lago_id": invoice["id"], "billing_entity_code": ENTITY_CODE, "purchase_order_number": None}
    shown |= pick(invoice, "sequential_id number issuing_date payment_due_date net_payment_term invoice_type status payment_status")
    shown |= {
        "payment_dispute_lost_at": iso_ms(invoice["payment_dispute_lost_at"]),
        "payment_overdue": invoice["payment_overdue"],
        "currency": invoice["currency"],
        "fees_amount_cents": invoice["fees_amount_cents"],
        "taxes_amount_cents": invoice["taxes_amount_cents"],
        "progressive_billing_credit_amount_cents": 0,
        "coupons_amount_cents": invoice["coupons_amount_cents"],
        "credit_notes_amount_cents": invoice["credit_notes_amount_cents"],
        "sub_total_excluding_taxes_amount_cents": net,
        "sub_total_including_taxes_amount_cents": net + invoice["taxes_amount_cents"],
        "total_amount_cents": invoice["total_amount_cents"],
        "total_due_amount_cents": 0
        if invoice["status"] == "voided"
        else invoice["total_amount_cents"] - invoice["total_paid_amount_cents"],
        "total_paid_amount_cents": invoice["total_paid_amount_cents"],
        "total_offsetted_credit_note_amount_cents": 0,
        "prepaid_credit_amount_cents": prepaid,
        "prepaid_granted_credit_amount_cents": invoice["prepaid_granted_cents"] or None,
        "prepaid_purchased_credit_amount_cents": invoice["prepaid_purchased_cents"] or None,
        "file_url": None,
        "xml_url": None,
        "web_url": f"{world.front_url}/{ENTITY_CODE}/customer/{customer['id']}/invoice/{invoice['id']}/overview",
        "version_number": 4,
        "self_billed": False,
        "created_at": iso(invoice["created_at"]),
        "updated_at": iso(invoice["updated_at"]),
        "voided_at": iso(invoice["voided_at"]),
        "customer": show_customer(world, customer, *(part for part in parts if part == "integrations")),
    }
    if "subscriptions" in parts:
        rows = [world.subscriptions.get(period["subscription_id"]) for period in invoice["periods"]]
        shown["subscriptions"] = [show_subscription(world, row) for row in rows if row]
    if "billing_periods" in parts:
        shown["billing_periods"] = [_show_period(period) for period in invoice["periods"]]
    if "fees" in parts:
        shown["fees"] = [show_fee(world, invoice, fee) for fee in invoice["fees"]]
    if "credits" in parts:
        shown["credits"] = [show_credit(world, invoice, entry) for entry in invoice["credits"]]
    if "metadata" in parts:
        shown["metadata"] = [{**entry, "created_at": iso(entry["created_at"])} for entry in invoice["metadata"]]
    if "applied_taxes" in parts:
        shown["applied_taxes"] = [show_applied_tax(invoice, tax) for tax in invoice["applied_taxes"]]
    if "error_details" in parts:
        shown["error_details"] = []
    if "sections" in parts:
        shown["applied_invoice_custom_sections"] = []
    return shown
