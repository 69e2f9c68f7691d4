"""Charges of a plan: reading and checking what was sent, and the calls for a single charge."""

from typing import Any

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.errors import invalid, not_found
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.plan_views import show_charge
from glue.sandbox.lago.taxes import find_by_codes
from glue.sandbox.lago.values import PLAIN_NUMBER, exact, flag, text
from glue.sandbox.lago.world import Row, World, pick

RANGES = {"graduated": "graduated_ranges", "volume": "volume_ranges"}
NOTHING = {"from_value": 0, "to_value": None, "per_unit_amount": "0", "flat_amount": "0"}
DEFAULTS: dict[str, Row] = {
    "standard": {"amount": "0"},
    "graduated": {"graduated_ranges": [NOTHING]},
    "package": {"package_size": 1, "amount": "0", "free_units": 0},
    "percentage": {"rate": "0"},
    "volume": {"volume_ranges": [NOTHING]},
    "dynamic": {},
}
KEPT = {
    "standard": ("amount", "grouped_by", "pricing_group_keys"),
    "graduated": ("graduated_ranges", "pricing_group_keys"),
    "package": ("amount", "free_units", "package_size", "pricing_group_keys"),
    "percentage": ("rate", "fixed_amount", "free_units_per_events", "free_units_per_total_aggregation", "pricing_group_keys"),
    "volume": ("volume_ranges", "pricing_group_keys"),
    "dynamic": ("pricing_group_keys",),
}


def _is_amount(value: Any) -> bool:
    """Amounts are strings of a number that is not negative; JSON numbers are refused."""
    return isinstance(value, str) and bool(PLAIN_NUMBER.match(value)) and not value.startswith("-")


def _bad_ranges(ranges: Any, model: str) -> str | None:
    if not isinstance(ranges, list) or not ranges:
        return f"missing_{RANGES[model]}"
    below = None
    for position, row in enumerate(ranges):
        first, last = exact(row.get("from_value")), exact(row.get("to_value"))
        if not _is_amount(row.get("per_unit_amount")):
            return "invalid_amount"
        if not _is_amount(row.get("flat_amount")):
            return "invalid_flat_amount"
        expected = (0,) if below is None else (below, below + 1)
        if (
            first not in expected
            or (last is None) != (position == len(ranges) - 1)
            or (last is not None and first is not None and last < first)
        ):
            return f"invalid_{RANGES[model]}"
        below = last
    return None


def _properties(model: str, sent: Any) -> Row:
    given = sent if isinstance(sent, dict) and sent else DEFAULTS[model]
    problem: str | None = None
    if model in RANGES:
        problem = _bad_ranges(given.get(RANGES[model]), model)
    elif model in ("standard", "package") and not _is_amount(given.get("amount")):
        problem = "invalid_amount"
    elif model == "percentage" and not _is_amount(given.get("rate")):
        problem = "invalid_rate"
    elif model == "percentage" and not _is_amount(given.get("fixed_amount") or "0"):
        problem = "invalid_fixed_amount"
    elif model == "package" and (exact(given.get("package_size")) or 0) <= 0:
        problem = "invalid_package_size"
    elif model == "package" and (exact(given.get("free_units")) or 0) < 0:
        problem = "invalid_free_units"
    if problem:
        raise invalid({"properties": [problem]})
    return {name: given[name] for name in KEPT[model] if name in given}


