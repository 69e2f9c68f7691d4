"""What free Lago would drop silently, refuse or punish: refused here by name, before anybody relies on it."""

from collections.abc import Mapping
from typing import Any

from glue.errors import ConfigInvalid

_PLAN = {
    "minimum_commitment": "Lago without a license drops minimum commitments without a word",
    "usage_thresholds": "Lago without a license drops usage thresholds, so progressive billing would never happen",
}
_CHARGE = {
    "min_amount_cents": "Lago without a license drops a charge's minimum",
    "regroup_paid_fees": "Lago without a license drops this",
}


def check_plan(plan: Mapping[str, Any], *, metrics: set[str], file: str) -> None:
    """Raises ConfigInvalid for a plan that would not do what it says."""
    for field in ("code", "name", "interval", "amount_cents", "amount_currency"):
        if field not in plan:
            raise ConfigInvalid(f"{file}: {field} is missing.", remedy="Every plan needs it.", file=file, place=field)
    if not file.endswith(f"/{plan['code']}.yaml"):
        raise ConfigInvalid(
            f"{file}: the file is not named for its code {plan['code']}.", remedy="Rename the file.", file=file, place="code"
        )
    for field, why in _PLAN.items():
        if plan.get(field):
            _refuse(file, field, why)
    if plan["interval"] == "yearly" and plan.get("bill_charges_monthly"):
        _refuse(
            file,
            "bill_charges_monthly",
            "a yearly plan with monthly charges bills a month twice and loses the running one when it ends in mid-month",
        )
    for number, charge in enumerate(plan.get("charges", [])):
        place = f"charges.{number}"
        if charge.get("billable_metric_code") not in metrics:
            raise ConfigInvalid(
                f"{file}: {place}: {charge.get('billable_metric_code')} is not a metric.",
                remedy="Declare it in lago/billable_metrics.yaml.",
                file=file,
                place=place,
            )
        if not charge.get("properties"):
            _refuse(file, f"{place}.properties", "Lago takes a charge without properties at a price of 0")
        if charge.get("pay_in_advance"):
            _refuse(file, f"{place}.pay_in_advance", "usage charges paid in advance give one invoice an event")
        if charge.get("charge_model") == "graduated_percentage":
            _refuse(file, f"{place}.charge_model", "Lago without a license refuses graduated_percentage")
        if charge.get("invoiceable") is False:
            _refuse(file, f"{place}.invoiceable", "Lago without a license drops this")
        for field, why in _CHARGE.items():
            if charge.get(field):
                _refuse(file, f"{place}.{field}", why)


def _refuse(file: str, place: str, why: str) -> None:
    raise ConfigInvalid(f"{file}: {place} cannot be used: {why}.", remedy="Take it out of the file.", file=file, place=place)
