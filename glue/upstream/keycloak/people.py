"""Accounts of people, and programs: service accounts that a tenant owns."""

from contextlib import suppress
from typing import Any

from glue.errors import UpstreamNotFound
from glue.rules.facts import Role, User
from glue.upstream.keycloak.calls import Representation, checked, checked_id
from glue.upstream.keycloak.members import Members
from glue.upstream.reading import text

OWNER = "glue.organization"  # attribute of a program's client: whose it is, and that it is one


class People(Members):
    def find_user(self, user_id: str) -> User | None:
        try:
            return self._use("find_user", lambda: _parse_user(self._service.get_user(checked_id(user_id))))
        except UpstreamNotFound:
            return None

    def find_user_by_email(self, email: str) -> User | None:
        def search() -> User | None:
            found = self._service.get_users({"email": email, "exact": "true", "first": 0, "max": 10})
            return next((_parse_user(one) for one in found if one.get("email", "").lower() == email.lower()), None)

        return self._use("find_user_by_email", search)

    def logout_user(self, user_id: str) -> None:
        """End all sessions. Offline tokens survive it."""
        self._use("logout_user", lambda: self._service.user_logout(checked_id(user_id)))

    def set_user_enabled(self, user_id: str, *, enabled: bool) -> None:
        """Lock or unlock the account. Unlocking lets old tokens live again."""
        self._use("set_user_enabled", lambda: self._service.update_user(checked_id(user_id), {"enabled": enabled}))

    def delete_user(self, user_id: str) -> None:
        """Delete the account. Already gone is fine."""
        with suppress(UpstreamNotFound):
            self._use("delete_user", lambda: self._service.delete_user(checked_id(user_id)))

    def create_program(self, organization_id: str, *, client_id: str, name: str) -> str:
        """A service account, member of the organization. Answers its secret, which nobody shows again.

        Repeating it after a lost answer finishes the work and answers a new secret. A client of this id that is not a
        program of this organization is UpstreamConflict.
        """
        client = self._find_client(client_id)
        if client is None:
            new = _new_program(organization_id, client_id=checked_id(client_id), name=name, audience=self._settings.api_client_id)
            self._use("create_program", lambda: self._apply.create_client(new))
            client = self._find_client(client_id)
        if client is None or (client.get("attributes") or {}).get(OWNER) != organization_id:
            raise self._calls.refuse("create_program", f"There is a client {client_id} already, and it is not a program of this customer.")
        internal_id = str(client["id"])
        account = self._use("find_service_account", lambda: str(self._apply.get_client_service_account_user(client_id=internal_id)["id"]))
        self._use("name_program", lambda: self._service.update_user(account, {"firstName": name}))  # a list of members shows it
        self.add_member(organization_id, account)
        self.set_roles(organization_id, account, frozenset({Role.MEMBER}))
        return self._new_secret(internal_id)

    def rotate_program_secret(self, client_id: str) -> str:
        """A new secret; the old one dies at once."""
        return self._new_secret(str(self._get_program(client_id)["id"]))

    def set_program_enabled(self, client_id: str, *, enabled: bool) -> None:
        internal_id = str(self._get_program(client_id)["id"])
        change = {"clientId": client_id, "enabled": enabled}
        self._use("set_program_enabled", lambda: self._apply.update_client(internal_id, change))

    def _get_program(self, client_id: str) -> Representation:
        client = self._find_client(client_id)
        if client is None:
            raise UpstreamNotFound(f"Keycloak has no program {client_id}.", upstream="keycloak", operation="find_program", codes=())
        if not (client.get("attributes") or {}).get(OWNER):
            raise self._calls.refuse("find_program", f"The client {client_id} is not a program.")
        return client

    def _find_client(self, client_id: str) -> Representation | None:
        def search() -> Representation | None:
            found = checked(self._apply.connection.raw_get(f"{self._base}/clients", clientId=client_id))
            return next((dict(one) for one in found if one["clientId"] == client_id), None)

        return self._use("find_client", search)

    def _new_secret(self, internal_id: str) -> str:
        return self._use("create_secret", lambda: str(self._apply.generate_client_secrets(internal_id)["value"]))


def _new_program(organization_id: str, *, client_id: str, name: str, audience: str) -> Representation:
    return {
        "clientId": client_id,
        "name": name,
        "protocol": "openid-connect",
        "enabled": True,
        "publicClient": False,
        "serviceAccountsEnabled": True,
        "standardFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "fullScopeAllowed": False,
        "defaultClientScopes": ["basic", "acr", "roles", "profile", "email", "service_account", audience],
        "optionalClientScopes": ["organization"],
        "attributes": {OWNER: organization_id},
    }


def _parse_user(one: Any) -> User:
    return User(
        id=one["id"],
        username=one["username"],
        email=text(one.get("email")),
        email_verified=one["emailVerified"],
        enabled=one["enabled"],
        first_name=text(one.get("firstName")),
        last_name=text(one.get("lastName")),
        locale=next(iter((one.get("attributes") or {}).get("locale", [])), ""),
    )
