"""Reads the declared files and checks them before anything is compared: a wrong file is named with the place in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from glue.catalog.refusals import check_plan
from glue.errors import ConfigInvalid
from glue.rules.cohorts import Cohorts, parse_cohort
from glue.rules.tiers import Tier, Tiers, parse_tier

LAGO_LISTS = ("billable_metrics", "features", "taxes", "coupons", "add_ons")


@dataclass(frozen=True)
class Declaration:
    """Everything the files say. ``lago`` maps a kind to its objects by code; ``realm`` is Keycloak's own shape."""

    tiers: Tiers
    lago: Mapping[str, Mapping[str, dict[str, Any]]]
    keygen: dict[str, Any]
    realm: dict[str, Any]


def load(folder: Path) -> Declaration:
    """Read all files below ``folder``. Raises ConfigInvalid naming file and place."""
    lago = {kind: _by_code(folder / "lago" / f"{kind}.yaml") for kind in LAGO_LISTS}
    lago["plans"] = {}
    for file in sorted((folder / "lago" / "plans").glob("*.yaml")):
        plan = _mapping(file)
        check_plan(plan, metrics=set(lago["billable_metrics"]), file=_short(file, folder))
        lago["plans"][plan["code"]] = plan
    tiers = load_tiers(folder)
    for tier in tiers:
        _check_tier(tier, lago)
    load_cohorts(folder, tiers)  # a wrong one is told before anything is applied
    load_answers(folder)
    realm_file = folder / "keycloak-realm" / "glue-realm.json"
    return Declaration(tiers=tiers, lago=lago, keygen=_mapping(folder / "config" / "keygen.yaml"), realm=_json(realm_file))


def load_tiers(folder: Path) -> Tiers:
    """Only the tiers: what the running service needs."""
    files = sorted((folder / "config" / "tiers").glob("*.yaml"))
    if not files:
        raise ConfigInvalid(
            f"There are no tiers in {folder / 'config' / 'tiers'}.", remedy="Set GLUE_CONFIG_DIR to the folder that holds config/."
        )
    tiers = [parse_tier(_mapping(file), file=_short(file, folder)) for file in files]
    codes = [tier.code for tier in tiers]
    if len(set(codes)) < len(codes):
        raise ConfigInvalid("Two tiers have the same code.", remedy="Give each file in config/tiers its own code.")
    return Tiers(tiers)


def load_cohorts(folder: Path, tiers: Tiers) -> Cohorts:
    """The beta cohorts; there may be none."""
    files = sorted((folder / "config" / "cohorts").glob("*.yaml"))
    return Cohorts(parse_cohort(_mapping(file), tiers, file=_short(file, folder)) for file in files)


def load_answers(folder: Path) -> Mapping[str, str]:
    """Ready answers to tickets, text by title; there may be none."""
    file = folder / "config" / "answers.yaml"
    answers = _mapping(file) if file.exists() else {}
    if not all(isinstance(title, str) and isinstance(text, str) for title, text in answers.items()):
        raise ConfigInvalid(f"{_short(file, folder)}: titles with texts are expected.", remedy="Put each text in quotes.", file=file.name)
    return answers


def _check_tier(tier: Tier, lago: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
    where = f"config/tiers/{tier.code}.yaml"
    for version in tier.plans:
        plan = lago["plans"].get(version.code)
        if plan is None:
            raise ConfigInvalid(f"{where}: plan {version.code} is not declared in lago/plans.", remedy="Add its file.")
        if (plan["amount_currency"], plan["interval"]) != (version.currency, version.interval):
            raise ConfigInvalid(
                f"{where}: plan {version.code} has another currency or interval in lago/plans.", remedy="Make both say the same."
            )
        if int(plan.get("trial_period") or 0) != tier.trial_days:
            raise ConfigInvalid(
                f"{where}: plan {version.code} has another trial than the tier.", remedy="Make trial_days and trial_period agree."
            )
    for code in (*tier.meters, *tier.features):
        if code not in lago["features"]:
            raise ConfigInvalid(f"{where}: {code} is not a feature in lago/features.yaml.", remedy="Add it there.")


def _by_code(file: Path) -> dict[str, dict[str, Any]]:
    rows = _yaml(file) if file.exists() else []
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("code") for row in rows):
        raise ConfigInvalid(
            f"{file.name}: a list of objects with a code is expected.", remedy="Compare with Lago's API reference.", file=file.name
        )
    return {row["code"]: row for row in rows}


def _mapping(file: Path) -> dict[str, Any]:
    document = _yaml(file)
    if not isinstance(document, dict):
        raise ConfigInvalid(f"{file.name}: a mapping is expected.", remedy="Correct the file.", file=file.name)
    return document


def _yaml(file: Path) -> Any:
    try:
        return YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, YAMLError) as error:
        raise ConfigInvalid(f"{file.name} cannot be read: {error}", remedy="Correct the file.", file=file.name) from error


def _json(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigInvalid(f"{file.name} cannot be read: {error}", remedy="Correct the file.", file=file.name) from error
    return dict(document)


def _short(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder))
