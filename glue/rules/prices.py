"""Prices out of declared Lago plans: the highest price one more unit of a meter can cost, for prepaid checks."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def highest_unit_prices(plan: Mapping[str, Any]) -> dict[str, Decimal]:
    """Meter → price in the plan's currency. Flat amounts are charged once and are no price of a unit."""
    return {
        charge["billable_metric_code"]: _highest(charge["charge_model"], charge.get("properties") or {})
        for charge in plan.get("charges") or []
    }


def free_units(plan: Mapping[str, Any]) -> dict[str, int]:
    """Meter → units of a period that cost nothing, where the plan includes some."""
    free = {}
    for charge in plan.get("charges") or []:
        properties = charge.get("properties") or {}
        match charge["charge_model"]:
            case "package":
                units = int(properties.get("free_units") or 0)
            case "graduated":
                first: Mapping[str, Any] = next(iter(properties.get("graduated_ranges") or []), {})
                units = int(first.get("to_value") or 0) if first and not Decimal(str(first.get("per_unit_amount") or 0)) else 0
            case _:
                units = 0
        if units:
            free[charge["billable_metric_code"]] = units
    return free


def _highest(model: str, properties: Mapping[str, Any]) -> Decimal:
    match model:
        case "package":
            return Decimal(str(properties.get("amount", 0))) / int(properties.get("package_size") or 1)
        case "graduated" | "volume":
            ranges = properties.get(f"{model}_ranges") or []
            return max((Decimal(str(step.get("per_unit_amount") or 0)) for step in ranges), default=Decimal(0))
        case "percentage":
            return Decimal(str(properties.get("rate", 0))) / 100 + Decimal(str(properties.get("fixed_amount") or 0))
        case _:
            return Decimal(str(properties.get("amount") or 0))