def read_charge(world: World, sent: Row, present: Row | None, taken: set[str], *, in_use: bool) -> Row:
    """A charge as it will be stored. ``present`` is the one it changes; in use its model stays as it was."""
    metric_id = present["metric_id"] if present else sent.get("billable_metric_id")
    metric = world.metrics.get(str(metric_id))
    if metric is None:
        raise not_found("billable_metrics")
    model = text(sent.get("charge_model")) or (present or {}).get("charge_model")
    if present and in_use:
        model = present["charge_model"]
    if model == "graduated_percentage":
        raise invalid({"charge_model": ["graduated_percentage_requires_premium_license"]})
    if model not in DEFAULTS:
        raise invalid({"charge_model": ["value_is_invalid"]})
    prorated, in_advance = flag(sent.get("prorated")), flag(sent.get("pay_in_advance"))
    if prorated and not metric["recurring"]:
        raise invalid({"prorated": ["invalid_billable_metric_or_charge_model"]})
    code = text(sent.get("code")) or (present["code"] if present else _free_code(metric["code"], taken))
    if code in taken and not (present and present["code"] == code):
        raise invalid({"code": ["value_already_exist"]})
    taken.add(code)
    return {
        "id": present["id"] if present else world.new_id(),
        "metric_id": metric["id"],
        "code": code,
        "invoice_display_name": text(sent.get("invoice_display_name")),
        "created_at": present["created_at"] if present else world.now(),
        "charge_model": model,
        "pay_in_advance": present["pay_in_advance"] if present and in_use else in_advance,
        "prorated": present["prorated"] if present and in_use else prorated,
        "properties": _properties(model, sent.get("properties")),
        "filters": [
            {
                "id": world.new_id(),
                "invoice_display_name": text(part.get("invoice_display_name")),
                "properties": _properties(model, part.get("properties")),
                "values": part["values"],
            }
            for part in sent.get("filters") or []
            if isinstance(part, dict) and isinstance(part.get("values"), dict)
        ],
        "tax_ids": find_by_codes(world, sent.get("tax_codes")),
    }


def _free_code(wanted: str, taken: set[str]) -> str:
    number, code = 1, wanted
    while code in taken:
        number += 1
        code = f"{wanted}_{number}"
    return code


def read_charges(world: World, sent: Any, present: list[Row], *, in_use: bool) -> list[Row]:
    """The full new set: matched by id, the absent ones go, those without id are new."""
    known = {charge["id"]: charge for charge in present}
    taken: set[str] = set()
    entries = [entry for entry in sent if isinstance(entry, dict)] if isinstance(sent, list) else []
    return [read_charge(world, entry, known.get(entry.get("id") or ""), taken, in_use=in_use) for entry in entries]


def known_plan(world: World, code: str | None) -> Row:
    plan = next((row for row in reversed(world.plans.by("code", code)) if not row["deleted_at"]), None)
    if plan is None:
        raise not_found("plan")
    return plan


def is_in_use(world: World, plan: Row) -> bool:
    return bool(world.subscriptions.by("plan_id", plan["id"]))


def _known_charge(plan: Row, code: str) -> Row:
    charge: Row | None = next((row for row in plan["charges"] if row["code"] == code), None)
    if charge is None:
        raise not_found("charge")
    return charge


def list_charges(world: World, call: Call) -> Answer:
    plan = known_plan(world, call.path["code"])
    return page_of(call.query, "charges", plan["charges"], lambda row: show_charge(world, row))


def get_charge(world: World, call: Call) -> Answer:
    return {"charge": show_charge(world, _known_charge(known_plan(world, call.path["code"]), call.path["charge_code"]))}


def add_charge(world: World, call: Call) -> Answer:
    plan = known_plan(world, call.path["code"])
    taken = {charge["code"] for charge in plan["charges"]}
    charge = read_charge(world, call.root("charge"), None, taken, in_use=False)
    plan["charges"] = [*plan["charges"], charge]
    world.plans.put(plan["id"], plan)
    return {"charge": show_charge(world, charge)}


def change_charge(world: World, call: Call) -> Answer:
    plan = known_plan(world, call.path["code"])
    present = _known_charge(plan, call.path["charge_code"])
    taken = {charge["code"] for charge in plan["charges"]}
    sent = {**pick(present, "invoice_display_name prorated pay_in_advance properties filters")}
    charge = read_charge(world, {**sent, **call.root("charge")}, present, taken, in_use=is_in_use(world, plan))
    plan["charges"] = [charge if row["id"] == charge["id"] else row for row in plan["charges"]]
    world.plans.put(plan["id"], plan)
    return {"charge": show_charge(world, charge)}


def delete_charge(world: World, call: Call) -> Answer:
    plan = known_plan(world, call.path["code"])
    charge = _known_charge(plan, call.path["charge_code"])
    plan["charges"] = [row for row in plan["charges"] if row["id"] != charge["id"]]
    world.plans.put(plan["id"], plan)
    return {"charge": show_charge(world, charge)}


ROUTES = [
    ("GET", "/plans/{code}/charges", list_charges),
    ("POST", "/plans/{code}/charges", add_charge),
    ("GET", "/plans/{code}/charges/{charge_code}", get_charge),
    ("PUT", "/plans/{code}/charges/{charge_code}", change_charge),
    ("DELETE", "/plans/{code}/charges/{charge_code}", delete_charge),
]
