"""Lists: limit or pages, order, and filters that ignore what they do not know."""

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any
from urllib.parse import quote, unquote

from glue.sandbox.keygen.account import Row
from glue.sandbox.keygen.calls import Answer, Call
from glue.sandbox.keygen.names import camel
from glue.sandbox.keygen.problems import bad_request

DEFAULT_LIMIT = 10
MAX_LIMIT = 100


def read_query(text: str) -> dict[str, Any]:
    """A query string as Rails reads it: ``a[b]=c`` is an object, ``a[]=c`` a list."""
    out: dict[str, Any] = {}
    for pair in text.split("&") if text else []:
        raw, _, value = (unquote(part.replace("+", " ")) for part in pair.partition("="))
        name, bracket, inner = raw.partition("[")
        inner = inner.removesuffix("]")
        if not bracket:
            out[name] = value
        elif not inner:
            items = out.setdefault(name, [])
            if isinstance(items, list):
                items.append(value)
        else:
            members = out.setdefault(name, {})
            if isinstance(members, dict):
                members[inner] = value
    return out


def respond(call: Call, rows: Iterable[Row], shape: Callable[[Row], dict[str, Any]] | None = None) -> Answer:
    """A page of ``rows``, which come in order of creation; the newest come first unless asked otherwise."""
    shape = shape or call.render.resource
    order = call.query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise bad_request("order is invalid", parameter="order")
    found = rows if isinstance(rows, list) else list(rows)
    if "page" in call.query:
        return _page(call, found, shape, newest_first=order == "desc")
    limit = _limit(call.query)
    chosen = found[: -limit - 1 : -1] if order == "desc" else found[:limit]
    return Answer(200, {"data": [shape(row) for row in chosen]})


def filtered(call: Call, kind: str, tests: Mapping[str, Callable[[Row, str], bool]], *, index: tuple[str, ...] = ()) -> list[Row]:
    """Records in order of creation that pass the filters asked for and that the bearer sees.

    ``tests`` are the known filters by name; values of a wrong shape are ignored, like unknown names. ``index`` names
    filters whose value is an indexed field.
    """
    account, bearer = call.account, call.by
    wanted = {name: value for name, value in call.query.items() if isinstance(value, str) and (name in tests or name in index)}
    quick = next((name for name in index if name in wanted), None)
    found = account.by(kind, quick, wanted[quick]) if quick else list(account.tables[kind])
    rows = sorted(found, key=itemgetter("seq")) if quick else found
    for name, value in wanted.items():
        if name in tests:
            test = tests[name]
            rows = [row for row in rows if test(row, value)]
        elif name != quick:
            rows = [row for row in rows if row[name] == value]
    metadata = call.query.get("metadata")
    if isinstance(metadata, dict):
        rows = _with_metadata(rows, {camel(key): value for key, value in metadata.items()})
    if not bearer.is_admin:
        rows = [row for row in rows if bearer.sees(account, row)]
    return rows


def has_metadata(row: Row, wanted: dict[str, Any]) -> bool:
    """Whether every key asked for has that value, compared as text; keys of ``wanted`` are in camelCase."""
    held = row["metadata"]
    return all(key in held and _as_text(held[key]) == _as_text(value) for key, value in wanted.items())


def _with_metadata(rows: list[Row], wanted: dict[str, Any]) -> list[Row]:
    """The rows that have all of ``wanted``; a coarse look at each first, for lists are long."""
    for key, value in wanted.items():
        alike = (value, True, False, None, _number(value))
        rows = [row for row in rows if row["metadata"].get(key) in alike]
    return [row for row in rows if has_metadata(row, wanted)]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _limit(query: dict[str, Any]) -> int:
    if "limit" not in query:
        return DEFAULT_LIMIT
    limit = _integer(query["limit"])
    if not 1 <= limit <= MAX_LIMIT:
        raise bad_request(f"limit must be a number between 1 and 100 (got {limit})", parameter="limit")
    return limit


def _page(call: Call, rows: list[Row], shape: Callable[[Row], dict[str, Any]], *, newest_first: bool) -> Answer:
    page = call.query["page"]
    if not isinstance(page, dict):
        raise bad_request("page must be an object", parameter="page")
    number, size = _integer(page.get("number", 0)), _integer(page.get("size", 0))
    if number < 1:
        raise bad_request(f"page number must be a number greater than 0 (got {number})", parameter="page")
    if not 1 <= size <= MAX_LIMIT:
        raise bad_request(f"page size must be a number between 1 and 100 (got {size})", parameter="page")
    first, last = (number - 1) * size, number * size
    if newest_first:
        count = len(rows)
        chosen = rows[max(0, count - last) : max(0, count - first)][::-1]
    else:
        chosen = rows[first:last]
    pages = -(-len(rows) // size)

    def link(to: int) -> str:
        return _link(call, to)

    links = {
        "self": link(number),
        "prev": link(number - 1) if 1 < number <= pages else None,
        "next": link(number + 1) if number < pages else None,
        "first": link(1),
        "last": link(max(pages, 1)),
        "meta": {"pages": pages, "count": len(rows)},
    }
    return Answer(200, {"data": [shape(row) for row in chosen], "links": links})


def _link(call: Call, number: int) -> str:
    pairs: list[str] = []
    for name, value in call.query.items():
        if isinstance(value, dict):
            members = value | {"number": number} if name == "page" else value
            pairs += [f"{quote(f'{name}[{inner}]', safe='')}={quote(str(item), safe='')}" for inner, item in members.items()]
        elif isinstance(value, list):
            pairs += [f"{quote(f'{name}[]', safe='')}={quote(item, safe='')}" for item in value]
        else:
            pairs.append(f"{name}={quote(value, safe='')}")
    return f"{call.target}?{'&'.join(sorted(pairs))}"


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
