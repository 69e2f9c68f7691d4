"""Plans: create, change, delete, metadata."""

from glue.sandbox.lago.call import Answer, Call, required
from glue.sandbox.lago.currencies import CURRENCIES
from glue.sandbox.lago.errors import invalid, not_in_sandbox
from glue.sandbox.lago.lifecycle import terminate
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.periods import INTERVALS
from glue.sandbox.lago.plan_charges import is_in_use, known_plan, read_charges
from glue.sandbox.lago.plan_views import show_plan, tell_plan
from glue.sandbox.lago.taxes import find_by_codes
from glue.sandbox.lago.values import exact, flag, text, whole
from glue.sandbox.lago.world import Row, World

LONG_INTERVALS = ("yearly", "semiannual")


def _problems(fields: Row) -> dict[str, list[str]]:
    problems = required(fields, "name", "code")
    if fields.get("interval") not in INTERVALS:
        problems["interval"] = ["value_is_invalid"]
    if whole(fields.get("amount_cents")) is None:
        problems |= {"amount_cents": ["is not a number"], "amount": ["is not a number"]}
    if fields.get("amount_currency") not in CURRENCIES:
        problems["amount_currency"] = ["value_is_invalid"]
    if fields.get("pay_in_advance") is None:
        problems["pay_in_advance"] = ["value_is_invalid"]
    return problems


def _monthly_charges(interval: str, sent: object) -> bool | None:
    return flag(sent) if interval in LONG_INTERVALS else None


def create_plan(world: World, call: Call) -> Answer:
    fields = call.root("plan")
    if fields.get("fixed_charges"):
        raise not_in_sandbox()
    problems = _problems(fields)
    code = text(fields.get("code"))
    if "code" not in problems and any(not row["deleted_at"] for row in world.plans.by("code", code)):
        problems["code"] = ["value_already_exist"]
    if problems:
        raise invalid(problems)
    trial = exact(fields.get("trial_period"))
    plan = {
        "id": world.new_id(),
        "code": code,
        "name": text(fields["name"]),
        "invoice_display_name": text(fields.get("invoice_display_name")),
        "description": text(fields.get("description")),
        "interval": fields["interval"],
        "amount_cents": whole(fields["amount_cents"]),
        "amount_currency": fields["amount_currency"],
        "trial_period": float(trial) if trial is not None else None,
        "pay_in_advance": flag(fields["pay_in_advance"]),
        "bill_charges_monthly": _monthly_charges(fields["interval"], fields.get("bill_charges_monthly")),
        "pending_deletion": False,
        "deleted_at": None,
        "tax_ids": find_by_codes(world, fields.get("tax_codes")),
        "charges": read_charges(world, fields.get("charges"), [], in_use=False),
        "entitlements": {},
        "metadata": fields["metadata"] if isinstance(fields.get("metadata"), dict) else None,
        "created_at": world.now(),
    }
    world.plans.put(plan["id"], plan)
    tell_plan(world, "plan.created", plan)
    return {"plan": show_plan(world, plan, "answer")}


def update_plan(world: World, call: Call) -> Answer:
    """Once it had a subscription, code, interval, currency, trial and time of payment are ignored without a word."""
    plan = known_plan(world, call.path["code"])
    fields = call.root("plan")
    in_use = is_in_use(world, plan)
    changes: Row = {name: text(fields[name]) for name in ("name", "description", "invoice_display_name") if name in fields}
    if whole(fields.get("amount_cents")) is not None:
        changes["amount_cents"] = whole(fields["amount_cents"])
    if "tax_codes" in fields:
        changes["tax_ids"] = find_by_codes(world, fields["tax_codes"])
    if "charges" in fields:
        changes["charges"] = read_charges(world, fields["charges"], plan["charges"], in_use=in_use)
    if isinstance(fields.get("metadata"), dict):
        changes["metadata"] = fields["metadata"]
    if not in_use:
        changes |= _changes_before_use(world, plan, fields)
    plan |= changes
    world.plans.put(plan["id"], plan)
    tell_plan(world, "plan.updated", plan)
    return {"plan": show_plan(world, plan, "answer")}


def _changes_before_use(world: World, plan: Row, fields: Row) -> Row:
    merged = {**plan, **{name: value for name, value in fields.items() if value is not None}}
    problems = _problems(merged)
    code = text(merged["code"])
    if code != plan["code"] and any(not row["deleted_at"] for row in world.plans.by("code", code)):
        problems["code"] = ["value_already_exist"]
    if problems:
        raise invalid(problems)
    trial = exact(merged.get("trial_period"))
    return {
        "code": code,
        "interval": merged["interval"],
        "amount_currency": merged["amount_currency"],
        "pay_in_advance": flag(merged["pay_in_advance"]),
        "trial_period": float(trial) if trial is not None else None,
        "bill_charges_monthly": _monthly_charges(merged["interval"], merged["bill_charges_monthly"]),
    }


def delete_plan(world: World, call: Call) -> Answer:
    """Tells first, then terminates the plan's subscriptions one by one, each with its final invoice."""
    plan = known_plan(world, call.path["code"])
    plan["pending_deletion"] = True
    plan["deleted_at"] = world.now()
    world.plans.put(plan["id"], plan)
    tell_plan(world, "plan.deleted", plan)
    world.later(lambda: _end_subscriptions(world, plan))
    return {"plan": show_plan(world, plan, "answer")}


def _end_subscriptions(world: World, plan: Row) -> None:
    for subscription in world.subscriptions.by("plan_id", plan["id"]):
        if subscription["status"] in ("active", "pending"):
            terminate(world, subscription)


def get_plan(world: World, call: Call) -> Answer:
    return {"plan": show_plan(world, known_plan(world, call.path["code"]), "answer")}


def list_plans(world: World, call: Call) -> Answer:
    rows = [plan for plan in world.plans if not plan["deleted_at"]][::-1]
    return page_of(call.query, "plans", rows, lambda row: show_plan(world, row, "list"))


def set_metadata(world: World, call: Call) -> Answer:
    plan = known_plan(world, call.path["code"])
    return _store_metadata(world, plan, call.root("metadata"))


def merge_metadata(world: World, call: Call) -> Answer:
    plan = known_plan(world, call.path["code"])
    return _store_metadata(world, plan, {**(plan["metadata"] or {}), **call.root("metadata")})


def _store_metadata(world: World, plan: Row, metadata: Row) -> Answer:
    plan["metadata"] = metadata
    world.plans.put(plan["id"], plan)
    tell_plan(world, "plan.updated", plan)
    return {"metadata": metadata}


def delete_metadata_key(world: World, call: Call) -> Answer:
    plan = known_plan(world, call.path["code"])
    plan["metadata"] = {key: value for key, value in (plan["metadata"] or {}).items() if key != call.path["key"]}
    world.plans.put(plan["id"], plan)
    return {"metadata": plan["metadata"]}


ROUTES = [
    ("POST", "/plans", create_plan),
    ("GET", "/plans", list_plans),
    ("GET", "/plans/{code}", get_plan),
    ("PUT", "/plans/{code}", update_plan),
    ("DELETE", "/plans/{code}", delete_plan),
    ("POST", "/plans/{code}/metadata", set_metadata),
    ("PATCH", "/plans/{code}/metadata", merge_metadata),
    ("DELETE", "/plans/{code}/metadata/{key}", delete_metadata_key),
]
