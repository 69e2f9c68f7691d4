"""What a tenant may use: the tier's grants with the explicit overrides on top."""

from collections.abc import Mapping
from dataclasses import dataclass

from glue.rules.facts import Entitlements, PrivilegeValue
from glue.rules.snapshot import MeterGrant
from glue.rules.tenant import Overrides
from glue.rules.tiers import Tier

UNLIMITED = -1  # Lago's integers know no "none"


@dataclass(frozen=True, slots=True)
class Grants:
    """Everything granted at one instant. Limits are units of a billing period; None is unlimited."""

    features: dict[str, bool]
    meters: dict[str, MeterGrant]
    seats: int
    machines: int
    programs: int


NO_GRANTS = Grants({}, {}, 0, 0, 0)


def decide_grants(tier: Tier | None, overrides: Overrides) -> Grants:
    """The tier's grants, changed by the overrides. Without a tier nothing is granted."""
    if tier is None:
        return NO_GRANTS
    meters = {}
    for code, meter in tier.meters.items():
        limit = overrides.limits.get(code, meter.limit)
        meters[code] = MeterGrant(limit, hard=meter.hard, blind=meter.blind)
    return Grants(
        features={**tier.features, **overrides.features},
        meters=meters,
        seats=_or(overrides.seats, tier.seats),
        machines=_or(overrides.machines, tier.license.max_machines),
        programs=_or(overrides.programs, tier.programs),
    )


def _or(granted: int | None, usual: int) -> int:
    return usual if granted is None else granted


def as_privileges(overrides: Overrides) -> dict[str, PrivilegeValue]:
    """The overrides in Lago's terms: ``feature.privilege`` → value."""
    privileges: dict[str, PrivilegeValue] = {f"{code}.enabled": granted for code, granted in overrides.features.items()}
    privileges |= {f"{code}.limit": UNLIMITED if limit is None else limit for code, limit in overrides.limits.items()}
    for code, value in (("seats", overrides.seats), ("machines", overrides.machines), ("programs", overrides.programs)):
        if value is not None:
            privileges[f"{code}.max"] = value
    return privileges


def tier_privileges(tier: Tier) -> dict[str, PrivilegeValue]:
    """What the tier's plans grant in Lago, flat. An unlimited meter and a feature not granted have no privilege."""
    privileges: dict[str, PrivilegeValue] = {
        "seats.max": tier.seats,
        "machines.max": tier.license.max_machines,
        "programs.max": tier.programs,
    }
    privileges |= {f"{code}.limit": meter.limit for code, meter in tier.meters.items() if meter.limit is not None}
    return privileges | {f"{code}.enabled": True for code, granted in tier.features.items() if granted}


def flatten(entitlements: Entitlements) -> dict[str, PrivilegeValue]:
    return {f"{feature}.{privilege}": value for feature, values in entitlements.items() for privilege, value in values.items()}


def nest(privileges: Mapping[str, PrivilegeValue]) -> Entitlements:
    nested: Entitlements = {}
    for name, value in privileges.items():
        feature, privilege = name.rsplit(".", 1)
        nested.setdefault(feature, {})[privilege] = value
    return nested
