"""What a change of plan would mean, before anybody decides: what is gained, what is lost, what stands in the way, what it costs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from glue.rules.tiers import Tier


@dataclass(frozen=True, slots=True)
class Gain:
    """``kind`` is seats, machines, programs, limit, feature or runs; None is unlimited."""

    kind: str
    code: str
    before: int | bool | None
    after: int | bool | None


@dataclass(frozen=True, slots=True)
class InUse:
    """What the tenant uses now."""

    seats: int
    machines: int
    programs: int
    running_work: int = 0


@dataclass(frozen=True, slots=True)
class Preflight:
    """``at_once`` for an upgrade, else ``effective_at`` the period's end. ``too_much`` lists what does not fit into the new plan."""

    old: Tier
    new: Tier
    at_once: bool
    effective_at: datetime | None
    gained: tuple[Gain, ...]
    lost: tuple[Gain, ...]
    too_much: tuple[Gain, ...]
    charge_cents: int
    credit_cents: int


def preflight(
    old: Tier,
    new: Tier,
    in_use: InUse,
    *,
    now: datetime,
    period: tuple[datetime, datetime] | None,
    amounts_cents: tuple[int, int],
    old_paid: bool,
) -> Preflight:
    """``period`` is the running one [start, end), the whole of it also when the subscription began later; ``amounts_cents`` the plans' fees, ``old_paid`` whether the old fee was billed."""
    differences = _differences(old, new)
    at_once = new.rank > old.rank
    charge, credit = (
        (0, 0) if not at_once or period is None else _prorated(now, period, amounts_cents, old_paid=old_paid, trial_days=new.trial_days)
    )
    return Preflight(
        old=old,
        new=new,
        at_once=at_once,
        effective_at=None if at_once or period is None else period[1],
        gained=tuple(item for item in differences if _worth(item.after) > _worth(item.before)),
        lost=tuple(item for item in differences if _worth(item.after) < _worth(item.before)),
        too_much=tuple(
            Gain(kind, kind, used, most)
            for kind, used, most in (
                ("seats", in_use.seats, new.seats),
                ("machines", in_use.machines, new.license.max_machines),
                ("programs", in_use.programs, new.programs),
            )
            if used > most
        ),
        charge_cents=charge,
        credit_cents=credit,
    )


def prorate(amount_cents: int, days: int, of_days: int) -> int:
    """A fee for part of a period, half up, as Lago rounds (contract: fee = round(amount x days / days of the period))."""
    return int((Decimal(amount_cents) * days / of_days).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _prorated(
    now: datetime, period: tuple[datetime, datetime], amounts_cents: tuple[int, int], *, old_paid: bool, trial_days: int
) -> tuple[int, int]:
    # The day of the upgrade belongs to the new plan: both the old credit and the new fee cover it to the period's end.
    first, end = period[0].date(), (period[1] - timedelta(seconds=1)).date()
    of_days = (end - first).days + 1
    left = (end - now.date()).days + 1
    return (0 if trial_days else prorate(amounts_cents[1], left, of_days), prorate(amounts_cents[0], left, of_days) if old_paid else 0)


def _differences(old: Tier, new: Tier) -> list[Gain]:
    gains = [
        Gain("seats", "seats", old.seats, new.seats),
        Gain("machines", "machines", old.license.max_machines, new.license.max_machines),
        Gain("programs", "programs", old.programs, new.programs),
        Gain("runs", "runs", old.runs.concurrency, new.runs.concurrency),
    ]
    for code in {**old.meters, **new.meters}:
        before, after = (tier.meters[code].limit if code in tier.meters else 0 for tier in (old, new))
        gains.append(Gain("limit", code, before, after))
    gains += [
        Gain("feature", code, old.features.get(code, False), new.features.get(code, False)) for code in {**old.features, **new.features}
    ]
    return [gain for gain in gains if gain.before != gain.after]


def _worth(value: int | bool | None) -> float:
    return float("inf") if value is None else float(value)
