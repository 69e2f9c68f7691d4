"""What plans, their charges and their entitlements look like in answers and webhooks."""

from glue.sandbox.lago.taxes import shown_taxes
from glue.sandbox.lago.values import iso
from glue.sandbox.lago.world import Row, World, pick

# Which of the optional parts each place shows.
PARTS = {
    "answer": ("fixed_charges", "entitlements", "applicable_usage_thresholds", "metadata"),
    "list": ("entitlements", "applicable_usage_thresholds"),
    "webhook": ("entitlements", "metadata"),
    "deleted": (),
    "subscription": ("applicable_usage_thresholds",),
}


def show_charge(world: World, charge: Row) -> Row:
    metric = world.metrics.get(charge["metric_id"])
    return {
        "lago_id": charge["id"],
        "lago_billable_metric_id": charge["metric_id"],
        "code": charge["code"],
        "invoice_display_name": charge["invoice_display_name"],
        "billable_metric_code": metric["code"] if metric else None,
        "created_at": iso(charge["created_at"]),
        "charge_model": charge["charge_model"],
        "invoiceable": True,  # the paid edition's fields are dropped
        "regroup_paid_fees": None,
        "pay_in_advance": charge["pay_in_advance"],
        "prorated": charge["prorated"],
        "min_amount_cents": 0,
        "accepts_target_wallet": False,
        "properties": charge["properties"],
        "applied_pricing_unit": None,
        "lago_parent_id": None,
        "filters": [
            {
                "lago_id": part["id"],
                "charge_code": charge["code"],
                **pick(part, "invoice_display_name properties values"),
            }
            for part in charge["filters"]
        ],
        "taxes": shown_taxes(world, charge["tax_ids"]),
    }


def show_entitlement(world: World, feature_code: str, values: Row) -> Row | None:
    """One feature with the values that a plan gives; None when the feature is gone."""
    feature = world.features.one("code", feature_code)
    if feature is None:
        return None
    held = [(feature["privileges"][code], value) for code, value in values.items() if code in feature["privileges"]]
    privileges = [
        {"code": row["code"], "name": row["name"], "value_type": row["value_type"], "value": value, "config": row["config"]}
        for row, value in held
    ]
    return {**pick(feature, "code name description"), "privileges": privileges}


def shown_entitlements(world: World, plan: Row) -> list[Row]:
    shown = [show_entitlement(world, code, values) for code, values in plan["entitlements"].items()]
    return [row for row in shown if row]


def show_plan(world: World, plan: Row, place: str) -> Row:
    shown: Row = {"lago_id": plan["id"], "name": plan["name"], "invoice_display_name": plan["invoice_display_name"]}
    shown["created_at"] = iso(plan["created_at"])
    shown |= pick(plan, "code interval description amount_cents amount_currency trial_period pay_in_advance")
    shown |= {
        "bill_charges_monthly": plan["bill_charges_monthly"],
        "bill_fixed_charges_monthly": False if plan["bill_charges_monthly"] is not None else None,
        "customers_count": 0,
        "active_subscriptions_count": 0,
        "draft_invoices_count": 0,
        "parent_id": None,
        "pending_deletion": plan["pending_deletion"],
        "charges": [show_charge(world, charge) for charge in plan["charges"]],
        "usage_thresholds": [],
        "taxes": shown_taxes(world, plan["tax_ids"]),
    }
    parts = PARTS[place]
    if "fixed_charges" in parts:
        shown["fixed_charges"] = []
    if "entitlements" in parts:
        shown["entitlements"] = shown_entitlements(world, plan)
    if "applicable_usage_thresholds" in parts:
        shown["applicable_usage_thresholds"] = []
    if "metadata" in parts and plan["metadata"] is not None:
        shown["metadata"] = plan["metadata"]
    return shown


def tell_plan(world: World, webhook_type: str, plan: Row) -> None:
    place = "deleted" if webhook_type == "plan.deleted" else "webhook"
    world.later(lambda: world.tell(webhook_type, "plan", show_plan(world, plan, place)))
