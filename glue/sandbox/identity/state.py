"""The realm's memory: one table a kind of thing, and the questions that everybody asks it."""

import secrets
from typing import Any
from uuid import uuid4

from glue.sandbox.clock import VirtualClock
from glue.sandbox.identity.answers import Document
from glue.sandbox.identity.keys import Keys
from glue.sandbox.store import Store


class Realm:
    """One realm. Rows are Keycloak's representations with a few keys of our own beside them (each table's comment)."""

    def __init__(self, store: Store, clock: VirtualClock, keys: Keys, url: str) -> None:
        self.store, self.clock, self.keys, self.url = store, clock, keys, url
        self.open()

    def open(self) -> None:
        """Load the tables; again after the store was emptied."""
        table = self.store.table
        self._settings = table("realm")  # one row, "requiredActions" and "profile" in it
        self.users = table("user", "username", "email", "service_client")  # roles: ids; password: hash; failures: brute force
        self.clients = table("client", "clientId")  # default_scopes, optional_scopes, scope_roles: ids
        self.scopes = table("scope", "name")
        self.roles = table("role", "containerId")  # parts: ids of a composite
        self.organizations = table("organization", "name", "alias")  # top: id of the hidden group above its groups
        self.members = table("member", "organization", "user")  # kind: MANAGED or UNMANAGED
        self.groups = table("group", "organization", "parentId")  # roles: ids
        self.group_members = table("group_member", "group", "user")
        self.invitations = table("invitation", "organization", "email")  # user: id of an invited existing account
        self.sessions = table("session", "user")  # clients: uuid -> what a client keeps there; offline
        self.logins = table("login", "root")  # a login under way in a browser tab
        self.codes = table("code")
        self.devices = table("device", "user_code")
        self.events = table("event")
        self.admin_events = table("admin_event")
        self.revoked = table("revoked")

    @property
    def settings(self) -> Document:
        """The realm's own representation."""
        return self._settings.get("realm") or {}

    def keep_settings(self, settings: Document) -> None:
        self._settings.put("realm", settings)

    @property
    def id(self) -> str:
        return str(self.settings["id"])

    @property
    def name(self) -> str:
        return str(self.settings["realm"])

    @property
    def display_name(self) -> str:
        return str(self.settings.get("displayName") or self.name)

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/{self.name}"

    @property
    def admin_url(self) -> str:
        return f"{self.url}/admin/realms/{self.name}"

    def now(self) -> int:
        """Seconds since the epoch."""
        return int(self.clock.now().timestamp())

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.clock.now().timestamp() * 1000)

    def client(self, client_id: str | None) -> Document | None:
        """The client of that ``clientId``."""
        return self.clients.one("clientId", client_id) if client_id else None

    def role(self, container: str, name: str) -> Document | None:
        return next((row for row in self.roles.by("containerId", container) if row["name"] == name), None)

    def memberships(self, user_id: str) -> list[Document]:
        """The organizations of a user, by name; disabled ones too, none while the feature is off."""
        if not self.settings.get("organizationsEnabled"):
            return []
        rows = [self.organizations.get(row["organization"]) for row in self.members.by("user", user_id)]
        return sorted((row for row in rows if row), key=lambda row: str(row["name"]))

    def membership(self, organization_id: str, user_id: str) -> Document | None:
        return self.members.get(f"{organization_id}/{user_id}")


def new_id() -> str:
    return str(uuid4())


def new_word(size: int = 18) -> str:
    """An opaque random word (24 letters by default), as for sessions."""
    return secrets.token_urlsafe(size)


def pick(row: Document, *names: str) -> Document:
    """Those fields of a row that are there and not None."""
    return {name: row[name] for name in names if row.get(name) is not None}


def text_of(value: Any) -> str:
    """A field as text, empty when missing."""
    return "" if value is None else str(value)
