"""Current and past usage."""

from fractions import Fraction

from glue.sandbox.lago.aggregation import Window
from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.charge_lines import Line, all_lines, lines_of
from glue.sandbox.lago.customers import find_customer
from glue.sandbox.lago.errors import invalid, not_allowed, not_found
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.subscription_views import charge_period, find_subscription, plan_of, plan_period
from glue.sandbox.lago.values import cents, day_of, end_of, exact, iso, number_text, start_of, whole
from glue.sandbox.lago.world import Row, World, pick


def current_window(world: World, subscription: Row, plan: Row) -> Window:
    """The running period of the charges, from the subscription's exact start when that lies within."""
    period = charge_period(plan, subscription, day_of(max(world.now(), subscription["started_at"])))
    return Window(max(start_of(period.first), subscription["started_at"]), end_of(period.last), period)


def tax_rates(world: World, customer: Row) -> list[Fraction]:
    ids = customer["tax_ids"] or [tax["id"] for tax in world.taxes if tax["applied_to_organization"]]
    return [Fraction(str(tax["rate"])) for tax in map(world.taxes.get, ids) if tax]


def _share(line: Line) -> Row:
    return {
        "units": number_text(line.units.shown, 16),
        "total_aggregated_units": number_text(line.units.total),
        "events_count": line.units.events_count,
        "amount_cents": line.amount_cents,
        "pricing_unit_details": None,
    }


def show_charge_usage(lines: list[Line], currency: str) -> Row:
    charge, metric = lines[0].charge, lines[0].metric
    parts = [
        {
            **_share(line),
            "invoice_display_name": line.part["invoice_display_name"] if line.part else None,
            "values": line.part["values"] if line.part else None,
            "presentation_breakdowns": [],
        }
        for line in lines
    ]
    return {
        "units": number_text(sum((line.units.shown for line in lines), Fraction(0)), 16),
        "total_aggregated_units": number_text(sum((line.units.total for line in lines), Fraction(0))),
        "events_count": sum(line.units.events_count for line in lines),
        "amount_cents": sum(line.amount_cents for line in lines),
        "amount_currency": currency,
        "pricing_unit_details": None,
        "charge": {
            "lago_id": charge["id"],
            **pick(charge, "code charge_model invoice_display_name"),
        },
        "billable_metric": {"lago_id": metric["id"], **pick(metric, "name code aggregation_type")},
        "filters": parts if charge["filters"] else [],
        "grouped_usage": [],
        "presentation_breakdowns": [],
    }


def current_usage(world: World, call: Call) -> Answer:
    customer = find_customer(world, call.path["external_id"])
    if customer is None:
        raise not_found("resource")
    external_id = call.asked("external_subscription_id")
    rows = [row for row in world.subscriptions.by("external_id", external_id) if row["status"] == "active"]
    if not rows or rows[-1]["customer_id"] != customer["id"]:
        raise not_allowed("no_active_subscription")
    if call.asked_flag("full_usage"):
        raise not_allowed("full_usage_not_allowed")
    subscription = rows[-1]
    plan = plan_of(world, subscription)
    window = current_window(world, subscription, plan)
    wanted_charge, wanted_metric = call.asked("filter_by_charge_code"), call.asked("filter_by_metric_code")
    usages = []
    for charge in plan["charges"]:
        metric = world.metrics.get(charge["metric_id"])
        if wanted_charge not in (None, charge["code"]) or (wanted_metric and metric and metric["code"] != wanted_metric):
            continue
        usages.append(show_charge_usage(lines_of(world, subscription, window, charge), plan["amount_currency"]))
    amount = sum(usage["amount_cents"] for usage in usages)
    rates = [] if call.asked_flag("apply_taxes") is False else tax_rates(world, customer)
    taxes = cents(amount * sum(rates, Fraction(0)) / 100)
    return {
        "customer_usage": {
            "from_datetime": iso(window.from_at),
            "to_datetime": iso(window.to_at),
            "issuing_date": plan_period(plan, subscription, window.whole.last).last.isoformat(),
            "currency": plan["amount_currency"],
            "amount_cents": amount,
            "total_amount_cents": amount + taxes,
            "taxes_amount_cents": taxes,
            "lago_invoice_id": None,
            "charges_usage": usages,
        }
    }


