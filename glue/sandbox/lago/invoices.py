"""The calls on invoices and fees."""

from fractions import Fraction

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.customers import find_customer, known_customer
from glue.sandbox.lago.errors import forbidden, invalid, not_allowed, not_found
from glue.sandbox.lago.fees import new_fee, show_fee
from glue.sandbox.lago.invoice_views import show_invoice
from glue.sandbox.lago.invoicing import make_invoice, store_invoice
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.payments import set_payment_status, tell_payment_failure
from glue.sandbox.lago.plan_charges import known_plan
from glue.sandbox.lago.values import exact, iso, number_text, text, whole
from glue.sandbox.lago.world import Row, World

PAYMENT_STATUSES = ("pending", "succeeded", "failed")


def known_invoice(world: World, call: Call) -> Row:
    invoice = world.invoices.get(call.path["id"])
    if invoice is None:
        raise not_found("invoice")
    return invoice


def _answer(world: World, invoice: Row) -> Answer:
    return {"invoice": show_invoice(world, invoice, "answer")}


def _one_off_fee(world: World, sent: Row) -> Row:
    add_on = world.add_ons.one("code", text(sent.get("add_on_code")))
    if add_on is None:
        raise not_found("add_on")
    unit = whole(sent.get("unit_amount_cents"))
    unit = add_on["amount_cents"] if unit is None else unit
    units = exact(sent.get("units", 1))
    if unit < 0:
        raise invalid({"amount_cents": ["value_is_out_of_range"]})
    units = Fraction(1) if units is None else units
    return new_fee(
        world,
        "add_on",
        unit * units,
        item={"code": add_on["code"], "name": add_on["name"], "id": add_on["id"], "type": "AddOn"},
        display_name=text(sent.get("invoice_display_name")) or add_on["invoice_display_name"] or add_on["name"],
        item_description=add_on["description"],
        description=text(sent.get("description")) or add_on["description"],
        units=number_text(units),
        unit_amount=number_text(Fraction(unit, 100)),
        from_at=world.now(),
        to_at=world.now(),
    )


def create_one_off(world: World, call: Call) -> Answer:
    """No key, so the same call again makes a second invoice."""
    fields = call.root("invoice")
    customer = known_customer(world, text(fields.get("external_customer_id")))
    sent = [entry for entry in fields.get("fees") or [] if isinstance(entry, dict)]
    if not sent:
        raise not_found("fees")
    currency = text(fields.get("currency")) or customer["currency"]
    fees = [_one_off_fee(world, entry) for entry in sent]
    if customer["currency"] not in (None, currency):
        raise invalid({"currency": ["currencies_does_not_match"]})
    invoice = make_invoice(world, customer, "one_off", currency, fees, [])
    world.later(lambda: world.tell("invoice.one_off_created", "invoice", show_invoice(world, invoice, "one_off_created")))
    return _answer(world, invoice)


def update_invoice(world: World, call: Call) -> Answer:
    invoice = known_invoice(world, call)
    fields = call.root("invoice")
    status = fields.get("payment_status")
    if status is not None and status not in PAYMENT_STATUSES:
        raise invalid({"payment_status": ["value_is_invalid"]})
    if isinstance(fields.get("metadata"), list):
        present = {entry["lago_id"]: entry for entry in invoice["metadata"]}
        entries = [entry for entry in fields["metadata"] if isinstance(entry, dict)]
        invoice["metadata"] = [
            {
                "lago_id": entry["id"] if entry.get("id") in present else world.new_id(),
                "key": text(entry.get("key")),
                "value": text(entry.get("value")),
                "created_at": present[entry["id"]]["created_at"] if entry.get("id") in present else world.now(),
            }
            for entry in entries
        ]
        invoice["updated_at"] = world.now()
        store_invoice(world, invoice)
    if status is not None:
        set_payment_status(world, invoice, status)
    return _answer(world, invoice)


def get_invoice(world: World, call: Call) -> Answer:
    return _answer(world, known_invoice(world, call))


def _by_customer(world: World, call: Call) -> list[Row]:
    asked = call.asked("external_customer_id") or call.path.get("external_id")
    if asked is None:
        return list(world.invoices)
    rows = world.customers.by("external_id", asked)  # a deleted customer's invoices stay listed
    return [invoice for customer in rows for invoice in world.invoices.by("customer_id", customer["id"])]


def list_invoices(world: World, call: Call) -> Answer:
    rows = _by_customer(world, call)
    for name in ("status", "payment_status", "invoice_type", "currency"):
        wanted = call.asked_all(name)
        rows = [row for row in rows if not wanted or row[name] in wanted]
    overdue = call.asked_flag("payment_overdue")
    low, high = call.asked("issuing_date_from"), call.asked("issuing_date_to")
    rows = [
        row
        for row in rows
        if overdue in (None, row["payment_overdue"])
        and (low is None or row["issuing_date"] >= low)
        and (high is None or row["issuing_date"] <= high)
    ]
    rows.sort(key=lambda row: (row["issuing_date"], row["created_at"]), reverse=True)
    return page_of(call.query, "invoices", rows, lambda row: show_invoice(world, row, "list"))


def void_invoice(world: World, call: Call) -> Answer:
    invoice = known_invoice(world, call)
    if invoice["status"] != "finalized":
        raise not_allowed("not_voidable")
    invoice["status"], invoice["voided_at"] = "voided", world.now()
    invoice["payment_overdue"], invoice["updated_at"] = False, world.now()
    store_invoice(world, invoice)
    world.later(lambda: world.tell("invoice.voided", "invoice", show_invoice(world, invoice, "voided")))
    return _answer(world, invoice)


