"""What a subscription's charges amount to within a window: the common ground of usage and invoices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from glue.sandbox.lago.aggregation import Units, Window, aggregate, measure
from glue.sandbox.lago.events import stream_of
from glue.sandbox.lago.pricing import Price, price
from glue.sandbox.lago.values import cents, given
from glue.sandbox.lago.world import Row, World

ANY_VALUE = "__ALL_FILTER_VALUES__"


@dataclass(frozen=True)
class Line:
    """One charge, or one filter of it (``part`` None: the rest), with its units and price."""

    charge: Row
    metric: Row
    part: Row | None
    units: Units
    price: Price
    amount_cents: int

    @property
    def is_empty(self) -> bool:
        return not (self.amount_cents or self.units.shown or self.units.billed or self.units.events_count)


def first_start(world: World, subscription: Row) -> int:
    """When the first row of this external id began, over up- and downgrades and restarts."""
    rows = world.subscriptions.by("external_id", subscription["external_id"])
    starts = [row["started_at"] for row in rows if row["customer_id"] == subscription["customer_id"] and row["started_at"] is not None]
    return min(starts, default=subscription["started_at"] or 0)


def _matches(part: Row, properties: Row) -> bool:
    for key, values in part["values"].items():
        value = properties.get(key)
        if value is None or (ANY_VALUE not in values and str(value) not in [str(item) for item in values]):
            return False
    return True


def _split(charge: Row, rows: Sequence[Row]) -> list[tuple[Row | None, list[Row]]]:
    """Events by the most specific filter that takes them, the rest last."""
    shares: dict[int | None, list[Row]] = {index: [] for index in range(len(charge["filters"]))}
    shares[None] = []
    order = sorted(range(len(charge["filters"])), key=lambda index: -len(charge["filters"][index]["values"]))
    for row in rows:
        taker = next((index for index in order if _matches(charge["filters"][index], row["properties"])), None)
        shares[taker].append(row)
    return [(charge["filters"][index] if index is not None else None, share) for index, share in shares.items()]


def lines_of(world: World, subscription: Row, window: Window, charge: Row, *, without: str | None = None) -> list[Line]:
    """The charge's lines, one a filter and one for the rest; ``without`` leaves one event out."""
    metric = world.metrics.get(charge["metric_id"])
    assert metric is not None  # deleting a metric takes its charges along
    reach = min(window.from_at, first_start(world, subscription)) if metric["recurring"] else window.from_at
    stream = world.events.by("stream", stream_of(subscription["external_id"], metric["code"]))
    rows = [row for row in stream if reach <= row["timestamp"] <= window.to_at and row["id"] != without]
    shares = _split(charge, rows) if charge["filters"] else [(None, rows)]
    return [_line(charge, metric, part, share, window) for part, share in shares]


def _line(charge: Row, metric: Row, part: Row | None, rows: list[Row], window: Window) -> Line:
    measured = measure(metric["aggregation_type"], metric["field_name"], rows)
    units = aggregate(metric, measured, window, prorated=charge["prorated"])
    if charge["charge_model"] == "dynamic":
        fixed = sum((given(row["precise_total_amount_cents"]) for row in rows), Fraction(0))
        units = replace(units, fixed_cents=fixed)
    properties: dict[str, Any] = part["properties"] if part else charge["properties"]
    priced = price(charge["charge_model"], properties, units)
    return Line(charge, metric, part, units, priced, cents(priced.amount * 100))


def all_lines(world: World, subscription: Row, plan: Row, window: Window) -> list[Line]:
    return [line for charge in plan["charges"] for line in lines_of(world, subscription, window, charge)]
