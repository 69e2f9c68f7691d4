"""Taxes and add-ons: the small catalogue entries."""

from glue.sandbox.lago.call import Answer, Call, required
from glue.sandbox.lago.errors import invalid, not_found
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.values import exact, flag, iso, text, whole
from glue.sandbox.lago.world import Row, World, pick
from glue.sandbox.store import Table


def show_tax(_: World, tax: Row) -> Row:
    counts = dict.fromkeys(("add_ons", "customers", "plans", "charges", "commitments"), 0)
    return {
        "lago_id": tax["id"],
        **pick(tax, "name code rate description applied_to_organization"),
        **{f"{name}_count": count for name, count in counts.items()},
        "created_at": iso(tax["created_at"]),
    }


def find_by_codes(world: World, codes: object) -> list[str]:
    """Ids of the taxes with these codes; refuses with 404 when one is unknown."""
    found = []
    for code in codes if isinstance(codes, list) else []:
        tax = world.taxes.one("code", code)
        if tax is None:
            raise not_found("tax")
        found.append(tax["id"])
    return found


def shown_taxes(world: World, ids: list[str]) -> list[Row]:
    return [show_tax(world, tax) for tax in map(world.taxes.get, ids) if tax]


def _new_code(table: Table, fields: Row) -> str:
    problems = required(fields, "name", "code")
    if not problems and table.one("code", text(fields["code"])):
        problems = {"code": ["value_already_exist"]}
    if problems:
        raise invalid(problems)
    return str(text(fields["code"]))


def create_tax(world: World, call: Call) -> Answer:
    fields = call.root("tax")
    code = _new_code(world.taxes, fields)
    tax: Row = {
        "id": world.new_id(),
        "code": code,
        "name": text(fields["name"]),
        "rate": float(exact(fields.get("rate")) or 0),  # words become 0, negatives are taken
        "description": text(fields.get("description")),
        "applied_to_organization": flag(fields.get("applied_to_organization")),
        "created_at": world.now(),
    }
    world.taxes.put(tax["id"], tax)
    return _answer(world, tax)


def update_tax(world: World, call: Call) -> Answer:
    tax = _known(world.taxes, call, "tax")
    fields = call.root("tax")
    for name in ("name", "description"):
        if name in fields:
            tax[name] = text(fields[name])
    if "rate" in fields:
        tax["rate"] = float(exact(fields["rate"]) or 0)
    world.taxes.put(tax["id"], tax)
    return _answer(world, tax)


def _answer(world: World, tax: Row) -> Answer:
    return {"tax": {**show_tax(world, tax), "applied_to_billing_entities_codes": []}}


def _known(table: Table, call: Call, what: str) -> Row:
    row = table.one("code", call.path["code"])
    if row is None:
        raise not_found(what)
    return row


def show_add_on(world: World, add_on: Row) -> Row:
    return {
        "lago_id": add_on["id"],
        **pick(add_on, "name invoice_display_name code amount_cents amount_currency"),
        "created_at": iso(add_on["created_at"]),
        "description": add_on["description"],
        "taxes": shown_taxes(world, add_on["tax_ids"]),
    }


def create_add_on(world: World, call: Call) -> Answer:
    fields = call.root("add_on")
    code = _new_code(world.add_ons, fields)
    add_on: Row = {
        "id": world.new_id(),
        "code": code,
        "name": text(fields["name"]),
        "invoice_display_name": text(fields.get("invoice_display_name")),
        "amount_cents": whole(fields.get("amount_cents")) or 0,
        "amount_currency": text(fields.get("amount_currency")),
        "description": text(fields.get("description")),
        "tax_ids": find_by_codes(world, fields.get("tax_codes")),
        "created_at": world.now(),
    }
    world.add_ons.put(add_on["id"], add_on)
    return {"add_on": show_add_on(world, add_on)}


def update_add_on(world: World, call: Call) -> Answer:
    add_on = _known(world.add_ons, call, "add_on")
    fields = call.root("add_on")
    for name in ("name", "description", "invoice_display_name", "amount_currency"):
        if name in fields:
            add_on[name] = text(fields[name])
    if "amount_cents" in fields:
        add_on["amount_cents"] = whole(fields["amount_cents"]) or 0
    if "tax_codes" in fields:
        add_on["tax_ids"] = find_by_codes(world, fields["tax_codes"])
    world.add_ons.put(add_on["id"], add_on)
    return {"add_on": show_add_on(world, add_on)}


def list_taxes(world: World, call: Call) -> Answer:
    return page_of(call.query, "taxes", list(world.taxes)[::-1], lambda row: show_tax(world, row))


def get_tax(world: World, call: Call) -> Answer:
    return _answer(world, _known(world.taxes, call, "tax"))


def delete_tax(world: World, call: Call) -> Answer:
    tax = _known(world.taxes, call, "tax")
    world.taxes.remove(tax["id"])
    return _answer(world, tax)


def list_add_ons(world: World, call: Call) -> Answer:
    return page_of(call.query, "add_ons", list(world.add_ons)[::-1], lambda row: show_add_on(world, row))


def get_add_on(world: World, call: Call) -> Answer:
    return {"add_on": show_add_on(world, _known(world.add_ons, call, "add_on"))}


def delete_add_on(world: World, call: Call) -> Answer:
    add_on = _known(world.add_ons, call, "add_on")
    world.add_ons.remove(add_on["id"])
    return {"add_on": show_add_on(world, add_on)}


ROUTES = [
    ("POST", "/taxes", create_tax),
    ("GET", "/taxes", list_taxes),
    ("GET", "/taxes/{code}", get_tax),
    ("PUT", "/taxes/{code}", update_tax),
    ("DELETE", "/taxes/{code}", delete_tax),
    ("POST", "/add_ons", create_add_on),
    ("GET", "/add_ons", list_add_ons),
    ("GET", "/add_ons/{code}", get_add_on),
    ("PUT", "/add_ons/{code}", update_add_on),
    ("DELETE", "/add_ons/{code}", delete_add_on),
]
