"""Keycloak: organizations, people, roles, events, tokens and what files declare. Thread-safe; errors from one tree."""

from glue.upstream.keycloak.events import Events
from glue.upstream.keycloak.organizations import Organizations
from glue.upstream.keycloak.people import People
from glue.upstream.keycloak.realm import Realm

__all__ = ["Keycloak"]


class Keycloak(Organizations, People, Events, Realm):
    """Everything we ask Keycloak. Build one per process."""
