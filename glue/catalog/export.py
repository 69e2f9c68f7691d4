"""Files from running systems: what is declared in the files again, so that export, then plan, is empty."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from glue.catalog.files import LAGO_LISTS
from glue.upstream.lago import Lago

_SERVER_KEYS = {
    "lago_id", "created_at", "updated_at", "customers_count", "active_subscriptions_count", "draft_invoices_count", "plans_count", "parent_id",
    "pending_deletion", "applicable_usage_thresholds", "usage_thresholds", "entitlements", "lago_parent_id", "lago_billable_metric_id", "terminated_at",
    "add_ons_count", "charges_count", "applied_to_organization", "expiration_at", "auto_generated",
}  # fmt: skip


def export_lago(lago: Lago, folder: Path) -> list[Path]:
    """Write Lago's objects as files below ``folder`` and return what was written. Existing files are replaced."""
    yaml = YAML()
    yaml.default_flow_style = False
    written = []
    for kind in LAGO_LISTS:
        written.append(_write(yaml, folder / "lago" / f"{kind}.yaml", [_declared(row) for row in lago.list_objects(kind)]))
    for plan in lago.list_objects("plans"):
        written.append(_write(yaml, folder / "lago" / "plans" / f"{plan['code']}.yaml", _declared(plan)))
    return written


def _declared(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _declared(inner) for key, inner in value.items() if key not in _SERVER_KEYS and inner not in (None, [], {})}
        return {
            key: inner
            for key, inner in kept.items()
            if not (key in {"prorated", "pay_in_advance", "regroup_paid_fees"} and inner is False and "charge_model" in value)
        }
    if isinstance(value, list):
        return [_declared(item) for item in value]
    return value


def _write(yaml: YAML, file: Path, content: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
    return file
