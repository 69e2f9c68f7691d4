"""Credit notes: made when a fee paid in advance is no longer owed, eaten by the customer's next invoices."""

from fractions import Fraction

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.customers import find_customer, show_customer
from glue.sandbox.lago.errors import forbidden, not_found
from glue.sandbox.lago.fees import show_fee
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.values import cents, day_of, given, iso, number_text, places
from glue.sandbox.lago.world import ENTITY_CODE, Row, World


def show_credit_note(world: World, note: Row, *, listed: bool = False) -> Row:
    invoice = world.invoices.get(note["invoice_id"]) or {}
    customer = world.customers.get(note["customer_id"]) or {}
    fee = next(row for row in invoice["fees"] if row["id"] == note["fee_id"])
    shown = {
        "lago_id": note["id"],
        "billing_entity_code": ENTITY_CODE,
        "sequential_id": note["sequential_id"],
        "number": note["number"],
        "lago_invoice_id": invoice["id"],
        "invoice_number": invoice["number"],
        "purchase_order_number": None,
        "issuing_date": note["issuing_date"],
        "credit_status": "available" if note["balance_cents"] else "consumed",
        "refund_status": None,
        "reason": "order_cancellation",
        "description": None,
        "currency": invoice["currency"],
        "total_amount_cents": note["total_cents"],
        "precise_total_amount_cents": note["precise_total_cents"],
        "taxes_amount_cents": note["taxes_cents"],
        "precise_taxes_amount_cents": note["precise_taxes_cents"],
        "sub_total_excluding_taxes_amount_cents": note["total_cents"] - note["taxes_cents"],
        "balance_amount_cents": note["balance_cents"],
        "credit_amount_cents": note["total_cents"],
        "refund_amount_cents": 0,
        "offset_amount_cents": 0,
        "coupons_adjustment_amount_cents": note["coupons_cents"],
        "taxes_rate": sum(tax["rate"] for tax in note["taxes"]) + 0.0,
        "created_at": iso(note["created_at"]),
        "updated_at": iso(note["updated_at"]),
        "file_url": None,
        "xml_url": None,
        "self_billed": False,
        "customer": show_customer(world, customer, *(("integrations",) if listed else ())),
        "items": [
            {
                "lago_id": note["item_id"],
                "amount_cents": note["item_cents"],
                "precise_amount_cents": note["precise_item_cents"],
                "amount_currency": invoice["currency"],
                "fee": show_fee(world, invoice, fee),
            }
        ],
        "applied_taxes": [
            {
                "lago_id": tax["id"],
                "lago_credit_note_id": note["id"],
                "lago_tax_id": tax["tax_id"],
                "tax_name": tax["name"],
                "tax_code": tax["code"],
                "tax_rate": tax["rate"],
                "tax_description": tax["description"],
                "base_amount_cents": tax["base_cents"],
                "amount_cents": tax["amount_cents"],
                "amount_currency": invoice["currency"],
                "created_at": iso(note["created_at"]),
            }
            for tax in note["taxes"]
        ],
    }
    if listed:
        shown["error_details"] = []
    return shown


def credit_fee(world: World, invoice: Row, fee: Row, amount: Fraction) -> None:
    """A credit note for ``amount`` cents of ``fee``, net of its share of the coupons, plus its taxes; told at once."""
    item = min(Fraction(int(amount * 100_000), 100_000), Fraction(fee["amount_cents"]))  # cut off after five places
    coupons = Fraction(0)
    if fee["amount_cents"]:
        coupons = item * given(fee["coupons_precise_cents"]) / fee["amount_cents"]
    net = item - coupons
    base = cents(item) - cents(coupons)
    taxes = [
        {**tax, "id": world.new_id(), "base_cents": base, "amount_cents": cents(net * Fraction(str(tax["rate"])) / 100)}
        for tax in fee["taxes"]
    ]
    precise_taxes = places(sum((net * Fraction(str(tax["rate"])) / 100 for tax in fee["taxes"]), Fraction(0)), 5)
    taxes_cents = cents(precise_taxes)
    total = base + taxes_cents
    if total <= 0:
        return
    number = invoice["credit_note_count"] = invoice["credit_note_count"] + 1
    world.invoices.put(invoice["id"], invoice)
    note: Row = {
        "id": world.new_id(),
        "customer_id": invoice["customer_id"],
        "invoice_id": invoice["id"],
        "fee_id": fee["id"],
        "item_id": world.new_id(),
        "sequential_id": number,
        "number": f"{invoice['number']}-CN{number:03d}",
        "issuing_date": day_of(world.now()).isoformat(),
        "item_cents": cents(item),
        "precise_item_cents": number_text(item),
        "coupons_cents": cents(coupons),
        "taxes": taxes,
        "taxes_cents": taxes_cents,
        "precise_taxes_cents": number_text(precise_taxes),
        "total_cents": total,
        "precise_total_cents": number_text(places(net, 5) + precise_taxes),
        "balance_cents": total,
        "created_at": world.now(),
        "updated_at": world.now(),
    }
    world.credit_notes.put(note["id"], note)
    world.tell("credit_note.created", "credit_note", show_credit_note(world, note))


def spend_credit_notes(world: World, customer: Row, invoice: Row, total: int) -> int:
    """Take what is left of the customer's credit notes, oldest first; answers how much."""
    spent = 0
    for note in world.credit_notes.by("customer_id", customer["id"]):
        amount = min(note["balance_cents"], total - spent)
        if amount <= 0:
            continue
        note["balance_cents"] -= amount
        note["updated_at"] = world.now()
        world.credit_notes.put(note["id"], note)
        spent += amount
        invoice["credits"].append(
            {
                "id": world.new_id(),
                "type": "credit_note",
                "amount_cents": amount,
                "item_id": note["id"],
                "code": note["number"],
                "name": (world.invoices.get(note["invoice_id"]) or invoice)["number"],
                "description": None,
            }
        )
    invoice["credit_notes_amount_cents"] = spent
    return spent


def list_credit_notes(world: World, call: Call) -> Answer:
    rows = list(world.credit_notes)
    if call.asked("external_customer_id"):
        customer = find_customer(world, call.asked("external_customer_id"))
        rows = world.credit_notes.by("customer_id", customer["id"]) if customer else []
    return page_of(call.query, "credit_notes", rows[::-1], lambda row: show_credit_note(world, row, listed=True))


def get_credit_note(world: World, call: Call) -> Answer:
    note = world.credit_notes.get(call.path["id"])
    if note is None:
        raise not_found("credit_note")
    return {"credit_note": show_credit_note(world, note, listed=True)}


def refuse_credit_note(world: World, call: Call) -> Answer:
    if world.invoices.get(str(call.root("credit_note").get("invoice_id"))) is None:
        raise not_found("invoice")
    raise forbidden()


ROUTES = [
    ("GET", "/credit_notes", list_credit_notes),
    ("GET", "/credit_notes/{id}", get_credit_note),
    ("POST", "/credit_notes", refuse_credit_note),
    ("POST", "/credit_notes/estimate", refuse_credit_note),
]
