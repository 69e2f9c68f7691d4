"""``POST /search``: records by the fields that each type lets itself be found by."""

from typing import Any

from glue.sandbox.keygen.account import Row
from glue.sandbox.keygen.body import camel_get, camelize, read_meta
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.listing import has_metadata, respond
from glue.sandbox.keygen.names import camel
from glue.sandbox.keygen.problems import bad_request, singular
from glue.sandbox.keygen.schema import Attribute

_FIELDS: dict[str, tuple[str, ...]] = {
    "products": ("id", "name", "metadata"),
    "policies": ("id", "name", "metadata", "product"),
    "entitlements": ("id", "name", "code"),
    "groups": ("id", "name"),
    "users": ("id", "email", "firstName", "lastName", "name", "metadata"),
    "licenses": ("id", "name", "key", "metadata", "product", "policy", "owner", "user"),
    "machines": ("id", "name", "fingerprint", "metadata", "license", "product", "policy", "owner", "user"),
}
_EXACT = frozenset({"key", "product", "policy", "license", "owner", "user", "code"})
_MIN_LENGTH = 3
_META = {"type": Attribute(required=True, null=False), "query": Attribute("any", required=True, null=False), "op": Attribute()}


@route("POST", "search", "search")
async def search(call: Call) -> Answer:
    meta = read_meta(call.body, _META, required=True)
    kind, query = meta["type"], meta["query"]
    kind = kind if kind in _FIELDS else next((name for name in _FIELDS if singular(name) == kind), kind)
    if kind not in _FIELDS:
        raise bad_request(f"search type '{kind}' is not supported", "/meta/type")
    if not query:
        raise bad_request("cannot be blank", "/meta/query")
    for raw, value in query.items():
        _check_field(kind, camel(raw), value)
    return respond(call, [row for row in call.account.tables[kind] if _matches(call, row, query)])


def _check_field(kind: str, name: str, value: Any) -> None:
    if name not in _FIELDS[kind]:
        raise bad_request(f"search query '{name}' is not supported for resource type '{kind}'", f"/meta/query/{name}")
    if isinstance(value, str) and len(value) < _MIN_LENGTH:
        detail = f"search query for '{name}' is too small (minimum {_MIN_LENGTH} characters)"
        raise bad_request(detail, f"/meta/query/{name}")


def _matches(call: Call, row: Row, query: dict[str, Any]) -> bool:
    metadata = camel_get(query, "metadata")
    if isinstance(metadata, dict) and not has_metadata(row, camelize(metadata)):
        return False
    return all(_field_matches(call, row, camel(raw), value) for raw, value in query.items() if camel(raw) != "metadata")


def _field_matches(call: Call, row: Row, name: str, value: Any) -> bool:
    if row["type"] == "machines" and name == "policy":
        return bool(call.account.need("licenses", row["license"])["policy"] == value)
    held = row.get("owner" if name == "user" else name)
    if name == "name" and row["type"] == "users":
        held = f"{row['firstName'] or ''} {row['lastName'] or ''}"
    if held is None:
        return False
    return bool(held == value) if name in _EXACT else str(value).lower() in str(held).lower()
