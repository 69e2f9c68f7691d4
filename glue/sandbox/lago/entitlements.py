"""What a plan entitles to, and what single subscriptions override."""

from typing import Any

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.errors import Refusal, broken, invalid, not_found
from glue.sandbox.lago.features import known_feature
from glue.sandbox.lago.plan_charges import known_plan
from glue.sandbox.lago.plan_views import show_entitlement, shown_entitlements, tell_plan
from glue.sandbox.lago.subscription_views import find_subscription, shown_overridden, tell_subscription
from glue.sandbox.lago.world import Row, World

BOOLEANS = {True: True, False: False, "true": True, "false": False}


def _checked(privilege: Row, value: Any) -> Any:
    """The value as its type stores it, or 422."""
    if value is None:
        raise invalid({"privilege.value": ["value_is_mandatory"]})
    reason = None
    if privilege["value_type"] == "integer":
        if isinstance(value, bool) or not str(value).lstrip("-").isdigit():
            reason = "value_is_invalid"
        else:
            value = int(value)
    elif privilege["value_type"] == "boolean":
        if not isinstance(value, bool | str) or value not in BOOLEANS:
            reason = "value_is_invalid"
        else:
            value = BOOLEANS[value]
    elif privilege["value_type"] == "select":
        reason = None if value in privilege["config"]["select_options"] else "value_not_in_select_options"
    else:
        value = value if isinstance(value, str) else str(value)
    if reason:
        raise invalid({f"{privilege['code']}_privilege_value": [reason]})
    return value


def _sent(world: World, call: Call) -> dict[str, Row]:
    """Checked values by feature and privilege; nothing sent is an empty change, a list breaks Lago."""
    body = call.body if isinstance(call.body, dict) else {}
    entries = body.get("entitlements")
    if isinstance(entries, list):
        raise broken()
    entries = entries if isinstance(entries, dict) else {}
    features = {code: known_feature(world, code) for code in entries}
    checked: dict[str, Row] = {}
    for code, values in entries.items():
        checked[code] = {}
        for name, value in (values if isinstance(values, dict) else {}).items():
            if name not in features[code]["privileges"]:
                raise not_found("privilege")
            checked[code][name] = _checked(features[code]["privileges"][name], value)
    return checked


# Of a plan.
def _store(world: World, plan: Row, entitlements: dict[str, Row]) -> None:
    plan["entitlements"] = entitlements
    world.plans.put(plan["id"], plan)
    tell_plan(world, "plan.updated", plan)


def list_plan_entitlements(world: World, call: Call) -> Answer:
    return {"entitlements": shown_entitlements(world, known_plan(world, call.path["code"]))}


def _held(plan: Row, code: str) -> Row:
    values: Row | None = plan["entitlements"].get(code)
    if values is None:
        raise not_found("entitlement")
    return values


def get_plan_entitlement(world: World, call: Call) -> Answer:
    plan, code = known_plan(world, call.path["code"]), call.path["feature_code"]
    return {"entitlement": show_entitlement(world, code, _held(plan, code))}


def replace_plan_entitlements(world: World, call: Call) -> Answer:
    plan = known_plan(world, call.path["code"])
    _store(world, plan, _sent(world, call))
    return {"entitlements": shown_entitlements(world, plan)}


def merge_plan_entitlements(world: World, call: Call) -> Answer:
    plan = known_plan(world, call.path["code"])
    merged = {code: dict(values) for code, values in plan["entitlements"].items()}
    for code, values in _sent(world, call).items():
        merged.setdefault(code, {}).update(values)
    _store(world, plan, merged)
    return {"entitlements": shown_entitlements(world, plan)}


def delete_plan_entitlement(world: World, call: Call) -> Answer:
    plan, code = known_plan(world, call.path["code"]), call.path["feature_code"]
    shown = show_entitlement(world, code, _held(plan, code))
    _store(world, plan, {name: values for name, values in plan["entitlements"].items() if name != code})
    return {"entitlement": shown}


