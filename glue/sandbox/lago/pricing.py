"""Charge models: units in, an exact amount in the currency's main unit and its details out. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from glue.sandbox.lago.aggregation import Units
from glue.sandbox.lago.values import exact, given, number_text

Details = dict[str, Any]


@dataclass(frozen=True)
class Price:
    amount: Fraction  # in the main unit: 12.5 is 1250 cents
    unit_amount: Fraction
    details: Details


def price(model: str, properties: Details, units: Units) -> Price:
    """What ``units`` cost. A negative total costs nothing."""
    return MODELS[model](properties, units)


def _per_unit(amount: Fraction, units: Units) -> Fraction:
    return amount / units.shown if units.shown > 0 else Fraction(0)


def _standard(properties: Details, units: Units) -> Price:
    rate = given(properties.get("amount"))
    amount = max(units.billed, Fraction(0)) * rate
    if units.billed == units.shown:
        return Price(amount, rate if units.shown > 0 else Fraction(0), {})
    return Price(amount, _per_unit(amount, units), {})


def _tiers(ranges: list[Details]) -> list[tuple[Details, Fraction, Fraction | None]]:
    """Each range with the units below it and its own end."""
    below = Fraction(0)
    tiers = []
    for row in ranges:
        end = exact(row.get("to_value"))
        tiers.append((row, below, end))
        below = end if end is not None else below
    return tiers


def _graduated(properties: Details, units: Units) -> Price:
    """Each range prices the units that fall into it; its flat amount is due once any does."""
    total, shown = Fraction(0), []
    for row, below, end in _tiers(properties["graduated_ranges"]):
        inside = max((units.billed if end is None else min(units.billed, end)) - below, Fraction(0))
        if inside <= 0 and below > 0:
            break
        rate, flat = given(row["per_unit_amount"]), given(row["flat_amount"]) if inside > 0 else Fraction(0)
        amount = inside * rate
        total += amount + flat
        shown.append(
            {
                "units": number_text(inside),
                "to_value": row["to_value"],
                "from_value": row["from_value"],
                "per_unit_amount": number_text(rate),
                "flat_unit_amount": number_text(flat),
                "per_unit_total_amount": number_text(amount),
                "total_with_flat_amount": number_text(amount + flat),
            }
        )
    return Price(total, _per_unit(total, units), {"graduated_ranges": shown})


def _volume(properties: Details, units: Units) -> Price:
    """The range that the total falls into prices all units; the first one's flat amount is due even for none."""
    count = max(units.billed, Fraction(0))
    row = next(row for row, _, end in _tiers(properties["volume_ranges"]) if end is None or count <= end)
    rate, flat = given(row["per_unit_amount"]), given(row["flat_amount"])
    total = count * rate + flat
    details = {
        "per_unit_amount": number_text(rate if count else 0),
        "flat_unit_amount": number_text(flat),
        "per_unit_total_amount": number_text(count * rate),
    }
    return Price(total, _per_unit(total, units), details)


def _package(properties: Details, units: Units) -> Price:
    free, size = given(properties.get("free_units")), given(properties.get("package_size"))
    amount = given(properties.get("amount"))
    paid = max(units.billed - free, Fraction(0))
    total = math.ceil(paid / size) * amount
    details = {
        "free_units": number_text(free),
        "paid_units": number_text(paid),
        "per_package_size": properties.get("package_size"),
        "per_package_unit_amount": number_text(amount),
    }
    return Price(total, total / paid if paid else Fraction(0), details)


def _percentage(properties: Details, units: Units) -> Price:
    """A rate on the amounts plus a fixed fee an event, after free events or a free total."""
    rate, fixed = given(properties.get("rate")), given(properties.get("fixed_amount"))
    free_events = int(properties.get("free_units_per_events") or 0)
    free_total = exact(properties.get("free_units_per_total_aggregation"))
    events, free_units, running = 0, Fraction(0), Fraction(0)
    if free_events or free_total is not None:
        for value in units.values:
            if (free_events and events >= free_events) or (free_total is not None and running + value > free_total):
                break
            events, running = events + 1, running + value
        free_units = running
    paid_events = max(units.events_count - events, 0)
    paid = max(units.billed - free_units, Fraction(0))
    by_rate = paid * rate / 100
    total = by_rate + paid_events * fixed
    details = {
        "rate": number_text(rate),
        "units": number_text(units.billed),
        "free_units": number_text(free_units),
        "paid_units": number_text(paid),
        "free_events": events,
        "paid_events": paid_events,
        "fixed_fee_unit_amount": number_text(fixed),
        "per_unit_total_amount": number_text(by_rate),
        "fixed_fee_total_amount": number_text(paid_events * fixed),
        "min_max_adjustment_total_amount": "0.0",
    }
    return Price(total, _per_unit(total, units), details)


def _dynamic(_: Details, units: Units) -> Price:
    amount = units.fixed_cents / 100
    return Price(amount, _per_unit(amount, units), {})


MODELS: dict[str, Callable[[Details, Units], Price]] = {
    "standard": _standard,
    "graduated": _graduated,
    "volume": _volume,
    "package": _package,
    "percentage": _percentage,
    "dynamic": _dynamic,
}
