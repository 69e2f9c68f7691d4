"""Usage alerts: stored and shown; without a licence nothing ever evaluates them."""

from glue.sandbox.lago.call import Answer, Call, required
from glue.sandbox.lago.errors import invalid, not_found
from glue.sandbox.lago.metrics import show_metric
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.subscription_views import find_subscription
from glue.sandbox.lago.values import exact, iso, number_text, text
from glue.sandbox.lago.world import Row, World, pick

TYPES = ("current_usage_amount", "billable_metric_current_usage_amount", "billable_metric_current_usage_units")
PAID_TYPES = ("lifetime_usage_amount", "billable_metric_lifetime_usage_units")


def show_alert(world: World, alert: Row) -> Row:
    shown = {
        "lago_id": alert["id"],
        "lago_organization_id": world.organization_id,
        "subscription_external_id": alert["subscription_external_id"],
        "external_subscription_id": alert["subscription_external_id"],
        "lago_wallet_id": None,
        "wallet_code": None,
        **pick(alert, "alert_type code name"),
        "direction": "increasing",
        "previous_value": "0.0",
        "last_processed_at": None,
        "thresholds": alert["thresholds"],
        "created_at": iso(alert["created_at"]),
    }
    metric = world.metrics.get(alert["metric_id"]) if alert["metric_id"] else None
    shown["billable_metric"] = show_metric(world, metric) if metric else None
    return shown


def _thresholds(sent: object) -> list[Row]:
    entries = [entry for entry in sent if isinstance(entry, dict)] if isinstance(sent, list) else []
    if not entries:
        raise invalid({"thresholds": ["value_is_mandatory"]})
    return [
        {
            "code": text(entry.get("code")),
            "value": number_text(exact(entry.get("value")) or 0),
            "recurring": entry.get("recurring") is True,
        }
        for entry in entries
    ]


def create_alert(world: World, call: Call) -> Answer:
    external_id = call.path["external_id"]
    find_subscription(world, external_id)
    fields = call.root("alert")
    problems = required(fields, "code")
    if problems:
        raise invalid(problems)
    kind = fields.get("alert_type")
    if kind in PAID_TYPES:
        raise invalid({"alert_type": ["feature_not_available"]})
    if kind not in TYPES:
        raise invalid({"alert_type": ["invalid_type"]})
    thresholds = _thresholds(fields.get("thresholds"))
    metric = None
    if fields.get("billable_metric_code"):
        metric = world.metrics.one("code", text(fields["billable_metric_code"]))
        if metric is None:
            raise not_found("billable_metric")
    present = world.alerts.by("subscription_external_id", external_id)
    if any(row["code"] == text(fields["code"]) for row in present):
        raise invalid({"code": ["value_already_exist"]})
    metric_id = metric["id"] if metric else None
    if any(row["alert_type"] == kind and row["metric_id"] == metric_id for row in present):
        raise invalid({"base": ["alert_already_exists"]})
    alert = {
        "id": world.new_id(),
        "subscription_external_id": external_id,
        "alert_type": kind,
        "code": text(fields["code"]),
        "name": text(fields.get("name")),
        "thresholds": thresholds,
        "metric_id": metric_id,
        "created_at": world.now(),
    }
    world.alerts.put(alert["id"], alert)
    return {"alert": show_alert(world, alert)}


def _known(world: World, call: Call) -> Row:
    find_subscription(world, call.path["external_id"])
    rows = world.alerts.by("subscription_external_id", call.path["external_id"])
    alert = next((row for row in rows if row["code"] == call.path["alert_code"]), None)
    if alert is None:
        raise not_found("alert")
    return alert


def get_alert(world: World, call: Call) -> Answer:
    return {"alert": show_alert(world, _known(world, call))}


def list_alerts(world: World, call: Call) -> Answer:
    find_subscription(world, call.path["external_id"])
    rows = world.alerts.by("subscription_external_id", call.path["external_id"])[::-1]
    return page_of(call.query, "alerts", rows, lambda row: show_alert(world, row))


def update_alert(world: World, call: Call) -> Answer:
    alert, fields = _known(world, call), call.root("alert")
    if "name" in fields:
        alert["name"] = text(fields["name"])
    if "thresholds" in fields:
        alert["thresholds"] = _thresholds(fields["thresholds"])
    world.alerts.put(alert["id"], alert)
    return {"alert": show_alert(world, alert)}


def delete_alert(world: World, call: Call) -> Answer:
    alert = _known(world, call)
    world.alerts.remove(alert["id"])
    return {"alert": show_alert(world, {**alert, "thresholds": []})}


def delete_alerts(world: World, call: Call) -> Answer:
    find_subscription(world, call.path["external_id"])
    for alert in world.alerts.by("subscription_external_id", call.path["external_id"]):
        world.alerts.remove(alert["id"])
    return None


ROUTES = [
    ("POST", "/subscriptions/{external_id}/alerts", create_alert),
    ("GET", "/subscriptions/{external_id}/alerts", list_alerts),
    ("DELETE", "/subscriptions/{external_id}/alerts", delete_alerts),
    ("GET", "/subscriptions/{external_id}/alerts/{alert_code}", get_alert),
    ("PUT", "/subscriptions/{external_id}/alerts/{alert_code}", update_alert),
    ("DELETE", "/subscriptions/{external_id}/alerts/{alert_code}", delete_alert),
]