def delete_plan_privilege(world: World, call: Call) -> Answer:
    plan, code, privilege = known_plan(world, call.path["code"]), call.path["feature_code"], call.path["privilege_code"]
    values = _held(plan, code)
    if privilege not in values:
        raise not_found("privilege")
    rest = {name: value for name, value in values.items() if name != privilege}
    _store(world, plan, {**plan["entitlements"], code: rest})
    return {"entitlement": show_entitlement(world, code, rest)}


# Of a subscription.
def _subscription(world: World, call: Call, *, writing: bool = False) -> Row:
    status = None if writing else call.asked("subscription_status") or call.asked("status")
    return find_subscription(world, call.path["external_id"], status)


def _changed(world: World, subscription: Row) -> Answer:
    world.subscriptions.put(subscription["id"], subscription)
    world.later(lambda: tell_subscription(world, "subscription.updated", subscription))
    return {"entitlements": shown_overridden(world, subscription)}


def list_subscription_entitlements(world: World, call: Call) -> Answer:
    return {"entitlements": shown_overridden(world, _subscription(world, call))}


def override_entitlements(world: World, call: Call) -> Answer:
    """Merges; naming a removed feature gives it back as the plan has it."""
    subscription = _subscription(world, call, writing=True)
    try:
        sent = _sent(world, call)
    except Refusal as refusal:
        if refusal.body and refusal.body.get("code") == "feature_not_found":  # refused, and told as changed all the same
            _changed(world, subscription)
        raise
    for code, values in sent.items():
        removed = subscription["removed"].pop(code, None)
        if removed:
            subscription["removed"][code] = [name for name in removed if name != "*" and name not in values]
        plan = world.plans.get(subscription["plan_id"]) or {"entitlements": {}}
        if values or code not in plan["entitlements"]:
            subscription["overrides"].setdefault(code, {}).update(values)
    return _changed(world, subscription)


def remove_feature(world: World, call: Call) -> Answer:
    subscription, code = _subscription(world, call, writing=True), call.path["feature_code"]
    if code not in {row["code"] for row in shown_overridden(world, subscription)}:
        raise not_found("feature")
    subscription["overrides"].pop(code, None)
    subscription["removed"][code] = ["*"]
    return _changed(world, subscription)


def remove_privilege(world: World, call: Call) -> Answer:
    subscription, code, privilege = _subscription(world, call, writing=True), call.path["feature_code"], call.path["privilege_code"]
    held = next((row for row in shown_overridden(world, subscription) if row["code"] == code), None)
    if held is None:
        raise not_found("feature")
    if privilege not in {row["code"] for row in held["privileges"]}:
        raise not_found("privilege")
    subscription["overrides"].get(code, {}).pop(privilege, None)
    subscription["removed"].setdefault(code, []).append(privilege)
    return _changed(world, subscription)


ROUTES = [
    ("GET", "/plans/{code}/entitlements", list_plan_entitlements),
    ("POST", "/plans/{code}/entitlements", replace_plan_entitlements),
    ("PATCH", "/plans/{code}/entitlements", merge_plan_entitlements),
    ("GET", "/plans/{code}/entitlements/{feature_code}", get_plan_entitlement),
    ("DELETE", "/plans/{code}/entitlements/{feature_code}", delete_plan_entitlement),
    ("DELETE", "/plans/{code}/entitlements/{feature_code}/privileges/{privilege_code}", delete_plan_privilege),
    ("GET", "/subscriptions/{external_id}/entitlements", list_subscription_entitlements),
    ("PATCH", "/subscriptions/{external_id}/entitlements", override_entitlements),
    ("DELETE", "/subscriptions/{external_id}/entitlements/{feature_code}", remove_feature),
    ("DELETE", "/subscriptions/{external_id}/entitlements/{feature_code}/privileges/{privilege_code}", remove_privilege),
]
