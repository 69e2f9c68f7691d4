"""Who belongs to an organization, in which roles, and who is invited. Roles are groups inside the organization."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from glue.errors import UpstreamConflict, UpstreamNotFound
from glue.rules.facts import Invitation, Member, Role
from glue.upstream.keycloak.calls import KeycloakCalls, Representation, checked_id
from glue.upstream.reading import text

T = TypeVar("T")

PAGE = 500


class Members(KeycloakCalls):
    def list_members(self, organization_id: str) -> tuple[Member, ...]:
        """All members with their roles: one request for members, one for groups, one for each role's group."""
        base = f"organizations/{checked_id(organization_id)}"
        people = self._pages("list_members", f"{base}/members")
        roles: dict[str, set[Role]] = {}
        for role, group_id in self._role_groups(base).items():
            for person in self._pages("list_group_members", f"{base}/groups/{group_id}/members"):
                roles.setdefault(person["id"], set()).add(role)
        return tuple(_parse_member(person, frozenset(roles.get(person["id"], ()))) for person in people)

    def _pages(self, operation: str, path: str) -> list[Representation]:
        found: list[Representation] = []
        while True:
            page: list[Representation] = self._get(operation, path, list, first=len(found), max=PAGE)
            found += page
            if len(page) < PAGE:
                return found

    def _role_groups(self, base: str) -> dict[Role, str]:
        known = {role.value: role for role in Role}

        def read(groups: list[Representation]) -> dict[Role, str]:
            ours = [group for group in groups if group["name"] in known and group["path"] == f"/{group['name']}"]
            return {known[group["name"]]: group["id"] for group in ours}

        return self._get("list_groups", f"{base}/groups", read)

    def add_member(self, organization_id: str, user_id: str) -> None:
        """Make a person who has an account a member. One who is a member already is fine."""
        with suppress(UpstreamConflict):
            self._use("add_member", lambda: self._service.organization_user_add(checked_id(user_id), checked_id(organization_id)))

    def set_roles(self, organization_id: str, user_id: str, roles: frozenset[Role]) -> None:
        """Exactly these of our roles; other groups are left alone. Makes missing groups. A non-member is UpstreamRefused."""
        base = f"organizations/{checked_id(organization_id)}"
        groups = self._role_groups(base)
        for role in sorted(roles - groups.keys()):
            groups[role] = self._make_group(base, role)
        path = f"{base}/members/{checked_id(user_id)}/groups"
        has = self._get("list_member_groups", path, lambda found: {group["id"] for group in found})
        for role, group_id in groups.items():
            membership = f"{base}/groups/{group_id}/members/{user_id}"
            if role in roles and group_id not in has:
                self._fine_if_done(partial(self._put, "join_group", membership))
            elif role not in roles and group_id in has:
                self._delete("leave_group", membership)

    def _make_group(self, base: str, role: Role) -> str:
        self._fine_if_done(lambda: self._post("create_group", f"{base}/groups", json.dumps({"name": role.value})))
        return self._role_groups(base)[role]

    def _fine_if_done(self, action: Callable[[], None]) -> None:
        with suppress(UpstreamConflict):
            action()

    def remove_member(self, organization_id: str, user_id: str, *, managed: bool = False) -> None:
        """Take a person out; already out is fine.

        Removing a MANAGED member deletes the account: UpstreamConflict unless ``managed`` says that this is meant.
        """
        path = f"organizations/{checked_id(organization_id)}/members/{checked_id(user_id)}"
        with suppress(UpstreamNotFound):
            kind = self._get("find_member", path, lambda person: str(person["membershipType"]))
            if kind == "MANAGED" and not managed:
                raise self._calls.refuse("remove_member", "This account belongs to the organization: removing the member deletes it.")
            self._delete("remove_member", path)

    def list_invitations(self, organization_id: str) -> tuple[Invitation, ...]:
        path = f"organizations/{checked_id(organization_id)}/invitations"
        return self._get("list_invitations", path, lambda found: tuple(_parse_invitation(one) for one in found))

    def invite(self, organization_id: str, *, email: str, first_name: str = "", last_name: str = "") -> None:
        """Mail an invitation, unless one is waiting. One that expired is sent again: inviting anew would mail a dead link.

        One at a time for an address: parallel ones mail dead links too. A member is UpstreamConflict.
        """
        waiting = {one.email.lower(): one for one in self.list_invitations(organization_id)}
        existing = waiting.get(email.lower())
        if existing is None:
            form = {"email": email, "firstName": first_name, "lastName": last_name}
            self._post("invite", f"organizations/{organization_id}/members/invite-user", form, form=True)
        elif existing.status == "EXPIRED":
            self.resend_invitation(organization_id, existing.id)

    def resend_invitation(self, organization_id: str, invitation_id: str) -> None:
        """Mail it anew: a new invitation with a new id takes its place, the old link dies."""
        self._post("resend_invitation", f"organizations/{checked_id(organization_id)}/invitations/{checked_id(invitation_id)}/resend", "")

    def delete_invitation(self, organization_id: str, invitation_id: str) -> None:
        """Take it back. Already gone is fine."""
        with suppress(UpstreamNotFound):
            self._delete("delete_invitation", f"organizations/{checked_id(organization_id)}/invitations/{checked_id(invitation_id)}")


def _parse_member(person: Any, roles: frozenset[Role]) -> Member:
    return Member(
        user_id=person["id"],
        username=person["username"],
        email=text(person.get("email")),
        enabled=person["enabled"],
        managed=person["membershipType"] == "MANAGED",
        roles=roles,
        first_name=text(person.get("firstName")),
        last_name=text(person.get("lastName")),
        service_account=person["username"].startswith("service-account-"),
    )


def _parse_invitation(one: Any) -> Invitation:
    return Invitation(
        id=one["id"],
        email=one["email"],
        status=one["status"],
        sent_at=datetime.fromtimestamp(one["sentDate"], UTC),  # seconds here, milliseconds everywhere else
        expires_at=datetime.fromtimestamp(one["expiresAt"], UTC),
    )
