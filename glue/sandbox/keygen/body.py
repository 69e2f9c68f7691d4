"""Reads request bodies as strictly as Keygen does: only what is declared, right kinds, the first fault named."""

from typing import Any

from glue.sandbox.keygen.names import camel, read_uuid
from glue.sandbox.keygen.problems import bad_request, singular
from glue.sandbox.keygen.schema import ATTRIBUTES, OWN_ID, RELATIONS, Attribute, Relation
from glue.sandbox.keygen.times import coerce

NOTHING: Any = object()  # no body at all


def read_resource(body: Any, kind: str, *, create: bool, optional: bool = False) -> tuple[str | None, dict[str, Any], dict[str, Any]]:
    """Id, attributes and relationships of ``{"data": {…}}``; names come back in camelCase, times as text or None.

    ``optional``: the body may be missing altogether.
    """
    if optional and (body is NOTHING or body == {}):
        return None, {}, {}
    data = _member(_top(body, "data"), "data", "", "object")
    relations = RELATIONS.get(kind, {}) if create else {}
    allowed = ["type", "id", "attributes", *(["relationships"] if relations else [])]
    if create and kind not in OWN_ID:
        allowed.remove("id")
    _only(data, allowed, "/data")
    if _member(data, "type", "/data", "string") not in (kind, singular(kind)):
        raise bad_request("is invalid", "/data/type")
    row_id = None
    if create and data.get("id") is not None:
        row_id = read_uuid(data["id"])
        if row_id is None:
            raise bad_request("type mismatch (received string expected UUID string)", "/data/id")
    attributes = _read_attributes(data, ATTRIBUTES[kind], create=create)
    return row_id, attributes, _read_relations(data, relations)


def read_meta(body: Any, spec: dict[str, Attribute], *, required: bool = False) -> dict[str, Any]:
    """The members of ``{"meta": {…}}`` that were given."""
    if not required and (body is NOTHING or body == {}):
        return {}
    meta = _member(_top(body, "meta"), "meta", "", "object")
    _only(meta, list(spec), "/meta")
    for name, attribute in spec.items():
        if attribute.required and camel_get(meta, name) is NOTHING:
            raise bad_request("is missing", f"/meta/{name}")
    return {name: _value(value, spec[name], f"/meta/{name}") for raw, value in meta.items() for name in [camel(raw)]}


def read_links(body: Any, kind: str) -> list[str]:
    """Ids of ``{"data": [{type, id}]}``, 1 to 100."""
    data = _member(_top(body, "data"), "data", "", "array")
    if not 1 <= len(data) <= 100:
        raise bad_request("length must be between 1 and 100 (inclusive)", "/data")
    return [_link(item, kind, f"/data/{index}") for index, item in enumerate(data)]


def read_link(body: Any, kind: str, *, nullable: bool) -> str | None:
    """The id of ``{"data": {type, id}}`` or, where allowed, null."""
    top = _top(body, "data")
    if nullable and top.get("data", NOTHING) is None:
        return None
    return _link(_member(top, "data", "", "object"), kind, "/data")


def camel_get(mapping: dict[str, Any], name: str) -> Any:
    return next((value for raw, value in mapping.items() if camel(raw) == name), NOTHING)


def read_metadata(value: Any, pointer: str) -> dict[str, Any]:
    """Metadata with keys in camelCase; one nested level."""
    if not isinstance(value, dict) or not all(_fits(item, 2) for item in value.values()):
        raise bad_request(f"type mismatch (received {_kind_of(value)} expected metadata object)", pointer)
    return camelize(value)


def camelize(value: dict[str, Any]) -> dict[str, Any]:
    return {camel(key): camelize(item) if isinstance(item, dict) else item for key, item in value.items()}


def _fits(item: Any, depth: int) -> bool:
    if isinstance(item, dict):
        return depth > 1 and all(_fits(inner, depth - 1) for inner in item.values())
    return not isinstance(item, list) or (depth > 0 and all(_fits(inner, depth - 1) for inner in item))


def _top(body: Any, member: str) -> dict[str, Any]:
    if body is NOTHING:
        return {}
    if body is None:
        raise bad_request("cannot be null", f"/{member}")
    if not isinstance(body, dict):
        raise bad_request(f"type mismatch (received {_kind_of(body)} expected object)", f"/{member}")
    _only(body, [member], "")
    return body


