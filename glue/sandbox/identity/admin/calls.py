"""A call of the admin API: who asks, what they may, what they ask, and the event that it leaves."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import Response

from glue.sandbox.identity.answers import Document, error, message, nothing_there, read_list, read_object
from glue.sandbox.identity.events import note_admin_event
from glue.sandbox.identity.roles import effective_roles
from glue.sandbox.identity.state import Realm, text_of
from glue.sandbox.identity.tokens import Checked, check_token

Handler = Callable[["Call"], Response | Awaitable[Response]]
# Which roles of realm-management open a door; any one of them does.
READ_ORGANIZATIONS = ("view-organizations", "manage-organizations", "manage-realm")
WRITE_ORGANIZATIONS = ("manage-organizations", "manage-realm")
READ_USERS, WRITE_USERS = ("view-users", "manage-users"), ("manage-users",)
READ_CLIENTS, WRITE_CLIENTS = ("view-clients", "manage-clients"), ("manage-clients",)
READ_REALM, WRITE_REALM = ("view-realm", "manage-realm"), ("manage-realm",)
READ_EVENTS, WRITE_EVENTS = ("view-events", "manage-events"), ("manage-events",)


@dataclass
class Call:
    """One request, its caller known and allowed."""

    realm: Realm
    parts: dict[str, str]  # what stands in the path's placeholders
    query: dict[str, list[str]]
    raw: bytes
    content_type: str
    checked: Checked
    rights: frozenset[str]

    def may(self, roles: tuple[str, ...]) -> bool:
        return bool(self.rights & set(roles))

    def require(self, roles: tuple[str, ...]) -> None:
        if not self.may(roles):
            raise error(403, "HTTP 403 Forbidden")

    @property
    def asked(self) -> dict[str, str]:
        """The query, each name's first value."""
        return {name: values[0] for name, values in self.query.items()}

    def number(self, name: str, default: int) -> int:
        """A number of the query; a word in its place is a 404, as in a real server."""
        text = self.asked.get(name, "")
        if text and not re.fullmatch(r"[+-]?\d{1,9}", text):
            raise nothing_there()
        return int(text) if text else default

    def page(self, rows: list[Any], default: int) -> list[Any]:
        """The part of ``rows`` that ``first`` and ``max`` ask for; -1 is all, ``default`` when nothing is said."""
        first, limit = max(self.number("first", 0), 0), self.number("max", default)
        return rows[first : None if limit < 0 else first + limit]

    def body(self, kind: str) -> Document:
        self._want("application/json")
        return read_object(self.raw, kind)

    def list_body(self) -> list[Any]:
        self._want("application/json")
        return read_list(self.raw)

    def form(self) -> dict[str, str]:
        """The fields of a form; empty for JSON, which such calls do not read."""
        if "form" not in self.content_type:
            return {}
        return {name: values[0] for name, values in parse_qs(self.raw.decode("utf-8", "replace"), keep_blank_values=True).items()}

    def _want(self, kind: str) -> None:
        if self.content_type and not self.content_type.startswith(kind):
            raise error(415, "The content-type header value did not match the value in @Consumes")

    def note(self, operation: str, resource: str, path: str | None, representation: Any = None, *, user: Document | None = None) -> None:
        """Keep the admin event of this call; ``user`` is whom it touched."""
        who = {"realmId": self.realm.id, "clientId": self.checked.client["id"], "userId": self.checked.user["id"], "ipAddress": "127.0.0.1"}
        details = {name: text_of(user[name]) for name in ("email", "username") if user.get(name)} if user else None
        note_admin_event(self.realm, who, operation=operation, resource=resource, path=path, representation=representation, details=details)

    def user(self, name: str = "user") -> Document:
        row = self.realm.users.get(self.parts[name])
        if row is None:
            raise error(404, "User not found")
        return row

    def client(self, name: str = "client") -> Document:
        row = self.realm.clients.get(self.parts[name])
        if row is None:
            raise error(404, "Could not find client")
        return row

    def organization(self) -> Document:
        row = self.realm.organizations.get(self.parts["organization"])
        if row is None:
            raise message(404, "Organization not found.")
        return row


def open_call(realm: Realm, authorization: str | None) -> tuple[Checked, frozenset[str]]:
    """Who calls with this header and which admin roles they have. Raises 401."""
    refused = error(401, "HTTP 401 Unauthorized")
    if not authorization or not authorization.lower().startswith("bearer "):
        raise refused
    checked = check_token(realm, authorization[7:])
    management = realm.client("realm-management")
    if isinstance(checked, str) or checked.claims["typ"] != "Bearer" or management is None:
        raise refused
    roles = effective_roles(realm, checked.user, checked.client)
    return checked, frozenset(role["name"] for role in roles if role["containerId"] == management["id"])


def stripped(given: Document, *without: str) -> Document:
    """A representation as an admin event shows it: no empty fields, nothing secret."""
    return {name: value for name, value in given.items() if value is not None and name not in without}
