"""Fees: how each kind is made and what it looks like."""

from fractions import Fraction

from glue.sandbox.lago.charge_lines import Line
from glue.sandbox.lago.usage import show_charge_usage
from glue.sandbox.lago.values import cents, given, iso, iso_offset, number_text
from glue.sandbox.lago.world import Row, World


def sixteen_digits(amount: Fraction) -> str:
    """A decimal cut off after 16 digits, as Lago shows amounts with a long fraction."""
    whole = abs(amount.numerator) // amount.denominator
    places = max(16 - len(str(whole)), 0) if whole else 20
    return number_text(Fraction(int(amount * 10**places), 10**places), places)


def new_fee(world: World, kind: str, precise_cents: Fraction, **given_fields: object) -> Row:
    """A fee before coupons and taxes; ``precise_cents`` is kept as text, ``amount_cents`` is it rounded."""
    return {
        "id": world.new_id(),
        "type": kind,
        "amount_cents": cents(precise_cents),
        "precise_cents": number_text(precise_cents, 20),
        "coupons_precise_cents": "0.0",
        "taxes": [],
        "taxes_amount_cents": 0,
        "units": "1.0",
        "total_units": None,
        "unit_amount": number_text(Fraction(cents(precise_cents), 100)),
        "events_count": None,
        "payment_status": "pending",
        "created_at": world.now(),
        "description": None,
        "amount_details": {},
        "filters": None,
        "filter_name": None,
        "charge_id": None,
        "charge_filter_id": None,
        "subscription_id": None,
        "external_subscription_id": None,
        "pay_in_advance": False,
        "from_at": None,
        "to_at": None,
        "item_description": None,
        **given_fields,
    }


def subscription_fee(world: World, subscription: Row, plan: Row, precise_cents: Fraction, from_at: int, to_at: int) -> Row:
    return new_fee(
        world,
        "subscription",
        precise_cents,
        item={"code": plan["code"], "name": plan["name"], "id": subscription["id"], "type": "Subscription"},
        display_name=subscription["name"] or plan["invoice_display_name"] or plan["name"],
        subscription_id=subscription["id"],
        external_subscription_id=subscription["external_id"],
        pay_in_advance=plan["pay_in_advance"],
        amount_details={"plan_amount_cents": plan["amount_cents"]},
        from_at=from_at,
        to_at=to_at,
    )


def charge_fee(world: World, subscription: Row, line: Line, currency: str, from_at: int, to_at: int) -> Row:
    part, metric = line.part, line.metric
    return new_fee(
        world,
        "charge",
        line.price.amount * 100,
        item={"code": metric["code"], "name": metric["name"], "id": metric["id"], "type": "BillableMetric"},
        display_name=line.charge["invoice_display_name"] or metric["name"],
        item_description=metric["description"],
        subscription_id=subscription["id"],
        external_subscription_id=subscription["external_id"],
        pay_in_advance=line.charge["pay_in_advance"],
        charge_id=line.charge["id"],
        charge_filter_id=part["id"] if part else None,
        filters=part["values"] if part else None,
        filter_name=(part["invoice_display_name"] or ", ".join(v for vs in part["values"].values() for v in vs)) if part else None,
        units=number_text(line.units.shown, 16),
        total_units=number_text(line.units.total),
        unit_amount=number_text(line.price.unit_amount),
        events_count=line.units.events_count,
        amount_details=line.price.details,
        usage=show_charge_usage([line], currency),
        from_at=from_at,
        to_at=to_at,
    )


def show_fee(world: World, invoice: Row, fee: Row) -> Row:
    precise, coupons = given(fee["precise_cents"]), given(fee["coupons_precise_cents"])
    taxable = precise - coupons
    rate = sum((Fraction(str(tax["rate"])) for tax in fee["taxes"]), Fraction(0))
    taxes = taxable * rate / 100
    subscription = fee["subscription_id"] is not None
    customer = world.customers.get(invoice["customer_id"]) or {}
    shown: Row = {
        "lago_id": fee["id"],
        "lago_charge_id": fee["charge_id"],
        "lago_charge_filter_id": fee["charge_filter_id"],
        "lago_fixed_charge_id": None,
        "lago_invoice_id": invoice["id"],
        "lago_true_up_fee_id": None,
        "lago_true_up_parent_fee_id": None,
        "lago_original_fee_id": None,
        "lago_subscription_id": fee["subscription_id"],
        "external_subscription_id": fee["external_subscription_id"],
        "lago_customer_id": customer["id"] if subscription else None,
        "external_customer_id": customer["external_id"] if subscription else None,
        "item": {
            "type": fee["type"],
            "code": fee["item"]["code"],
            "name": fee["item"]["name"],
            "description": fee["item_description"],
            "invoice_display_name": fee["display_name"],
            "filters": fee["filters"],
            "filter_invoice_display_name": fee["filter_name"],
            "lago_item_id": fee["item"]["id"],
            "item_type": fee["item"]["type"],
            "grouped_by": {},
        },
        "pay_in_advance": fee["pay_in_advance"],
        "invoiceable": True,
        "amount_cents": fee["amount_cents"],
        "amount_currency": invoice["currency"],
        "precise_amount": sixteen_digits(precise / 100),
        "precise_total_amount": sixteen_digits((precise + taxes) / 100),
        "taxes_amount_cents": fee["taxes_amount_cents"],
        "taxes_precise_amount": sixteen_digits(taxes / 100),
        "taxes_rate": float(rate),
        "total_aggregated_units": fee["total_units"],
        "total_amount_cents": fee["amount_cents"] + fee["taxes_amount_cents"],
        "total_amount_currency": invoice["currency"],
        "units": fee["units"],
        "description": fee["description"],
        "precise_unit_amount": fee["unit_amount"],
        "precise_coupons_amount_cents": fee["coupons_precise_cents"],
        "sub_total_excluding_taxes_amount_cents": cents(fee["amount_cents"] - coupons),
        "sub_total_excluding_taxes_precise_amount_cents": number_text(taxable, 20),
        "events_count": fee["events_count"],
        "payment_status": fee["payment_status"],
        "created_at": iso(fee["created_at"]),
        "succeeded_at": None,
        "failed_at": None,
        "refunded_at": None,
        "amount_details": fee["amount_details"],
        "self_billed": False,
        "pricing_unit_details": None,
        "presentation_breakdowns": [],
    }
    if fee["from_at"] is not None:
        shown |= {"from_date": iso_offset(fee["from_at"]), "to_date": iso_offset(fee["to_at"])}
    if "event_transaction_id" in fee:
        shown["event_transaction_id"] = fee["event_transaction_id"]
    return shown