def _only(mapping: dict[str, Any], allowed: list[str], pointer: str) -> None:
    for raw in mapping:
        if camel(raw) not in allowed:
            raise bad_request("unpermitted parameter", f"{pointer}/{camel(raw)}")


def _member(mapping: dict[str, Any], name: str, pointer: str, kind: str) -> Any:
    value = camel_get(mapping, name)
    if value is NOTHING:
        raise bad_request("is missing", f"{pointer}/{name}")
    if value is None:
        raise bad_request("cannot be null", f"{pointer}/{name}")
    if _kind_of(value) != kind:
        raise bad_request(f"type mismatch (received {_kind_of(value)} expected {kind})", f"{pointer}/{name}")
    return value


def _read_attributes(data: dict[str, Any], spec: dict[str, Attribute], *, create: bool) -> dict[str, Any]:
    given = data.get("attributes")
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise bad_request(f"type mismatch (received {_kind_of(given)} expected object)", "/data/attributes")
    permitted = [name for name, attribute in spec.items() if (attribute.create if create else attribute.update)]
    _only(given, permitted, "/data/attributes")
    if create:
        for name, attribute in spec.items():
            if attribute.required and camel_get(given, name) is NOTHING:
                raise bad_request("is missing", f"/data/attributes/{name}")
    return {name: _value(value, spec[name], f"/data/attributes/{name}") for raw, value in given.items() for name in [camel(raw)]}


def _read_relations(data: dict[str, Any], spec: dict[str, Relation]) -> dict[str, Any]:
    given = data.get("relationships")
    required = [name for name, relation in spec.items() if relation.required]
    if given is None:
        if required:
            raise bad_request("is missing", "/data/relationships")
        return {}
    _only(given, list(spec), "/data/relationships")
    for name in required:
        if camel_get(given, name) is NOTHING:
            raise bad_request("is missing", f"/data/relationships/{name}")
    out: dict[str, Any] = {}
    for raw, member in given.items():
        name = camel(raw)
        pointer = f"/data/relationships/{name}"
        target = camel_get(member, "data") if isinstance(member, dict) else NOTHING
        if target is NOTHING:
            raise bad_request("is missing", f"{pointer}/data")
        if target is None and not spec[name].required:
            out[name] = None
        elif name == "components":
            out[name] = _read_components(target, f"{pointer}/data")
        else:
            out[name] = _link(_member(member, "data", pointer, "object"), spec[name].kind, f"{pointer}/data")
    return out


def _read_components(target: Any, pointer: str) -> list[dict[str, Any]]:
    spec = {"fingerprint": Attribute(required=True, blank=False, null=False), "name": Attribute(), "metadata": Attribute("metadata")}
    if not isinstance(target, list):
        raise bad_request(f"type mismatch (received {_kind_of(target)} expected array)", pointer)
    if len(target) > 20:
        raise bad_request("length must be less than or equal to 20", pointer)
    return [_read_attributes(_member({"item": item}, "item", pointer, "object"), spec, create=True) for item in target]


def _link(item: Any, kind: str, pointer: str) -> str:
    if not isinstance(item, dict):
        raise bad_request(f"type mismatch (received {_kind_of(item)} expected object)", pointer)
    _only(item, ["type", "id"], pointer)
    if _member(item, "type", pointer, "string") not in (kind, singular(kind)):
        raise bad_request("is invalid", f"{pointer}/type")
    row_id = read_uuid(_member(item, "id", pointer, "string"))
    if row_id is None:
        raise bad_request("type mismatch (received string expected UUID string)", f"{pointer}/id")
    return row_id


def _value(value: Any, attribute: Attribute, pointer: str) -> Any:
    if value is None:
        if not attribute.null:
            raise bad_request("cannot be null", pointer)
        return {} if attribute.kind == "metadata" else None
    if attribute.kind == "metadata":
        return read_metadata(value, pointer)
    if attribute.kind == "time":
        return coerce(value)
    wanted = "array" if attribute.kind == "strings" else attribute.kind
    if wanted != "any" and _kind_of(value) != wanted:
        raise bad_request(f"type mismatch (received {_kind_of(value)} expected {wanted})", pointer)
    if value == "" and not attribute.blank:
        raise bad_request("cannot be blank", pointer)
    return value


def _kind_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "float", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
