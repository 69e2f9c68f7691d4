"""Diff and plan: pure. What would change, in words, and a digest that binds `apply` to what a person read."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from glue.catalog.desired import Declared, Fields

Actual = Mapping[tuple[str, str, str], Fields]

# Fields that Lago ignores without a word once a subscription has used the object, or that re-price the running period.
_FROZEN = {
    "plans": ("interval", "amount_currency", "pay_in_advance", "trial_period"),
    "billable_metrics": ("aggregation_type", "field_name", "recurring"),
}
_PRICES = ("amount_cents", "charges")


@dataclass(frozen=True)
class Difference:
    """One field: dotted place, what is there (None: nothing), what should be."""

    place: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """``action`` is create or update; ``refusal`` says why it must not be done, empty when it may."""

    action: str
    declared: Declared
    differences: tuple[Difference, ...]
    refusal: str = ""

    @property
    def name(self) -> str:
        return f"{self.declared.system} {self.declared.kind} {self.declared.key}"


@dataclass(frozen=True)
class Plan:
    """Changes in the order in which they are made, and objects that exist without being declared (left alone)."""

    changes: tuple[Change, ...]
    undeclared: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Twelve hex characters of a SHA-256 over everything that would be done."""
        body = [
            [c.action, c.declared.system, c.declared.kind, c.declared.key, c.declared.fields, [(d.place, d.before) for d in c.differences]]
            for c in self.changes
        ]
        return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:12]

    def as_json(self) -> dict[str, Any]:
        return {
            "digest": self.digest,
            "changes": [
                {
                    "action": change.action,
                    "system": change.declared.system,
                    "kind": change.declared.kind,
                    "key": change.declared.key,
                    "refusal": change.refusal or None,
                    "fields": [{"place": d.place, "before": d.before, "after": d.after} for d in change.differences],
                }
                for change in self.changes
            ],
            "undeclared": list(self.undeclared),
        }


def make_plan(desired: Iterable[Declared], actual: Actual, *, plans_in_use: frozenset[str] = frozenset()) -> Plan:
    """Compare declared fields only. ``plans_in_use`` are Lago plan codes that had a subscription."""
    changes, keys = [], set()
    for item in desired:
        keys.add((item.system, item.kind, item.key))
        there = actual.get((item.system, item.kind, item.key))
        if there is None:
            differences = tuple(Difference(place, None, value) for place, value in sorted(item.fields.items()))
            changes.append(Change("create", item, differences))
        elif differences := tuple(_differences(item.fields, there)):
            changes.append(Change("update", item, differences, _refusal(item, differences, plans_in_use)))
    undeclared = sorted(f"{system} {kind} {key}" for system, kind, key in actual if (system, kind, key) not in keys)
    return Plan(tuple(changes), tuple(undeclared))


def same(item: Declared, there: Fields | None) -> bool:
    """Whether the object is as declared."""
    return there is not None and not list(_differences(item.fields, there))


def _differences(wanted: Mapping[str, Any], there: Mapping[str, Any], prefix: str = "") -> Iterable[Difference]:
    for name, value in wanted.items():
        place, found = f"{prefix}{name}", there.get(name)
        if isinstance(value, dict) and isinstance(found, dict):
            yield from _differences(value, found, f"{place}.")
            if name in {"charges", "entitlements", "mappers"}:
                yield from (Difference(f"{place}.{extra}", found[extra], None) for extra in found if extra not in value)
        elif value != found and not (found is None and value in ({}, [])):
            yield Difference(place, found, value)


def _refusal(item: Declared, differences: tuple[Difference, ...], plans_in_use: frozenset[str]) -> str:
    places = [difference.place for difference in differences]
    in_use = item.kind == "plans" and item.key in plans_in_use
    frozen = [place for place in places if place.split(".")[0] in _FROZEN.get(item.kind, ())]
    if frozen and (in_use or item.kind == "billable_metrics"):
        return f"{', '.join(frozen)} cannot be changed once it is in use: Lago would ignore it. Declare a new code."
    if in_use and any(place.split(".")[0] in _PRICES for place in places):
        return "A price change of a plan in use would re-price the running period of every customer on it. Declare a new plan code."
    return ""
