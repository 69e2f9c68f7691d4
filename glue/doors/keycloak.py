"""Keycloak's door: it sends nothing, so its events are asked for, with overlap since their times precede the commit."""

from datetime import timedelta

from sqlmodel import Session

from glue.clock import Clock
from glue.doors.deliveries import Deliveries, IdentityMap
from glue.rules.facts import IdentityEvent
from glue.rules.names import TenantId
from glue.upstream.keycloak import Keycloak

OVERLAP = timedelta(minutes=3)
_ABOUT_PEOPLE = ("USER.", "UPDATE_PROFILE", "UPDATE_EMAIL", "VERIFY_EMAIL", "DELETE_ACCOUNT")


class KeycloakDoor:
    """Polls admin and user events. Keycloak lives on the wall clock."""

    def __init__(self, deliveries: Deliveries, keycloak: Keycloak, clock: Clock) -> None:
        self._deliveries, self._keycloak, self._clock = deliveries, keycloak, clock
        self._since = clock.wall() - OVERLAP
        self._seen: set[str] = set()

    def poll(self) -> int:
        """Take in what is new; returns how many events were. Raises UpstreamUnavailable."""
        started = self._clock.wall()
        events = [*self._keycloak.admin_events(since=self._since), *self._keycloak.user_events(since=self._since)]
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
