"""The hourly report of bad events: unknown codes, missing values, filter values that nobody listed.

It looks at the clock hour before. An unknown subscription is never reported, nor an event before its start.
"""

from typing import Any

from glue.sandbox.lago.values import exact
from glue.sandbox.lago.world import Row, World

HOUR_MS = 3_600_000


def _problem(world: World, event: Row) -> str | None:
    metric = world.metrics.one("code", event["code"])
    if metric is None:
        return "invalid_code"
    properties: dict[str, Any] = event["properties"]
    value = properties.get(metric["field_name"])
    if metric["aggregation_type"] != "count_agg" and (
        value is None or (metric["aggregation_type"] != "unique_count_agg" and exact(value) is None)
    ):
        return "missing_aggregation_property"
    for entry in metric["filters"]:
        value = properties.get(entry["key"])
        if value is not None and str(value) not in entry["values"]:
            return "invalid_filter_values"
    return None


def report_bad_events(world: World) -> None:
    until = world.now() // HOUR_MS * HOUR_MS
    found: dict[str, list[str]] = {"invalid_code": [], "missing_aggregation_property": [], "invalid_filter_values": []}
    for event in world.events.newest_first():
        if event["created_at"] < until - HOUR_MS:
            break
        if event["created_at"] >= until:
            continue
        problem = _problem(world, event)
        if problem and _is_subscribed(world, event):
            found[problem].append(event["transaction_id"])
    if any(found.values()):
        shown: Row = {name: sorted(ids) for name, ids in found.items()}
        world.tell("events.errors", "events_errors", {**shown, "missing_group_key": None})


def _is_subscribed(world: World, event: Row) -> bool:
    return bool(world.subscriptions.by("external_id", event["external_subscription_id"]))
