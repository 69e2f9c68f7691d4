"""What is metered: the declared metrics as the hot path needs them. Read from ``lago/billable_metrics.yaml``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from glue.errors import BadInput, ConfigInvalid


class Aggregation(StrEnum):
    """How a period's total comes from its facts, and how facts fold into one event."""

    SUM = "sum_agg"
    MAX = "max_agg"
    LATEST = "latest_agg"


@dataclass(frozen=True, slots=True)
class MeterKind:
    """A meter: the event property that carries its units, and the dimensions that Lago prices apart (its filters)."""

    code: str
    aggregation: Aggregation = Aggregation.SUM
    field_name: str = "units"
    priced_dimensions: frozenset[str] = frozenset()

    @property
    def adds(self) -> bool:
        return self.aggregation is Aggregation.SUM

    def combine(self, before: int, units: int) -> int:
        """The total after one more fact."""
        if self.aggregation is Aggregation.SUM:
            return before + units
        return max(before, units) if self.aggregation is Aggregation.MAX else units


class Meters:
    """All meters by code."""

    def __init__(self, kinds: Iterable[MeterKind]) -> None:
        self._kinds = {kind.code: kind for kind in kinds}

    def get(self, code: Any) -> MeterKind:
        """Raises BadInput for a meter that is not declared: Lago would take its usage and never count it."""
        kind = self._kinds.get(code) if isinstance(code, str) else None
        if kind is None:
            raise BadInput("There is no such meter.", field="meter", expected=f"one of {', '.join(sorted(self._kinds))}")
        return kind

    def __iter__(self) -> Any:
        return iter(self._kinds.values())


def read_meters(metrics: Iterable[Mapping[str, Any]]) -> Meters:
    """Meters out of metrics in Lago's shape. Raises ConfigInvalid for one whose events cannot be folded into sums."""
    kinds = []
    for metric in metrics:
        code, aggregation = str(metric.get("code")), metric.get("aggregation_type")
        if aggregation not in set(Aggregation):
            raise ConfigInvalid(
                f"Metric {code}: usage cannot be rolled up for {aggregation}.",
                remedy=f"Declare it as {', '.join(Aggregation)}; a count is a sum over units.",
            )
        kinds.append(
            MeterKind(
                code=code,
                aggregation=Aggregation(str(aggregation)),
                field_name=str(metric.get("field_name") or "units"),
                priced_dimensions=frozenset(str(entry["key"]) for entry in metric.get("filters") or []),
            )
        )
    return Meters(kinds)


def priced_of(kind: MeterKind, dimensions: str) -> str:
    """The dimensions that Lago prices apart; facts alike in them go into one event."""
    if not kind.priced_dimensions:
        return "{}"
    wanted = {name: value for name, value in orjson.loads(dimensions).items() if name in kind.priced_dimensions}
    return orjson.dumps(wanted, option=orjson.OPT_SORT_KEYS).decode()
