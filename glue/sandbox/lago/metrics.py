"""Billable metrics."""

from typing import Any

from glue.sandbox.lago.call import Answer, Call, required
from glue.sandbox.lago.errors import forbidden, invalid, not_found
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.values import flag, iso, text, whole
from glue.sandbox.lago.world import Row, World, pick

AGGREGATIONS = ("count_agg", "sum_agg", "max_agg", "unique_count_agg", "weighted_sum_agg", "latest_agg")
NEVER_RECURRING = ("count_agg", "max_agg", "latest_agg")
_ONLY_UNUSED = "aggregation_type code field_name recurring weighted_interval rounding_function rounding_precision expression"
ONLY_WHEN_UNUSED = _ONLY_UNUSED.split()
SHOWN = "name code description aggregation_type weighted_interval recurring rounding_function rounding_precision"


def show_metric(_: World, metric: Row, *, counts: bool = False) -> Row:
    shown = {"lago_id": metric["id"], **pick(metric, SHOWN)}
    shown |= {"created_at": iso(metric["created_at"]), "field_name": metric["field_name"], "expression": metric["expression"]}
    if counts:
        shown |= {"active_subscriptions_count": 0, "draft_invoices_count": 0, "plans_count": 0}
    return {**shown, "filters": metric["filters"]}


def known_metric(world: World, code: str | None) -> Row:
    metric = world.metrics.one("code", code)
    if metric is None:
        raise not_found("billable_metric")
    return metric


def plans_with(world: World, metric: Row) -> list[Row]:
    return [plan for plan in world.plans if any(charge["metric_id"] == metric["id"] for charge in plan["charges"])]


def _filters(entries: Any) -> list[Row]:
    kept = []
    for entry in entries if isinstance(entries, list) else []:
        values = entry.get("values") if isinstance(entry, dict) else None
        if not values or not isinstance(values, list):
            raise invalid({"values": ["value_is_mandatory"]})
        kept.append({"key": text(entry.get("key")), "values": sorted({text(value) or "" for value in values})})
    return kept


def create_metric(world: World, call: Call) -> Answer:
    fields = call.root("billable_metric")
    aggregation = text(fields.get("aggregation_type"))
    if aggregation == "custom_agg":
        raise forbidden()
    problems = required(fields, "name", "code")
    if aggregation != "count_agg" and not text(fields.get("field_name")) and not fields.get("expression"):
        problems["field_name"] = ["value_is_mandatory"]
    if aggregation not in AGGREGATIONS:
        problems["aggregation_type"] = ["value_is_invalid"]
    elif flag(fields.get("recurring")) and aggregation in NEVER_RECURRING:
        problems["recurring"] = ["not_compatible_with_aggregation_type"]
    if "code" not in problems and world.metrics.one("code", text(fields["code"])):
        problems["code"] = ["value_already_exist"]
    if problems:
        raise invalid(problems)
    metric: Row = {
        "id": world.new_id(),
        "name": text(fields["name"]),
        "code": text(fields["code"]),
        "description": text(fields.get("description")),
        "aggregation_type": aggregation,
        "weighted_interval": text(fields.get("weighted_interval")),
        "recurring": flag(fields.get("recurring")),
        "rounding_function": text(fields.get("rounding_function")),
        "rounding_precision": whole(fields.get("rounding_precision")),
        "field_name": text(fields.get("field_name")),
        "expression": text(fields.get("expression")),
        "filters": _filters(fields.get("filters")),
        "created_at": world.now(),
    }
    world.metrics.put(metric["id"], metric)
    world.later(lambda: world.tell("billable_metric.created", "billable_metric", show_metric(world, metric)))
    return {"billable_metric": show_metric(world, metric, counts=True)}


def update_metric(world: World, call: Call) -> Answer:
    """In use by a plan only name, description and filters change; the rest is ignored without a word."""
    metric = known_metric(world, call.path["code"])
    fields = call.root("billable_metric")
    changeable = ["name", "description", *([] if plans_with(world, metric) else ONLY_WHEN_UNUSED)]
    code = text(fields.get("code"))
    if "code" in changeable and code not in (None, metric["code"]) and world.metrics.one("code", code):
        raise invalid({"code": ["value_already_exist"]})
    for name in changeable:
        if name in fields:
            read = {"recurring": flag, "rounding_precision": whole}.get(name, text)
            metric[name] = read(fields[name])
    if "filters" in fields:
        metric["filters"] = _filters(fields["filters"])
    world.metrics.put(metric["id"], metric)
    world.later(lambda: world.tell("billable_metric.updated", "billable_metric", show_metric(world, metric)))
    return {"billable_metric": show_metric(world, metric, counts=True)}


def delete_metric(world: World, call: Call) -> Answer:
    """Works in use too: the charges leave their plans and open usage is never billed."""
    metric = known_metric(world, call.path["code"])
    world.metrics.remove(metric["id"])
    for plan in plans_with(world, metric):
        plan["charges"] = [charge for charge in plan["charges"] if charge["metric_id"] != metric["id"]]
        world.plans.put(plan["id"], plan)
    world.later(lambda: world.tell("billable_metric.deleted", "billable_metric", show_metric(world, metric)))
    return {"billable_metric": show_metric(world, metric, counts=True)}


def get_metric(world: World, call: Call) -> Answer:
    return {"billable_metric": show_metric(world, known_metric(world, call.path["code"]))}


def list_metrics(world: World, call: Call) -> Answer:
    rows = list(world.metrics)[::-1]
    return page_of(call.query, "billable_metrics", rows, lambda row: show_metric(world, row, counts=True))


ROUTES = [
    ("POST", "/billable_metrics", create_metric),
    ("GET", "/billable_metrics", list_metrics),
    ("GET", "/billable_metrics/{code}", get_metric),
    ("PUT", "/billable_metrics/{code}", update_metric),
    ("DELETE", "/billable_metrics/{code}", delete_metric),
]
