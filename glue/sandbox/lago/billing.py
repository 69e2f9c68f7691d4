"""Turning due subscriptions into invoices."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from glue.sandbox.lago.aggregation import Window
from glue.sandbox.lago.boundaries import Boundaries
from glue.sandbox.lago.charge_lines import all_lines
from glue.sandbox.lago.credit_notes import credit_fee
from glue.sandbox.lago.fees import charge_fee, subscription_fee
from glue.sandbox.lago.invoice_views import show_invoice
from glue.sandbox.lago.invoicing import make_invoice
from glue.sandbox.lago.periods import days_between
from glue.sandbox.lago.subscription_views import charge_period, customer_of, plan_of, plan_period
from glue.sandbox.lago.values import day_of, start_of
from glue.sandbox.lago.world import Row, World

Billed = tuple[Row, Boundaries]


def invoice_subscriptions(world: World, billed: Sequence[Billed]) -> Row:
    """One invoice for what is billed of one customer's subscriptions; told as ``invoice.created``."""
    fees: list[Row] = []
    periods: list[Row] = []
    for subscription, bounds in billed:
        plan = plan_of(world, subscription)
        if bounds.fee_cents is not None:
            fees.append(subscription_fee(world, subscription, plan, bounds.fee_cents, bounds.from_at, bounds.to_at))
        if bounds.charges is not None:
            lines = all_lines(world, subscription, plan, bounds.charges)
            currency = plan["amount_currency"]
            fees += [
                charge_fee(world, subscription, line, currency, bounds.charges.from_at, bounds.charges.to_at)
                for line in lines
                if not line.is_empty and not line.charge["pay_in_advance"]
            ]
        periods.append(_period(subscription, bounds))
        if bounds.charges is not None:
            subscription["billed_until"] = max(subscription["billed_until"], bounds.charges.to_at)
            world.subscriptions.put(subscription["id"], subscription)
    first = billed[0][0]
    currency = plan_of(world, first)["amount_currency"]
    invoice = make_invoice(world, customer_of(world, first), "subscription", currency, fees, periods)
    world.tell("invoice.created", "invoice", show_invoice(world, invoice, "created"))
    return invoice


def _period(subscription: Row, bounds: Boundaries) -> Row:
    charges_from, charges_to = bounds.shown_charges
    return {
        "subscription_id": subscription["id"],
        "external_subscription_id": subscription["external_id"],
        "plan_id": subscription["plan_id"],
        "from_at": bounds.from_at,
        "to_at": bounds.to_at,
        "charges_from": charges_from,
        "charges_to": charges_to,
        "shows_fixed_charges": bounds.shows_fixed_charges,
        "reason": bounds.reason,
    }


def invoice_event_fee(world: World, subscription: Row, fee: Row, window: Window, issued: date) -> Row:
    """An invoice of one fee of a charge paid in advance, dated ``issued``."""
    shown = (window.from_at, window.to_at)
    from_at = start_of(day_of(window.from_at))
    bounds = Boundaries("in_advance_charge", from_at, window.to_at, window, shown, None)
    currency = plan_of(world, subscription)["amount_currency"]
    customer = customer_of(world, subscription)
    invoice = make_invoice(world, customer, "subscription", currency, [fee], [_period(subscription, bounds)], issued)
    world.tell("invoice.created", "invoice", show_invoice(world, invoice, "created"))
    return invoice


def next_billing_day(world: World, subscription: Row, after: date) -> str:
    """The first day after ``after`` that opens a new period of the plan or of its charges."""
    plan = plan_of(world, subscription)
    days = (plan_period(plan, subscription, after).next_first, charge_period(plan, subscription, after).next_first)
    return min(days).isoformat()


def credit_unused(world: World, subscription: Row, first_unused: date) -> None:
    """Give back what was paid in advance for the days from ``first_unused`` on, at the price that was billed."""
    plan = plan_of(world, subscription)
    for invoice in reversed(world.invoices.by("customer_id", subscription["customer_id"])):
        if invoice["status"] != "finalized":
            continue
        for fee in invoice["fees"]:
            is_last = fee["subscription_id"] == subscription["id"] and fee["type"] == "subscription" and fee["pay_in_advance"]
            if is_last:
                first, last = max(first_unused, day_of(fee["from_at"])), day_of(fee["to_at"])
                whole = plan_period(plan, subscription, last)
                amount = Fraction(fee["amount_details"]["plan_amount_cents"] * days_between(first, last), whole.days)
                if amount > 0:
                    credit_fee(world, invoice, fee, amount)
                return
