"""What happened in Keycloak, asked for: it sends no webhooks. Times precede the commit, so ask with some overlap."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from glue.rules.facts import IdentityEvent
from glue.upstream.keycloak.calls import KeycloakCalls, Representation

_ORGANIZATION = re.compile(r"organizations/([^/]+)")
_USER = re.compile(r"(?:^users|members)/([0-9a-fA-F-]{36})(?:/|$)")


class Events(KeycloakCalls):
    def admin_events(self, *, since: datetime, limit: int = 1000) -> list[IdentityEvent]:
        """What was done over the admin API, oldest first, from ``since`` on; drop repeats by id."""
        return self._events("admin_events", self._service.get_admin_events, _parse_admin_event, since, limit)

    def user_events(self, *, since: datetime, limit: int = 1000) -> list[IdentityEvent]:
        """What people did (log in, register, accept an invitation), oldest first, from ``since`` on."""
        return self._events("user_events", self._service.get_events, _parse_user_event, since, limit)

    def _events(
        self,
        operation: str,
        fetch: Callable[[Representation], list[Representation]],
        parse: Callable[[Any], IdentityEvent],
        since: datetime,
        limit: int,
    ) -> list[IdentityEvent]:
        query = {"dateFrom": int(since.timestamp() * 1000), "direction": "asc", "first": 0, "max": limit}
        found = self._use(operation, lambda: [parse(one) for one in fetch(query)])
        floor = since.replace(microsecond=since.microsecond // 1000 * 1000)
        return sorted((event for event in found if event.at >= floor), key=lambda event: event.at)


def _parse_admin_event(one: Any) -> IdentityEvent:
    path = one.get("resourcePath", "")  # absent when the realm itself was changed
    organization, user = _ORGANIZATION.match(path), _USER.search(path)
    return IdentityEvent(
        id=one["id"],
        at=_at(one["time"]),
        kind=f"{one['resourceType']}.{one['operationType']}",
        organization_id=organization and organization[1],
        user_id=user and user[1],
        path=path,
    )


def _parse_user_event(one: Any) -> IdentityEvent:
    return IdentityEvent(
        id=one["id"],
        at=_at(one["time"]),
        kind=one["type"],
        organization_id=(one.get("details") or {}).get("org_id"),
        user_id=one.get("userId"),
    )


def _at(milliseconds: int) -> datetime:
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)
