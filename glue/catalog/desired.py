"""From the declaration to objects in normal form: what each system should say, field by field."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from glue.catalog.files import Declaration
from glue.rules.tiers import Tier

Fields = dict[str, Any]

# Order of writing: what others refer to comes first.
KINDS = (
    ("keycloak", "realm"),
    ("keycloak", "role"),
    ("keycloak", "client scope"),
    ("keycloak", "client"),
    ("lago", "taxes"),
    ("lago", "billable_metrics"),
    ("lago", "features"),
    ("lago", "plans"),
    ("lago", "plan entitlements"),
    ("lago", "coupons"),
    ("lago", "add_ons"),
    ("keygen", "product"),
    ("keygen", "entitlement"),
    ("keygen", "policy"),
)

# Parts of a realm file that are written at import only, or hold what differs on every machine.
_REALM_SKIP = {
    "realm", "id", "clients", "clientScopes", "users", "roles", "organizations", "components", "clientScopeMappings", "scopeMappings", "smtpServer",
    "authenticationFlows", "requiredActions", "identityProviders", "groups", "defaultDefaultClientScopes", "defaultOptionalClientScopes",
}  # fmt: skip
_CLIENT_SKIP = {"secret", "id", "clientId", "protocolMappers", "defaultClientScopes", "optionalClientScopes"}


@dataclass(frozen=True)
class Declared:
    """One object as it should be; ``raw`` is what is sent to make it, ``fields`` what is compared."""

    system: str
    kind: str
    key: str
    fields: Fields
    raw: Fields


def desired_objects(declaration: Declaration, environ: Mapping[str, str] | None = None) -> list[Declared]:
    """Everything the files declare, in the order in which it has to be made."""
    objects = [*_keycloak(declaration.realm, os.environ if environ is None else environ), *_lago(declaration), *_keygen(declaration)]
    return sorted(objects, key=lambda item: KINDS.index((item.system, item.kind)))


def tier_entitlements(tier: Tier) -> dict[str, dict[str, Any]]:
    """What a tier's plans grant in Lago. An unlimited meter has no limit privilege."""
    grants: dict[str, dict[str, Any]] = {
        "seats": {"max": tier.seats},
        "machines": {"max": tier.license.max_machines},
        "programs": {"max": tier.programs},
    }
    grants |= {code: {} if meter.limit is None else {"limit": meter.limit} for code, meter in tier.meters.items()}
    grants |= {code: {"enabled": True} for code, granted in tier.features.items() if granted}
    return grants


def plain(value: Any) -> Any:
    """Normal form of a value: numbers and numeric texts alike, lists of scalars without order, nulls as absent."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in sorted(value.items()) if inner is not None}
    if isinstance(value, list | tuple | set | frozenset):
        items = [plain(item) for item in value]
        return items if any(isinstance(item, dict | list) for item in items) else sorted(items, key=str)
    if isinstance(value, bool) or value is None:
        return value
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    return format(number.normalize(), "f") if number.is_finite() else str(value)


def _lago(declaration: Declaration) -> list[Declared]:
    objects = []
    for kind, rows in declaration.lago.items():
        for code, row in rows.items():
            objects.append(Declared("lago", kind, code, lago_fields(kind, row), row))
    for tier in declaration.tiers:
        grants = tier_entitlements(tier)
        objects += [Declared("lago", "plan entitlements", plan.code, {"entitlements": plain(grants)}, grants) for plan in tier.plans]
    return objects


def lago_fields(kind: str, row: Mapping[str, Any]) -> Fields:
    """What is compared of an object in Lago's shape, declared or read back."""
    fields = {key: value for key, value in row.items() if key not in {"code", "charges", "privileges"}}
    if kind == "features":
        fields["privileges"] = {
            item["code"]: {"name": item.get("name"), "value_type": item["value_type"]} for item in row.get("privileges", [])
        }
    if kind == "plans":
        fields["charges"] = {
            charge["billable_metric_code"]: {"charge_model": charge["charge_model"], "properties": charge["properties"]}
            for charge in row.get("charges", [])
        }
    return dict(plain(fields))


def _keygen(declaration: Declaration) -> list[Declared]:
    product = declaration.keygen["product"]
    objects = [Declared("keygen", "product", product["code"], dict(plain({k: v for k, v in product.items() if k != "code"})), product)]
    features = {code for tier in declaration.tiers for code in tier.features}
    for code in sorted(features):
        row = {"code": code, "name": declaration.lago["features"][code]["name"]}
        objects.append(Declared("keygen", "entitlement", code, {"name": row["name"]}, row))
    for tier in declaration.tiers:
        granted = sorted(code for code, on in tier.features.items() if on)
        row = {**declaration.keygen["policy"], "name": f"Coditect {tier.title}", "maxMachines": tier.license.max_machines}
        objects.append(
            Declared(
                "keygen", "policy", tier.license.policy, dict(plain({**row, "entitlements": granted})), {**row, "entitlements": granted}
            )
        )
    return objects


def _keycloak(realm: Fields, environ: Mapping[str, str]) -> list[Declared]:
    resolved = _resolve(realm, environ)
    name = resolved["realm"]
    top = {key: value for key, value in resolved.items() if key not in _REALM_SKIP}
    objects = [Declared("keycloak", "realm", name, dict(plain(_known(top))), _known(top))]
    for role in resolved.get("roles", {}).get("realm", []):
        objects.append(Declared("keycloak", "role", role["name"], dict(plain({"description": role.get("description")})), role))
    for scope in resolved.get("clientScopes", []):
        objects.append(Declared("keycloak", "client scope", scope["name"], scope_fields(scope), scope))
    for client in resolved.get("clients", []):
        objects.append(Declared("keycloak", "client", client["clientId"], client_fields(client), _known(client)))
    return objects


def scope_fields(scope: Mapping[str, Any]) -> Fields:
    """What is compared of a client scope: its attributes and its mappers by name."""
    mappers = {m["name"]: {"protocolMapper": m["protocolMapper"], "config": m.get("config", {})} for m in scope.get("protocolMappers", [])}
    return dict(plain({"description": scope.get("description"), "attributes": scope.get("attributes", {}), "mappers": mappers}))


def client_fields(client: Mapping[str, Any]) -> Fields:
    """What is compared of a client: everything declared but its secret and its scopes."""
    return dict(plain(_known({key: value for key, value in client.items() if key not in _CLIENT_SKIP})))


def _resolve(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(inner, environ) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolve(item, environ) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)(?::([^}]*))?\}", lambda m: environ.get(m[1]) or (m[2] if m[2] is not None else m[0]), value)
    return value


def _known(fields: Any) -> Any:
    """Without values whose placeholders nobody resolved here: they were, where the realm was imported."""
    if isinstance(fields, dict):
        return {key: _known(value) for key, value in fields.items() if not _open(value)}
    return fields


def _open(value: Any) -> bool:
    if isinstance(value, list):
        return any(_open(item) for item in value)
    return isinstance(value, str) and "${" in value
