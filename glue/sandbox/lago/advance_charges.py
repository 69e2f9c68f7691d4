"""Charges paid in advance: every event makes its own fee and its own invoice, at once."""

from dataclasses import replace

from glue.sandbox.lago.aggregation import Window
from glue.sandbox.lago.billing import invoice_event_fee
from glue.sandbox.lago.charge_lines import Line, lines_of
from glue.sandbox.lago.fees import charge_fee, show_fee
from glue.sandbox.lago.pricing import Price
from glue.sandbox.lago.subscription_views import charge_period, plan_of
from glue.sandbox.lago.values import cents, day_of, end_of, start_of
from glue.sandbox.lago.world import Row, World


def bill_event(world: World, event: Row) -> None:
    """Bill what this event adds to its period, dated by the event: a late one is overdue the day it is made."""
    metric = world.metrics.one("code", event["code"])
    for subscription in world.subscriptions.by("external_id", event["external_subscription_id"]) if metric else []:
        if subscription["status"] != "active" or event["timestamp"] < subscription["started_at"]:
            continue
        plan = plan_of(world, subscription)
        for charge in plan["charges"]:
            if charge["pay_in_advance"] and charge["metric_id"] == (metric or {})["id"]:
                _bill(world, subscription, plan, charge, event)


def _bill(world: World, subscription: Row, plan: Row, charge: Row, event: Row) -> None:
    period = charge_period(plan, subscription, day_of(event["timestamp"]))
    window = Window(max(start_of(period.first), subscription["started_at"]), end_of(period.last), period)
    after = lines_of(world, subscription, window, charge)
    before = lines_of(world, subscription, window, charge, without=event["id"])
    for line, base in zip(after, before, strict=True):
        if line.units.events_count > base.units.events_count:
            added = _added(line, base)
            fee = charge_fee(world, subscription, added, plan["amount_currency"], window.from_at, window.to_at)
            fee["event_transaction_id"] = event["transaction_id"]
            invoice = invoice_event_fee(world, subscription, fee, window, day_of(event["timestamp"]))
            world.tell("fee.created", "fee", show_fee(world, invoice, fee))


def _added(line: Line, base: Line) -> Line:
    units = replace(
        line.units,
        billed=line.units.billed - base.units.billed,
        shown=line.units.shown - base.units.shown,
        events_count=line.units.events_count - base.units.events_count,
    )
    amount = line.price.amount - base.price.amount
    unit = amount / units.shown if units.shown > 0 else amount * 0
    return replace(line, units=units, price=Price(amount, unit, line.price.details), amount_cents=cents(amount * 100))
