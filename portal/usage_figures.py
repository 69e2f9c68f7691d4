"""Figures of metered usage as pages draw them: the running period, by day, by who used it, and where it is heading."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from glue.rules.names import TenantId
from glue.wiring import Services

DIMENSIONS = ("member", "program", "license", "agent")


@dataclass(frozen=True)
class MeterUse:
    """Units of the running period; a limit of None is unlimited."""

    code: str
    used: Decimal
    limit: Decimal | None
    held: Decimal


@dataclass(frozen=True)
class MeterHistory:
    """``points`` are (share of the period, units so far), ``days`` (day, units), ``splits`` by dimension (who, units)."""

    points: tuple[tuple[float, Decimal], ...]
    days: tuple[tuple[date, Decimal], ...]
    splits: Mapping[str, tuple[tuple[str, Decimal], ...]]
    forecast: Decimal | None


def read_meters(services: Services, tenant: TenantId) -> tuple[tuple[MeterUse, ...], datetime | None]:
    """Usage of every meter that the plan limits, and when the period ends; nothing before the first look at a new customer."""
    snapshot = services.meter.snapshots.get(tenant)
    if snapshot is None:
        return (), None
    usage = services.meter.usage_of(tenant)
    meters = tuple(
        MeterUse(code, _number(row["used"]) or Decimal(0), _number(row["limit"]), _number(row["held"]) or Decimal(0))
        for code, row in usage["meters"].items()
        if code in snapshot.meters
    )
    return meters, datetime.fromisoformat(usage["period"]["ends_at"]) if usage["period"] else None


def read_history(services: Services, tenant: TenantId, meter: MeterUse, *, starts: datetime, ends: datetime, now: datetime) -> MeterHistory:
    """What was used from ``starts`` on, day by day. The forecast goes on at the pace of the last seven days."""
    by_day: dict[date, Decimal] = defaultdict(Decimal)
    for row in services.meter.usage_by_day(tenant, meter.code, since=starts):
        by_day[date.fromisoformat(row.day)] += row.units
    length, total = (ends - starts) / timedelta(days=1), Decimal(0)
    points: list[tuple[float, Decimal]] = [(0.0, Decimal(0))]
    days = [(starts.date() + timedelta(days=offset)) for offset in range((min(now, ends).date() - starts.date()).days + 1)]
    for place, day in enumerate(days):
        total += by_day[day]
        points.append((min((place + 1) / length, 1.0), total))
    splits = {}
    for dimension in DIMENSIONS:
        units: dict[str, Decimal] = defaultdict(Decimal)
        for row in services.meter.usage_by_day(tenant, meter.code, since=starts, dimension=dimension):
            if row.value:
                units[row.value] += row.units
        splits[dimension] = tuple(sorted(units.items(), key=lambda pair: -pair[1])[:50])
    recent = days[-7:]
    pace = sum((by_day[day] for day in recent), Decimal(0)) / max(len(recent), 1)
    left = max((ends.date() - now.date()).days - 1, 0)
    forecast = meter.used + pace * left if meter.used and left else None
    return MeterHistory(tuple(points), tuple((day, by_day[day]) for day in days), splits, forecast)


def _number(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
