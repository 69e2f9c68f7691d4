"""Organizations: a tenant as Keycloak knows it, found by its alias, which never changes."""

from typing import Any

from glue.errors import UpstreamConflict, UpstreamNotFound
from glue.rules.facts import Organization
from glue.upstream.keycloak.calls import KeycloakCalls, Representation, checked_id
from glue.upstream.reading import text


class Organizations(KeycloakCalls):
    def find_organization(self, alias: str) -> Organization | None:
        # `search` looks at names and domains, never at the alias; `q` finds it, and is ignored where it is not understood.
        def read(found: list[Representation]) -> Organization | None:
            return next((_parse(one) for one in found if one["alias"] == alias), None)

        return self._get("find_organization", "organizations", read, q=f"alias:{checked_id(alias)}", briefRepresentation="false", max=10)

    def find_organization_by_id(self, organization_id: str) -> Organization | None:
        try:
            return self._use("find_organization_by_id", lambda: _parse(self._service.get_organization(checked_id(organization_id))))
        except UpstreamNotFound:
            return None

    def list_organizations(self, *, first: int = 0, limit: int = 1000) -> list[Organization]:
        """Ordered by name, attributes included. Ask page by page: all of ten thousand at once take minutes."""
        query = {"first": first, "max": limit, "briefRepresentation": "false"}
        return self._use("list_organizations", lambda: [_parse(one) for one in self._service.get_organizations(query)])

    def create_organization(self, *, alias: str, name: str, redirect_url: str, attributes: dict[str, tuple[str, ...]]) -> Organization:
        """Make it, or find the one of this alias as it is. A name that another has is UpstreamConflict."""
        new = {
            "alias": checked_id(alias),
            "name": name,
            "enabled": True,
            "redirectUrl": redirect_url,
            "attributes": {key: list(values) for key, values in attributes.items()},
        }
        try:
            self._use("create_organization", lambda: self._service.create_organization(new))
        except UpstreamConflict:
            existing = self.find_organization(alias)
            if existing is None:
                raise
            return existing
        made = self.find_organization(alias)
        if made is None:
            raise self._calls.refuse("create_organization", "Keycloak does not show the organization that it has just made.")
        return made

    def update_organization(self, organization: Organization) -> None:
        """Make it say exactly this. What Keycloak keeps besides (a domain's verification) is read first and sent along."""
        path = checked_id(organization.id)
        now = self._use("read_organization", lambda: dict(self._service.get_organization(path)))
        domains = {one["name"]: one for one in now.get("domains") or []}
        wanted = now | {
            "name": organization.name,
            "enabled": organization.enabled,
            "description": organization.description,
            "redirectUrl": organization.redirect_url,
            "attributes": {key: list(values) for key, values in organization.attributes.items()},
            "domains": [domains.get(name, {"name": name, "verified": False}) for name in organization.domains],
        }
        self._use("update_organization", lambda: self._service.update_organization(path, wanted))

    def organizations_of_user(self, user_id: str) -> list[Organization]:
        path = f"organizations/members/{checked_id(user_id)}/organizations"
        try:
            return self._get("organizations_of_user", path, lambda found: [_parse(one) for one in found], briefRepresentation="false")
        except UpstreamNotFound:
            return []  # an account that is gone is in none: its old events must not hold up the newer ones


def _parse(one: Any) -> Organization:
    return Organization(
        id=one["id"],
        alias=one["alias"],
        name=one["name"],
        enabled=one["enabled"],
        description=text(one.get("description")),
        redirect_url=text(one.get("redirectUrl")),
        attributes={key: tuple(values) for key, values in (one.get("attributes") or {}).items()},
        domains=tuple(domain["name"] for domain in one.get("domains") or []),
    )
