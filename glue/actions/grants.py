"""Explicit grants on top of a tier: what an operator promised to one customer."""

from collections.abc import Iterable

from glue.actions.asking import Actions
from glue.converge.tenants import overrides_document
from glue.errors import BadInput
from glue.rules.names import TenantId
from glue.rules.tenant import Overrides
from glue.rules.tiers import Tiers

UNLIMITED = "unlimited"


def grant(actions: Actions, tenant: TenantId, overrides: Overrides, *, by: str) -> None:
    """Exactly these grants, in place of all earlier ones; the license, Lago and the hot path follow."""
    actions.change(tenant, by=by, text="Changed what is granted on top of the plan.", overrides=overrides_document(overrides))


def parse_overrides(
    tiers: Tiers,
    *,
    seats: int | None = None,
    machines: int | None = None,
    programs: int | None = None,
    limits: Iterable[str] = (),
    features: Iterable[str] = (),
) -> Overrides:
    """From words as typed: ``meter=5000``, ``meter=unlimited``, ``feature=on``. Raises BadInput for what no tier knows."""
    for name, number in (("seats", seats), ("machines", machines), ("programs", programs)):
        if number is not None and number < 0:
            raise BadInput(f"There are no {number} {name}.", field=name, expected="0 or more")
    meters = {code for tier in tiers for code in tier.meters}
    known = {code for tier in tiers for code in tier.features}
    return Overrides(
        features={code: _switch(value) for code, value in _pairs(features, "feature", known)},
        limits={code: _limit(value) for code, value in _pairs(limits, "limit", meters)},
        seats=seats,
        machines=machines,
        programs=programs,
    )


def _pairs(words: Iterable[str], field: str, known: set[str]) -> Iterable[tuple[str, str]]:
    for word in words:
        code, equals, value = word.partition("=")
        if not equals or code not in known:
            raise BadInput(f"{word} cannot be granted.", field=field, expected=f"one of {', '.join(sorted(known))}, = and a value")
        yield code, value


def _switch(value: str) -> bool:
    if value not in {"on", "off"}:
        raise BadInput(f"A feature is not {value}.", field="feature", expected="on or off")
    return value == "on"


def _limit(value: str) -> int | None:
    if value == UNLIMITED:
        return None
    if not value.isdecimal():
        raise BadInput(f"A limit is not {value}.", field="limit", expected=f"a whole number or {UNLIMITED}")
    return int(value)