def usage_cents(world: World, customer_id: str) -> int:
    """What the customer's active subscriptions have used in their running periods, taxes included."""
    total = 0
    for subscription in world.subscriptions.by("customer_id", customer_id):
        if subscription["status"] == "active":
            plan = plan_of(world, subscription)
            lines = all_lines(world, subscription, plan, current_window(world, subscription, plan))
            total += sum(line.amount_cents for line in lines)
    customer = world.customers.get(customer_id) or {"tax_ids": []}
    return total + cents(total * sum(tax_rates(world, customer), Fraction(0)) / 100)


def past_usage(world: World, call: Call) -> Answer:
    """Periods that invoices have closed, newest first."""
    customer = find_customer(world, call.path["external_id"])
    external_id = call.asked("external_subscription_id")
    if not external_id:
        raise invalid({"external_subscription_id": ["value_is_mandatory"]})
    if customer is None:
        raise not_found("customer")
    rows = []
    for invoice in reversed(world.invoices.by("customer_id", customer["id"])):
        for period in invoice["periods"]:
            is_wanted = period["external_subscription_id"] == external_id and period["reason"] != "subscription_starting"
            if is_wanted and invoice["status"] == "finalized":
                rows.append((invoice, period))
    return page_of(call.query, "usage_periods", rows, lambda row: _show_past(*row))


def _show_past(invoice: Row, period: Row) -> Row:
    usages: dict[str, Row] = {}
    for fee in invoice["fees"]:
        if fee["subscription_id"] != period["subscription_id"] or fee["type"] != "charge":
            continue
        usage = usages.get(fee["charge_id"])
        if usage is None:
            usage = usages[fee["charge_id"]] = {**fee["usage"], "filters": []}
        if fee["usage"]["filters"]:
            usage["filters"] = usage["filters"] + fee["usage"]["filters"]
            for name in ("events_count", "amount_cents"):
                usage[name] = sum(part[name] for part in usage["filters"])
            for name in ("units", "total_aggregated_units"):
                usage[name] = number_text(sum((exact(part[name]) or 0 for part in usage["filters"]), Fraction(0)))
    return {
        "from_datetime": iso(period["charges_from"]),
        "to_datetime": iso(period["charges_to"]),
        "issuing_date": invoice["issuing_date"],
        "currency": invoice["currency"],
        "amount_cents": invoice["fees_amount_cents"],
        "total_amount_cents": invoice["fees_amount_cents"] + invoice["taxes_amount_cents"],
        "taxes_amount_cents": invoice["taxes_amount_cents"],
        "lago_invoice_id": invoice["id"],
        "charges_usage": list(usages.values()),
    }


def _lifetime(world: World, subscription: Row) -> Answer:
    if "lifetime_usage_id" not in subscription:
        subscription["lifetime_usage_id"] = world.new_id()
        world.subscriptions.put(subscription["id"], subscription)
    return {
        "lifetime_usage": {
            "lago_id": subscription["lifetime_usage_id"],
            "lago_subscription_id": subscription["id"],
            "external_subscription_id": subscription["external_id"],
            "external_historical_usage_amount_cents": subscription.get("historical_usage_cents", 0),
            "invoiced_usage_amount_cents": 0,  # never computed without a licence
            "current_usage_amount_cents": 0,
            "from_datetime": iso(subscription["subscription_at"]),
            "to_datetime": iso(world.now()),
        }
    }


def lifetime_usage(world: World, call: Call) -> Answer:
    return _lifetime(world, find_subscription(world, call.path["external_id"]))


def set_historical_usage(world: World, call: Call) -> Answer:
    subscription = find_subscription(world, call.path["external_id"])
    sent = call.root("lifetime_usage")
    subscription["historical_usage_cents"] = whole(sent.get("external_historical_usage_amount_cents")) or 0
    world.subscriptions.put(subscription["id"], subscription)
    return _lifetime(world, subscription)


ROUTES = [
    ("GET", "/customers/{external_id}/current_usage", current_usage),
    ("GET", "/customers/{external_id}/past_usage", past_usage),
    ("GET", "/subscriptions/{external_id}/lifetime_usage", lifetime_usage),
    ("PUT", "/subscriptions/{external_id}/lifetime_usage", set_historical_usage),
]
