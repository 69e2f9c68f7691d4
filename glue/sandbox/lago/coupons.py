"""Coupons, their application to customers, and what they take off an invoice."""

from fractions import Fraction

from glue.sandbox.lago.call import Answer, Call, required
from glue.sandbox.lago.customers import find_customer, known_customer
from glue.sandbox.lago.errors import invalid, not_found, not_in_sandbox
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.values import cents, exact, instant, iso, number_text, places, text, whole
from glue.sandbox.lago.world import Row, World, pick


def show_coupon(coupon: Row) -> Row:
    return {
        "lago_id": coupon["id"],
        **pick(coupon, "name code description coupon_type amount_cents amount_currency percentage_rate"),
        **pick(coupon, "frequency frequency_duration reusable"),
        "limited_plans": False,
        "limited_billable_metrics": False,
        "plan_codes": [],
        "billable_metric_codes": [],
        "created_at": iso(coupon["created_at"]),
        "expiration": coupon["expiration"],
        "expiration_at": iso(coupon["expiration_at"]),
        "terminated_at": iso(coupon["terminated_at"]),
    }


def _live(world: World, code: str | None) -> Row | None:
    coupon = world.coupons.one("code", code)
    return coupon if coupon and not coupon["deleted_at"] else None


def _read(world: World, fields: Row) -> Row:
    if fields.get("applies_to"):
        raise not_in_sandbox()
    problems = required(fields, "name", "code")
    kind, frequency = fields.get("coupon_type"), fields.get("frequency")
    if kind not in ("fixed_amount", "percentage"):
        problems["coupon_type"] = ["value_is_invalid"]
    elif kind == "fixed_amount" and whole(fields.get("amount_cents")) is None:
        problems["amount_cents"] = ["is not a number"]
    elif kind == "percentage" and exact(fields.get("percentage_rate")) is None:
        problems["percentage_rate"] = ["value_is_mandatory"]
    if frequency not in ("once", "recurring", "forever"):
        problems["frequency"] = ["value_is_invalid"]
    if fields.get("expiration") not in ("no_expiration", "time_limit"):
        problems["expiration"] = ["value_is_invalid"]
    if "code" not in problems and _live(world, text(fields["code"])):
        problems["code"] = ["value_already_exist"]
    if problems:
        raise invalid(problems)
    rate = exact(fields.get("percentage_rate"))
    return {
        "id": world.new_id(),
        "name": text(fields["name"]),
        "code": text(fields["code"]),
        "description": text(fields.get("description")),
        "coupon_type": kind,
        "amount_cents": whole(fields.get("amount_cents")),
        "amount_currency": text(fields.get("amount_currency")),
        "percentage_rate": number_text(rate) if kind == "percentage" and rate is not None else None,
        "frequency": frequency,
        "frequency_duration": whole(fields.get("frequency_duration")),
        "reusable": fields.get("reusable") is not False,
        "expiration": fields["expiration"],
        "expiration_at": instant(fields.get("expiration_at")),
        "status": "active",
        "terminated_at": None,
        "deleted_at": None,
        "created_at": world.now(),
    }


def create_coupon(world: World, call: Call) -> Answer:
    coupon = _read(world, call.root("coupon"))
    world.coupons.put(coupon["id"], coupon)
    return {"coupon": show_coupon(coupon)}


def _known(world: World, call: Call) -> Row:
    coupon = _live(world, call.path["code"])
    if coupon is None:
        raise not_found("coupon")
    return coupon


def get_coupon(world: World, call: Call) -> Answer:
    return {"coupon": show_coupon(_known(world, call))}


def list_coupons(world: World, call: Call) -> Answer:
    return page_of(call.query, "coupons", [row for row in world.coupons if not row["deleted_at"]][::-1], show_coupon)


def update_coupon(world: World, call: Call) -> Answer:
    coupon, fields = _known(world, call), call.root("coupon")
    for name in ("name", "description"):
        if name in fields:
            coupon[name] = text(fields[name])
    if "expiration_at" in fields:
        coupon["expiration_at"] = instant(fields["expiration_at"])
    world.coupons.put(coupon["id"], coupon)
    return {"coupon": show_coupon(coupon)}


