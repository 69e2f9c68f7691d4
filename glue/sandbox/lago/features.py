"""Features and their privileges."""

from typing import Any

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.errors import invalid, not_found
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.plan_views import tell_plan
from glue.sandbox.lago.values import iso, text
from glue.sandbox.lago.world import Row, World, pick

VALUE_TYPES = ("integer", "string", "boolean", "select")


def show_feature(feature: Row) -> Row:
    return {
        **pick(feature, "code name description"),
        "privileges": list(feature["privileges"].values()),
        "created_at": iso(feature["created_at"]),
    }


def known_feature(world: World, code: str) -> Row:
    feature = world.features.one("code", code)
    if feature is None:
        raise not_found("feature")
    return feature


def _options(entry: Row) -> list[str] | None:
    config = entry.get("config")
    options = config.get("select_options") if isinstance(config, dict) else None
    return options if isinstance(options, list) and options else None


def _new_privilege(code: str, entry: Row) -> Row:
    value_type = text(entry.get("value_type")) or "string"
    if value_type not in VALUE_TYPES:
        raise invalid({"privilege.value_type": ["value_is_invalid"]})
    options = _options(entry)
    if value_type == "select" and options is None:
        raise invalid({"privilege.config": ["invalid_format"]})
    config = {"select_options": options} if value_type == "select" else {}
    return {"code": code, "name": text(entry.get("name")), "value_type": value_type, "config": config}


def _entries(value: Any) -> list[tuple[str, Row]]:
    entries = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    codes = [text(entry.get("code")) or "" for entry in entries]
    if not all(codes):
        raise invalid({"privilege.code": ["value_is_mandatory"]})
    if len(set(codes)) < len(codes):
        raise invalid({"privilege.code": ["value_is_duplicated"]})
    return list(zip(codes, entries, strict=True))


def create_feature(world: World, call: Call) -> Answer:
    fields = call.root("feature")
    code = text(fields.get("code"))
    if not code:
        raise invalid({"code": ["value_is_mandatory"]})
    if world.features.one("code", code):
        raise invalid({"code": ["value_already_exist"]})
    feature: Row = {
        "id": world.new_id(),
        "code": code,
        "name": text(fields.get("name")),
        "description": text(fields.get("description")),
        "privileges": {name: _new_privilege(name, entry) for name, entry in _entries(fields.get("privileges"))},
        "created_at": world.now(),
    }
    world.features.put(feature["id"], feature)
    world.later(lambda: world.tell("feature.created", "feature", show_feature(feature)))
    return {"feature": show_feature(feature)}


def update_feature(world: World, call: Call) -> Answer:
    """Merges: privileges are added and renamed, a changed value type is ignored, options only grow."""
    feature = known_feature(world, call.path["feature_code"])
    fields = call.root("feature")
    privileges = {name: dict(row) for name, row in feature["privileges"].items()}
    for name, entry in _entries(fields.get("privileges")):
        present = privileges.get(name)
        if present is None:
            privileges[name] = _new_privilege(name, entry)
            continue
        if "name" in entry:
            present["name"] = text(entry["name"])
        if present["value_type"] == "select":
            had = present["config"]["select_options"]
            present["config"] = {"select_options": had + [new for new in _options(entry) or [] if new not in had]}
    feature["privileges"] = privileges
    for name in ("name", "description"):
        if name in fields:
            feature[name] = text(fields[name])
    _changed(world, feature)
    return {"feature": show_feature(feature)}


def _changed(world: World, feature: Row) -> None:
    world.features.put(feature["id"], feature)
    plans = [plan for plan in world.plans if feature["code"] in plan["entitlements"]]
    world.later(lambda: world.tell("feature.updated", "feature", show_feature(feature)))
    for plan in plans:
        tell_plan(world, "plan.updated", plan)


def _forget(world: World, feature_code: str, privilege_code: str | None) -> list[Row]:
    """Take a deleted feature or privilege out of plans and overrides; answers the plans that had it."""
    touched = [plan for plan in world.plans if feature_code in plan["entitlements"]]
    holders = [(world.plans, row, row["entitlements"]) for row in touched]
    holders += [(world.subscriptions, row, row["overrides"]) for row in world.subscriptions if feature_code in row["overrides"]]
    for table, row, values in holders:
        if privilege_code is None:
            del values[feature_code]
        else:
            values[feature_code].pop(privilege_code, None)
        table.put(row["id"], row)
    return touched


def delete_privilege(world: World, call: Call) -> Answer:
    feature = known_feature(world, call.path["feature_code"])
    privilege = call.path["privilege_code"]
    if privilege not in feature["privileges"]:
        raise not_found("privilege")
    feature["privileges"] = {name: row for name, row in feature["privileges"].items() if name != privilege}
    _forget(world, feature["code"], privilege)
    _changed(world, feature)
    return {"feature": show_feature(feature)}


def delete_feature(world: World, call: Call) -> Answer:
    feature = known_feature(world, call.path["feature_code"])
    world.features.remove(feature["id"])
    plans = _forget(world, feature["code"], None)
    world.later(lambda: world.tell("feature.deleted", "feature", show_feature(feature)))
    for plan in plans:
        tell_plan(world, "plan.updated", plan)
    return {"feature": show_feature(feature)}


def get_feature(world: World, call: Call) -> Answer:
    return {"feature": show_feature(known_feature(world, call.path["feature_code"]))}


def list_features(world: World, call: Call) -> Answer:
    term = (call.asked("search_term") or "").lower()
    rows = [row for row in world.features if term in row["code"].lower() or term in (row["name"] or "").lower()]
    return page_of(call.query, "features", rows[::-1], show_feature)


ROUTES = [
    ("POST", "/features", create_feature),
    ("GET", "/features", list_features),
    ("GET", "/features/{feature_code}", get_feature),
    ("PUT", "/features/{feature_code}", update_feature),
    ("DELETE", "/features/{feature_code}", delete_feature),
    ("DELETE", "/features/{feature_code}/privileges/{privilege_code}", delete_privilege),
]
