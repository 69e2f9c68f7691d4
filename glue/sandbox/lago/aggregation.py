"""From events to units, by aggregation. Pure: a metric's events in, exact numbers out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from glue.sandbox.lago.periods import Period, days_between
from glue.sandbox.lago.values import DAY_MS, cents, day_of, exact, places

ZERO = Fraction(0)


@dataclass(frozen=True)
class Window:
    """What is counted: from and to in milliseconds, both included, within a whole period of days."""

    from_at: int
    to_at: int
    whole: Period

    @property
    def is_partial(self) -> bool:
        days = days_between(day_of(self.from_at), day_of(self.to_at))
        return days < self.whole.days


@dataclass(frozen=True)
class Units:
    """``billed`` goes into the price model, ``shown`` into the fee, ``total`` is the running total behind them."""

    billed: Fraction
    shown: Fraction
    total: Fraction
    events_count: int
    values: Sequence[Fraction] = field(default=())
    fixed_cents: Fraction = ZERO


@dataclass(frozen=True)
class Measured:
    """An event as the aggregation sees it."""

    at: int
    value: Fraction
    key: str = ""
    adds: bool = True


def measure(aggregation: str, field_name: str | None, rows: Sequence[dict[str, Any]]) -> list[Measured]:
    """The events that count, in order of their time. A missing, null or unreadable value counts as no event."""
    measured = []
    for row in rows:
        properties = row["properties"]
        if aggregation == "count_agg":
            measured.append(Measured(row["timestamp"], Fraction(1)))
            continue
        raw = properties.get(field_name)
        if aggregation == "unique_count_agg":
            if raw is not None:
                adds = properties.get("operation_type", "add") != "remove"
                measured.append(Measured(row["timestamp"], Fraction(1), str(raw), adds))
            continue
        value = exact(raw)
        if value is not None:
            measured.append(Measured(row["timestamp"], value))
    return sorted(measured, key=lambda event: event.at)


def aggregate(metric: dict[str, Any], events: Sequence[Measured], window: Window, *, prorated: bool) -> Units:
    """Units of one charge. ``events`` reach back to the subscription's start when the metric is recurring."""
    kind = metric["aggregation_type"]
    inside = [event for event in events if event.at >= window.from_at]
    if kind in ("max_agg", "latest_agg"):
        value = ZERO
        if inside:
            value = max(event.value for event in inside) if kind == "max_agg" else inside[-1].value
        units = Units(max(value, ZERO), max(value, ZERO), max(value, ZERO), len(inside))
    elif kind == "weighted_sum_agg":
        units = _weighted(events if metric["recurring"] else inside, window, len(inside))
    elif kind == "unique_count_agg":
        units = _unique(events if metric["recurring"] else inside, window, prorated=prorated)
    else:
        counted = events if metric["recurring"] else inside
        total = sum((event.value for event in counted), ZERO)
        billed = _prorated_sum(counted, window) if prorated else total
        units = Units(billed, total, total, len(counted), [event.value for event in counted])
    return _rounded(units, metric)


def _share(first: date, last: date, whole: Period) -> Fraction:
    return Fraction(days_between(first, last), whole.days)


def _prorated_sum(events: Sequence[Measured], window: Window) -> Fraction:
    """What was there before counts for the whole window, each new event from its day on; each rounded to 5 places."""
    first, last = day_of(window.from_at), day_of(window.to_at)
    carried = sum((event.value for event in events if event.at < window.from_at), ZERO)
    total = places(carried * _share(first, last, window.whole), 5)
    for event in events:
        if event.at >= window.from_at:
            total += places(event.value * _share(day_of(event.at), last, window.whole), 5)
    return total


def _unique(events: Sequence[Measured], window: Window, *, prorated: bool) -> Units:
    """Keys that are there at the end; prorated by the days each was there, the day of its removal included."""
    first, last = day_of(window.from_at), day_of(window.to_at)
    since: dict[str, int] = {}
    spans: list[tuple[date, date]] = []
    for event in events:
        if event.adds:
            since.setdefault(event.key, event.at)
        elif event.key in since:
            spans.append((day_of(since.pop(event.key)), day_of(event.at)))
    total = Fraction(len(since))
    if not prorated:
        return Units(total, total, total, len(since), [Fraction(1)] * len(since))
    carried = sum(at < window.from_at for at in since.values())
    billed = places(carried * _share(first, last, window.whole), 5)
    spans += [(day_of(at), last) for at in since.values() if at >= window.from_at]
    for begin, end in spans:
        billed += places(_share(max(begin, first), end, window.whole), 5)
    return Units(billed, total, total, 0 if window.is_partial else len(since))


def _weighted(events: Sequence[Measured], window: Window, count: int) -> Units:
    """Every change weighs by the seconds it held, over the seconds of the whole period."""
    seconds = Fraction(window.whole.days * DAY_MS)
    end = -(-window.to_at // 1000) * 1000  # to the full second: 23:59:59.999 is the end of the day
    total = sum((event.value for event in events), ZERO)
    weighted = sum((event.value * (end - max(event.at, window.from_at)) / seconds for event in events), ZERO)
    return Units(places(weighted, 16), places(weighted, 16), total, count)


def _rounded(units: Units, metric: dict[str, Any]) -> Units:
    function, digits = metric["rounding_function"], metric["rounding_precision"] or 0
    if function is None:
        return units
    scale = Fraction(10) ** digits
    scaled = units.billed * scale
    rounded = Fraction({"ceil": math.ceil, "floor": math.floor}.get(function, cents)(scaled)) / scale
    return Units(rounded, rounded, units.total, units.events_count, units.values)