def delete_coupon(world: World, call: Call) -> Answer:
    """Ends it wherever it is applied."""
    coupon = _known(world, call)
    for applied in world.applied_coupons:
        if applied["coupon_id"] == coupon["id"] and applied["status"] == "active":
            _end(world, applied)
    coupon["deleted_at"] = world.now()  # its code is free again; the row stays for those that show it
    world.coupons.put(coupon["id"], coupon)
    return {"coupon": show_coupon(coupon)}


def expire_coupons(world: World) -> None:
    """Ends coupons past their date; where they are applied they keep discounting."""
    for coupon in world.coupons:
        if coupon["status"] == "active" and coupon["expiration_at"] is not None and coupon["expiration_at"] < world.now():
            coupon["status"], coupon["terminated_at"] = "terminated", world.now()
            world.coupons.put(coupon["id"], coupon)


# Applied to customers.
def show_applied(world: World, applied: Row, *, with_credits: bool = False) -> Row:
    coupon = world.coupons.get(applied["coupon_id"]) or {}
    customer = world.customers.get(applied["customer_id"]) or {}
    fixed_once = applied["frequency"] == "once" and applied["amount_cents"] is not None
    shown = {
        "lago_id": applied["id"],
        "lago_coupon_id": coupon["id"],
        "coupon_code": coupon["code"],
        "coupon_name": coupon["name"],
        "coupon_description": coupon["description"],
        "coupon_status": coupon["status"],
        "coupon_deleted_at": iso(coupon["deleted_at"]),
        "lago_customer_id": customer["id"],
        "external_customer_id": customer["external_id"],
        "status": applied["status"],
        "amount_cents": applied["amount_cents"],
        "amount_cents_remaining": applied["amount_cents"] - applied["used_cents"] if fixed_once else None,
        **pick(applied, "amount_currency percentage_rate frequency frequency_duration"),
        "frequency_duration_remaining": applied["remaining"],
        "expiration_at": iso(coupon["expiration_at"]),
        "created_at": iso(applied["created_at"]),
        "terminated_at": iso(applied["terminated_at"]),
    }
    if with_credits:
        shown["credits"] = [
            show_credit(world, invoice, entry)
            for invoice in world.invoices.by("customer_id", applied["customer_id"])
            for entry in invoice["credits"]
            if entry.get("applied_coupon_id") == applied["id"]
        ]
    return shown


def show_credit(_: World, invoice: Row, entry: Row) -> Row:
    return {
        "lago_id": entry["id"],
        "amount_cents": entry["amount_cents"],
        "amount_currency": invoice["currency"],
        "before_taxes": entry["type"] == "coupon",
        "item": {
            "lago_item_id": entry["item_id"],
            **pick(entry, "type code name"),
            "description": entry.get("description"),
        },
        "invoice": {"lago_id": invoice["id"], "payment_status": invoice["payment_status"]},
    }


def apply_coupon(world: World, call: Call) -> Answer:
    fields = call.root("applied_coupon")
    customer = known_customer(world, text(fields.get("external_customer_id")))
    coupon = _live(world, text(fields.get("coupon_code")))
    if coupon is None or coupon["status"] != "active":
        raise not_found("coupon")
    held = [row for row in world.applied_coupons.by("customer_id", customer["id"]) if row["coupon_id"] == coupon["id"]]
    if held and not coupon["reusable"]:
        raise invalid({"coupon": ["coupon_is_not_reusable"]})
    amount = whole(fields.get("amount_cents"))
    rate = exact(fields.get("percentage_rate"))
    frequency = text(fields.get("frequency")) or coupon["frequency"]
    duration = whole(fields.get("frequency_duration")) or coupon["frequency_duration"]
    fixed = coupon["coupon_type"] == "fixed_amount"
    currency = (text(fields.get("amount_currency")) or coupon["amount_currency"]) if fixed else None
    if fixed and customer["currency"] not in (None, currency):
        raise invalid({"currency": ["currencies_does_not_match"]})
    applied = {
        "id": world.new_id(),
        "coupon_id": coupon["id"],
        "customer_id": customer["id"],
        "status": "active",
        "amount_cents": (coupon["amount_cents"] if amount is None else amount) if fixed else None,
        "used_cents": 0,
        "amount_currency": currency,
        "percentage_rate": None if fixed else number_text(rate) if rate is not None else coupon["percentage_rate"],
        "frequency": frequency,
        "frequency_duration": duration,
        "remaining": duration if frequency == "recurring" else None,
        "created_at": world.now(),
        "terminated_at": None,
    }
    world.applied_coupons.put(applied["id"], applied)
    if fixed:
        customer["currency"] = customer["currency"] or currency
        world.customers.put(customer["id"], customer)
    return {"applied_coupon": show_applied(world, applied)}


