"""Plans as a person compares them: price, what is included, what each meter costs, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from glue.rules.tiers import Tier, Tiers


@dataclass(frozen=True)
class PriceCard:
    """One tier with its current plan. ``steps`` are (meter, from, to, price of a unit) of graduated or plain charges."""

    code: str
    title: str
    summary: str
    amount_cents: int
    currency: str
    interval: str
    trial_days: int
    seats: int
    machines: int
    limits: tuple[tuple[str, int | None], ...]
    features: tuple[tuple[str, bool], ...]
    steps: tuple[tuple[str, int, int | None, Decimal], ...]


def price_cards(tiers: Tiers, plans: Mapping[str, Mapping[str, Any]], *, currency: str = "USD") -> tuple[PriceCard, ...]:
    """A card per tier in order of rank; ``plans`` are declared plans by code."""
    return tuple(_card(tier, plans[tier.plan_for(currency).code]) for tier in tiers)


def _card(tier: Tier, plan: Mapping[str, Any]) -> PriceCard:
    return PriceCard(
        code=tier.code,
        title=tier.title,
        summary=tier.summary,
        amount_cents=int(plan["amount_cents"]),
        currency=str(plan["amount_currency"]),
        interval=str(plan["interval"]),
        trial_days=tier.trial_days,
        seats=tier.seats,
        machines=tier.license.max_machines,
        limits=tuple((code, meter.limit) for code, meter in tier.meters.items()),
        features=tuple(tier.features.items()),
        steps=tuple(step for charge in plan.get("charges", []) for step in _steps(charge)),
    )


def _steps(charge: Mapping[str, Any]) -> list[tuple[str, int, int | None, Decimal]]:
    code, properties = str(charge["billable_metric_code"]), charge["properties"]
    match charge["charge_model"]:
        case "graduated":
            return [(code, row["from_value"], row["to_value"], Decimal(row["per_unit_amount"])) for row in properties["graduated_ranges"]]
        case "package":
            free, size = int(properties.get("free_units") or 0), int(properties["package_size"])
            return [(code, 0, free, Decimal(0)), (code, free + 1, None, Decimal(str(properties["amount"])) / size)]
        case _:
            return [(code, 0, None, Decimal(str(properties.get("amount", "0"))))]
