"""Keycloak's door: it sends nothing, so its events are asked for, with overlap since their times precede the commit."""

from datetime import datetime, timedelta
from typing import Protocol

from sqlmodel import Session

from glue.clock import Clock
from glue.doors.deliveries import Deliveries, IdentityMap
from glue.rules.facts import IdentityEvent
from glue.rules.names import TenantId
from glue.upstream.keycloak import Keycloak

OVERLAP = timedelta(minutes=3)
PAGE = 1000
_ABOUT_PEOPLE = ("USER.", "UPDATE_PROFILE", "UPDATE_EMAIL", "VERIFY_EMAIL", "DELETE_ACCOUNT")


class Fetch(Protocol):
    """One of Keycloak's two lists of events."""

    def __call__(self, *, since: datetime, limit: int) -> list[IdentityEvent]: ...


class KeycloakDoor:
    """Polls admin and user events. Keycloak lives on the wall clock."""

    def __init__(self, deliveries: Deliveries, keycloak: Keycloak, clock: Clock) -> None:
        self._deliveries, self._keycloak, self._clock = deliveries, keycloak, clock
        # After a pause (a restart, a deployment) it goes on where it stopped; Keycloak keeps events for two weeks.
        last = deliveries.last_received("keycloak")
        self._since = min(last or clock.wall(), clock.wall()) - OVERLAP
        self._seen: set[str] = set()

    def poll(self) -> int:
        """Take in what is new; returns how many events were. Raises UpstreamUnavailable."""
        started = self._clock.wall()
        events = [*_all(self._keycloak.admin_events, self._since), *_all(self._keycloak.user_events, self._since)]
        fresh = [event for event in events if event.id not in self._seen]
        for event in fresh:
            if event.organization_id or (event.user_id and event.kind.startswith(_ABOUT_PEOPLE)):
                self._take(event)
        self._seen = {event.id for event in events}
        self._since = started - OVERLAP
        return len(fresh)

    def _take(self, event: IdentityEvent) -> None:
        organizations = self._organizations(event)
        body = {"kind": event.kind, "path": event.path, "organization_id": event.organization_id, "user_id": event.user_id}

        def resolve(session: Session, known: IdentityMap) -> list[TenantId]:
            return [tenant for one in organizations for tenant in known.tenants_by(session, "organization", one)]

        self._deliveries.take("keycloak", event.id, kind=event.kind, body=body, resolve=resolve)

    def _organizations(self, event: IdentityEvent) -> list[str]:
        if event.organization_id:
            return [event.organization_id]
        return [one.id for one in self._keycloak.organizations_of_user(event.user_id)] if event.user_id else []


def _all(fetch: Fetch, since: datetime) -> list[IdentityEvent]:
    """Every event from ``since`` on, however many: page by page along their times."""
    found: dict[str, IdentityEvent] = {}
    while True:
        page = fetch(since=since, limit=PAGE)
        news = [event for event in page if event.id not in found]
        found |= {event.id: event for event in news}
        if len(page) < PAGE or not news:
            return list(found.values())
        since = page[-1].at