def list_applied(world: World, call: Call) -> Answer:
    rows = list(world.applied_coupons)
    if call.asked("external_customer_id"):
        customer = find_customer(world, call.asked("external_customer_id"))
        rows = world.applied_coupons.by("customer_id", customer["id"]) if customer else []
    status = call.asked("status")
    rows = [row for row in rows if status in (None, row["status"])]
    return page_of(call.query, "applied_coupons", rows[::-1], lambda row: show_applied(world, row, with_credits=True))


def delete_applied(world: World, call: Call) -> Answer:
    customer = known_customer(world, call.path["external_id"])
    applied = world.applied_coupons.get(call.path["applied_coupon_id"])
    if applied is None or applied["customer_id"] != customer["id"]:
        raise not_found("applied_coupon")
    _end(world, applied)
    return {"applied_coupon": show_applied(world, applied)}


def _end(world: World, applied: Row) -> None:
    applied["status"], applied["terminated_at"] = "terminated", world.now()
    world.applied_coupons.put(applied["id"], applied)


def apply_coupons(world: World, customer: Row, invoice: Row) -> None:
    """In the order they were applied to the customer, each on what the one before left."""
    rest = invoice["fees_amount_cents"]
    for applied in world.applied_coupons.by("customer_id", customer["id"]):
        if applied["status"] != "active" or rest <= 0 or applied["amount_currency"] not in (None, invoice["currency"]):
            continue
        if applied["percentage_rate"] is not None:
            amount = min(cents(rest * Fraction(applied["percentage_rate"]) / 100), rest)
        else:
            amount = min(applied["amount_cents"] - applied["used_cents"], rest)
        rest -= amount
        coupon = world.coupons.get(applied["coupon_id"]) or {}
        invoice["credits"].append(
            {
                "id": world.new_id(),
                "type": "coupon",
                "amount_cents": amount,
                "item_id": coupon["id"],
                "code": coupon["code"],
                "name": coupon["name"],
                "description": coupon["description"],
                "applied_coupon_id": applied["id"],
            }
        )
        invoice["coupons_amount_cents"] += amount
        _use_up(world, applied, amount)
    _spread(invoice)


def _use_up(world: World, applied: Row, amount: int) -> None:
    if applied["frequency"] == "recurring":
        applied["remaining"] -= 1
    elif applied["frequency"] == "once" and applied["amount_cents"] is not None:
        applied["used_cents"] += amount
    world.applied_coupons.put(applied["id"], applied)
    is_spent = applied["remaining"] is not None and applied["remaining"] <= 0
    once = applied["frequency"] == "once" and (applied["amount_cents"] is None or applied["used_cents"] >= applied["amount_cents"])
    if is_spent or once:
        _end(world, applied)


def _spread(invoice: Row) -> None:
    """Each coupon over the fees in proportion to them, to five places."""
    total = invoice["fees_amount_cents"]
    for fee in invoice["fees"] if invoice["coupons_amount_cents"] and total else []:
        share = Fraction(invoice["coupons_amount_cents"] * fee["amount_cents"], total)
        fee["coupons_precise_cents"] = number_text(places(share, 5))


ROUTES = [
    ("POST", "/coupons", create_coupon),
    ("GET", "/coupons", list_coupons),
    ("GET", "/coupons/{code}", get_coupon),
    ("PUT", "/coupons/{code}", update_coupon),
    ("DELETE", "/coupons/{code}", delete_coupon),
    ("POST", "/applied_coupons", apply_coupon),
    ("GET", "/applied_coupons", list_applied),
    ("DELETE", "/customers/{external_id}/applied_coupons/{applied_coupon_id}", delete_applied),
]
