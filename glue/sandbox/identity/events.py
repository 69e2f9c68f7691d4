"""The two event lists: what people did (events) and what administrators did (admin events)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from glue.sandbox.identity.answers import Document, builtin, error, server_error
from glue.sandbox.identity.state import Realm, new_id, pick
from glue.sandbox.store import Table


def note_event(
    realm: Realm,
    kind: str,
    *,
    client: str | None = None,
    user: str | None = None,
    session: str | None = None,
    error: str | None = None,
    **details: Any,
) -> None:
    """Keep an event of that kind, if the realm keeps such; ``client`` is a clientId."""
    settings = realm.settings
    if not settings["eventsEnabled"] or kind not in (settings.get("enabledEventTypes") or builtin()["event_types"]):
        return
    row: Document = {"id": new_id(), "time": realm.now_ms(), "type": kind, "realmId": realm.id, "clientId": client, "userId": user}
    row |= {"sessionId": session, "ipAddress": "127.0.0.1", "error": error}
    row["details"] = {name: value for name, value in details.items() if value is not None} or None
    realm.events.put(row["id"], {name: value for name, value in row.items() if value is not None})


def note_admin_event(
    realm: Realm,
    who: Document,
    *,
    operation: str,
    resource: str,
    path: str | None,
    representation: Any = None,
    details: Document | None = None,
) -> None:
    """Keep an admin event; ``who`` are its authDetails."""
    settings = realm.settings
    if not settings["adminEventsEnabled"]:
        return
    row: Document = {"id": new_id(), "time": realm.now_ms(), "realmId": realm.id, "authDetails": who, "operationType": operation}
    row |= {"resourceType": resource} | ({"resourcePath": path} if path else {})
    if representation is not None and settings["adminEventsDetailsEnabled"]:
        row["representation"] = json.dumps(representation, separators=(",", ":"), ensure_ascii=False)
    if details:
        row["details"] = details
    realm.admin_events.put(row["id"], row)


def list_events(realm: Realm, asked: dict[str, list[str]], *, first: int, limit: int) -> list[Document]:
    """Events newest first, filtered as the query asks."""
    _forget_old(realm, realm.events, realm.settings.get("eventsExpiration"))
    known = {*builtin()["event_types"], *builtin()["unlisted_event_types"]}
    kinds = _known(asked.get("type", []), known)
    wanted = pick(
        {"clientId": _one(asked, "client"), "userId": _one(asked, "user"), "ipAddress": _one(asked, "ipAddress")},
        "clientId",
        "userId",
        "ipAddress",
    )
    rows = [
        row for row in realm.events if (not kinds or row["type"] in kinds) and all(row.get(name) == value for name, value in wanted.items())
    ]
    return _window(rows, asked, first=first, limit=limit)


def list_admin_events(realm: Realm, asked: dict[str, list[str]], *, first: int, limit: int) -> list[Document]:
    """Admin events newest first, filtered as the query asks."""
    _forget_old(realm, realm.admin_events, realm.settings["attributes"].get("adminEventsExpiration"))
    operations = _known(asked.get("operationTypes", []), {"CREATE", "UPDATE", "DELETE", "ACTION"})
    resources = _known(asked.get("resourceTypes", []), set(builtin()["resource_types"]))
    names = {"authClient": "clientId", "authUser": "userId", "authRealm": "realmId", "authIpAddress": "ipAddress"}
    who = {field: asked[name][0] for name, field in names.items() if asked.get(name)}
    path = _one(asked, "resourcePath")
    rows = [
        row
        for row in realm.admin_events
        if (not operations or row["operationType"] in operations)
        and (not resources or row["resourceType"] in resources)
        and all(row["authDetails"].get(name) == value for name, value in who.items())
        and (path is None or _path_fits(row.get("resourcePath", ""), path))
    ]
    return _window(rows, asked, first=first, limit=limit)


def _path_fits(path: str, pattern: str) -> bool:
    if "*" not in pattern:
        return path == pattern
    head, tail = pattern.split("*", 1)
    return path.startswith(head) and path.endswith(tail) and len(path) >= len(head) + len(tail)


def _window(rows: list[Document], asked: dict[str, list[str]], *, first: int, limit: int) -> list[Document]:
    since, until = _instant(_one(asked, "dateFrom"), "dateFrom"), _instant(_one(asked, "dateTo"), "dateTo", end=True)
    rows = [row for row in rows if (since is None or row["time"] >= since) and (until is None or row["time"] <= until)]
    rows.sort(key=lambda row: int(row["time"]))
    if _one(asked, "direction") != "asc":
        rows.reverse()
    return rows[first : None if limit < 0 else first + limit]


def _instant(text: str | None, name: str, *, end: bool = False) -> int | None:
    """``yyyy-MM-dd`` or epoch milliseconds."""
    if text is None:
        return None
    if text.isdigit():
        return int(text)
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise error(400, f"Invalid value for '{name}', expected format is yyyy-MM-dd or an Epoch timestamp") from None
    return int((day + (timedelta(days=1) if end else timedelta())).timestamp() * 1000) - end


def _known(names: list[str], known: set[str]) -> set[str]:
    if not set(names) <= known:
        raise server_error()
    return set(names)


def _one(asked: dict[str, list[str]], name: str) -> str | None:
    return asked[name][0] if asked.get(name) else None


def _forget_old(realm: Realm, table: Table, lifespan: Any) -> None:
    """Drop what is older than the realm keeps events."""
    if not lifespan:
        return
    limit = realm.now_ms() - int(lifespan) * 1000
    for row in table:
        if row["time"] < limit:
            table.remove(row["id"])