def lose_dispute(world: World, call: Call) -> Answer:
    invoice = known_invoice(world, call)
    if invoice["status"] != "finalized":
        raise not_allowed("not_disputable")
    invoice["payment_dispute_lost_at"], invoice["payment_overdue"] = world.now(), False
    invoice["updated_at"] = world.now()
    store_invoice(world, invoice)

    def tell() -> None:
        shown = {"invoice": show_invoice(world, invoice, "payment_dispute_lost")}
        world.tell("invoice.payment_dispute_lost", "payment_dispute_lost", shown)

    world.later(tell)
    return _answer(world, invoice)


def download(world: World, call: Call) -> Answer:
    """Empty at first; there is no renderer here, so it stays so."""
    known_invoice(world, call)
    return None


def retry_payment(world: World, call: Call) -> Answer:
    invoice = known_invoice(world, call)
    customer = world.customers.get(invoice["customer_id"]) or {}
    if invoice["payment_status"] == "succeeded" or invoice["status"] == "voided":
        raise not_allowed("invalid_status")
    if not customer["payment_provider"]:
        world.later(lambda: tell_payment_failure(world, invoice, "customer_must_have_payment_provider"))
    return None


def payment_url(world: World, call: Call) -> Answer:
    invoice = known_invoice(world, call)
    customer = world.customers.get(invoice["customer_id"]) or {}
    if not customer["payment_provider"]:
        raise invalid({"base": ["no_linked_payment_provider"]})
    if invoice["payment_status"] == "succeeded":
        raise invalid({"base": ["invalid_invoice_status_or_payment_status"]})
    return {
        "invoice_payment_details": {
            "lago_customer_id": customer["id"],
            "lago_invoice_id": invoice["id"],
            "external_customer_id": customer["external_id"],
            "payment_provider": customer["payment_provider"],
            "payment_url": f"{world.front_url}/checkout/invoice/{invoice['id']}",
        }
    }


def refuse_invoice_call(world: World, call: Call) -> Answer:
    known_invoice(world, call)
    raise forbidden()


def refuse_finalize(_: World, __: Call) -> Answer:
    raise not_found("invoice")  # only drafts are looked for, and the open-source edition makes none


def refuse_retry(world: World, call: Call) -> Answer:
    known_invoice(world, call)
    raise not_allowed("invalid_status")


def refuse_email(world: World, call: Call) -> Answer:
    known_invoice(world, call)
    raise forbidden("premium_license_required")


def refuse_delete(world: World, call: Call) -> Answer:
    known_invoice(world, call)
    raise not_allowed("not_deletable")


def refuse_preview(world: World, call: Call) -> Answer:
    body = call.body if isinstance(call.body, dict) else {}
    known_plan(world, text(body.get("plan_code")))
    raise forbidden()


def refuse_payment(world: World, call: Call) -> Answer:
    if world.invoices.get(str(call.root("payment").get("invoice_id"))) is None:
        raise not_found("invoice")
    raise forbidden()


def list_fees(world: World, call: Call) -> Answer:
    rows = [(invoice, fee) for invoice in _by_customer(world, call) for fee in invoice["fees"]]
    wanted, subscription = call.asked("fee_type"), call.asked("external_subscription_id")
    rows = [row for row in rows if wanted in (None, row[1]["type"]) and subscription in (None, row[1]["external_subscription_id"])]
    return page_of(call.query, "fees", rows, lambda row: _show_listed_fee(world, *row))


def _show_listed_fee(world: World, invoice: Row, fee: Row) -> Row:
    taxes = [
        {
            "lago_id": tax["id"],
            "lago_fee_id": fee["id"],
            "lago_tax_id": tax["tax_id"],
            "tax_name": tax["name"],
            "tax_code": tax["code"],
            "tax_rate": tax["rate"],
            "tax_description": tax["description"],
            "amount_cents": tax["amount_cents"],
            "amount_currency": invoice["currency"],
            "created_at": iso(tax["created_at"]),
        }
        for tax in fee["taxes"]
    ]
    return {**show_fee(world, invoice, fee), "applied_taxes": taxes}


def list_customer_invoices(world: World, call: Call) -> Answer:
    if find_customer(world, call.path["external_id"]) is None:
        raise not_found("customer")
    return list_invoices(world, call)


ROUTES = [
    ("POST", "/invoices", create_one_off),
    ("GET", "/invoices", list_invoices),
    ("POST", "/invoices/preview", refuse_preview),
    ("GET", "/invoices/{id}", get_invoice),
    ("PUT", "/invoices/{id}", update_invoice),
    ("DELETE", "/invoices/{id}", refuse_delete),
    ("PUT", "/invoices/{id}/finalize", refuse_finalize),
    ("PUT", "/invoices/{id}/refresh", refuse_invoice_call),
    ("POST", "/invoices/{id}/download", download),
    ("POST", "/invoices/{id}/download_pdf", download),
    ("POST", "/invoices/{id}/download_xml", download),
    ("POST", "/invoices/{id}/void", void_invoice),
    ("POST", "/invoices/{id}/lose_dispute", lose_dispute),
    ("POST", "/invoices/{id}/retry", refuse_retry),
    ("POST", "/invoices/{id}/retry_payment", retry_payment),
    ("POST", "/invoices/{id}/payment_url", payment_url),
    ("POST", "/invoices/{id}/resend_email", refuse_email),
    ("POST", "/payments", refuse_payment),
    ("GET", "/fees", list_fees),
    ("GET", "/customers/{external_id}/invoices", list_customer_invoices),
]
