"""The realm itself: keys, tokens, identity, and the raw representations that files declare."""

from typing import Any

from glue.errors import UpstreamRefused
from glue.upstream.keycloak.calls import KeycloakCalls, Representation, checked_id


class Realm(KeycloakCalls):
    def jwks(self) -> dict[str, Any]:
        """The keys that sign tokens. The one for encryption is left out."""
        return self._use("jwks", lambda: {"keys": [key for key in self._tokens.certs()["keys"] if key.get("use") == "sig"]})

    def introspect(self, token: str) -> dict[str, Any] | None:
        """What Keycloak says about an access token now; None when it is good for nothing any more.

        That includes the 400 for a token whose organization was disabled or whose membership ended.
        """
        try:
            answer = self._use("introspect", lambda: dict(self._tokens.introspect(token)))
        except UpstreamRefused as error:
            if error.status == 400 and "Failed to introspect token" in error.body:
                return None
            raise
        return answer if answer.get("active") is True else None

    def realm_id(self) -> str:
        """Tells one realm from another of the same name: the id of our own service account in it, which an import makes anew."""
        return self._use("realm_id", lambda: str(self._service.connection.subject()))

    def server_version(self) -> str:
        """For example 26.7.3; empty when our rights do not show it."""
        return self._use("server_version", lambda: str(self._service.get_server_info().get("systemInfo", {}).get("version", "")))

    def get_realm(self) -> Representation:
        """The realm's top-level fields as the apply client sees them."""
        return self._use("get_realm", lambda: dict(self._apply.get_realm(self._settings.realm)))

    def update_realm(self, fields: Representation) -> None:
        """Change the given fields. ``attributes`` are merged here, for Keycloak would replace all of them."""
        if "attributes" in fields:
            fields = fields | {"attributes": {**(self.get_realm().get("attributes") or {}), **fields["attributes"]}}
        self._use("update_realm", lambda: self._apply.update_realm(self._settings.realm, fields))

    def list_clients(self) -> list[Representation]:
        return self._use("list_clients", lambda: list(self._apply.get_clients()))

    def create_client(self, representation: Representation) -> None:
        self._use("create_client", lambda: self._apply.create_client(representation))

    def update_client(self, internal_id: str, representation: Representation) -> None:
        """Top-level fields merge. A masked secret (ten stars) written back would become the secret: leave it out."""
        if set(str(representation.get("secret", ""))) == {"*"}:
            raise self._calls.refuse("update_client", "A masked secret must not be written back.")
        self._use("update_client", lambda: self._apply.update_client(checked_id(internal_id), representation))

    def list_client_scopes(self) -> list[Representation]:
        return self._use("list_client_scopes", lambda: list(self._apply.get_client_scopes()))

    def create_client_scope(self, representation: Representation) -> None:
        self._use("create_client_scope", lambda: self._apply.create_client_scope(representation))

    def update_client_scope(self, internal_id: str, representation: Representation) -> None:
        self._use("update_client_scope", lambda: self._apply.update_client_scope(checked_id(internal_id), representation))

    def list_realm_roles(self) -> list[Representation]:
        return self._use("list_realm_roles", lambda: list(self._apply.get_realm_roles()))

    def create_realm_role(self, representation: Representation) -> None:
        self._use("create_realm_role", lambda: self._apply.create_realm_role(representation))
