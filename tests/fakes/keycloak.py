from dataclasses import replace
from datetime import timedelta

from glue.clock import Clock
from glue.errors import UpstreamConflict, UpstreamNotFound
from glue.rules.facts import IdentityEvent, Invitation, Member, Organization, Role, User
from tests.fakes.faults import Faults


class FakeKeycloak:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.faults = Faults("keycloak")
        self.organizations: dict[str, Organization] = {}
        self.users: dict[str, User] = {}
        self.members: dict[str, dict[str, Member]] = {}
        self.invitations: dict[str, dict[str, Invitation]] = {}
        self.programs: dict[str, dict] = {}
        self.events: list[IdentityEvent] = []
        self.sent_invitations: list[str] = []
        self.logged_out: list[str] = []
        self._count = 0

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"

    # organizations

    def find_organization(self, alias: str) -> Organization | None:
        self.faults.enter("find_organization")
        return next((one for one in self.organizations.values() if one.alias == alias), None)

    def find_organization_by_id(self, organization_id: str) -> Organization | None:
        self.faults.enter("find_organization")
        return self.organizations.get(organization_id)

    def list_organizations(self, *, first: int = 0, limit: int = 1000) -> list[Organization]:
        self.faults.enter("list_organizations")
        return sorted(self.organizations.values(), key=lambda one: one.name)[first : first + limit]

    def create_organization(self, *, alias: str, name: str, redirect_url: str, attributes: dict[str, tuple[str, ...]]) -> Organization:
        self.faults.enter("create_organization")
        existing = next((one for one in self.organizations.values() if one.alias == alias), None)
        if existing is None:
            if any(one.name == name for one in self.organizations.values()):
                raise UpstreamConflict("name taken", upstream="keycloak", operation="create_organization", codes=())
            existing = Organization(self._id("org"), alias, name, True, redirect_url=redirect_url, attributes=dict(attributes))
            self.organizations[existing.id] = existing
            self.members[existing.id] = {}
            self.invitations[existing.id] = {}
        self.faults.leave("create_organization")
        return existing

    def update_organization(self, organization: Organization) -> None:
        self.faults.enter("update_organization")
        if not self.faults.ignores("update_organization"):
            self.organizations[organization.id] = organization
        self.faults.leave("update_organization")

    def edit(self, alias: str, **fields) -> None:
        """Somebody clicks in Keycloak's console."""
        for key, one in self.organizations.items():
            if one.alias == alias:
                self.organizations[key] = replace(one, **fields)

    # members

    def add_user(self, user_id: str, email: str, **fields) -> User:
        self.users[user_id] = User(user_id, email, email, email_verified=True, enabled=True, **fields)
        return self.users[user_id]

    def list_members(self, organization_id: str) -> tuple[Member, ...]:
        self.faults.enter("list_members")
        return tuple(self.members[organization_id].values())

    def add_member(self, organization_id: str, user_id: str, *, managed: bool = False) -> None:
        self.faults.enter("add_member")
        if user_id not in self.users:
            raise UpstreamNotFound("no such user", upstream="keycloak", operation="add_member", codes=())
        user = self.users[user_id]
        self.members[organization_id].setdefault(user_id, Member(user_id, user.username, user.email, True, managed))
        self.faults.leave("add_member")

    def set_roles(self, organization_id: str, user_id: str, roles: frozenset[Role]) -> None:
        self.faults.enter("set_roles")
        members = self.members[organization_id]
        members[user_id] = replace(members[user_id], roles=roles)
        self.faults.leave("set_roles")

    def remove_member(self, organization_id: str, user_id: str, *, managed: bool = False) -> None:
        self.faults.enter("remove_member")
        member = self.members[organization_id].get(user_id)
        if member is None:
            return
        if member.managed and not managed:
            raise UpstreamConflict("managed", upstream="keycloak", operation="remove_member", codes=())
        del self.members[organization_id][user_id]
        if member.managed:
            self.delete_user(user_id)
        self.faults.leave("remove_member")

    def organizations_of_user(self, user_id: str) -> list[Organization]:
        self.faults.enter("organizations_of_user")
        return [self.organizations[key] for key, people in self.members.items() if user_id in people]

    # invitations

    def list_invitations(self, organization_id: str) -> tuple[Invitation, ...]:
        self.faults.enter("list_invitations")
        now = self.clock.wall()
        rows = self.invitations[organization_id].values()
        return tuple(replace(row, status="EXPIRED" if row.expires_at <= now else "PENDING") for row in rows)

    def invite(self, organization_id: str, *, email: str, first_name: str = "", last_name: str = "") -> None:
        self.faults.enter("invite")
        if not any(row.email == email for row in self.invitations[organization_id].values()):
            self._send_invitation(organization_id, email)
        self.faults.leave("invite")

    def _send_invitation(self, organization_id: str, email: str) -> None:
        now = self.clock.wall()
        row = Invitation(self._id("inv"), email, "PENDING", now, now + timedelta(days=7))
        self.invitations[organization_id][row.id] = row
        self.sent_invitations.append(email)

    def resend_invitation(self, organization_id: str, invitation_id: str) -> None:
        self.faults.enter("resend_invitation")
        old = self.invitations[organization_id].pop(invitation_id)
        self._send_invitation(organization_id, old.email)

    def delete_invitation(self, organization_id: str, invitation_id: str) -> None:
        self.faults.enter("delete_invitation")
        self.invitations[organization_id].pop(invitation_id, None)

    def accept_invitation(self, organization_id: str, user_id: str, *, managed: bool = False) -> None:
        """The person follows the link."""
        user = self.users[user_id]
        rows = self.invitations[organization_id]
        for key in [key for key, row in rows.items() if row.email == user.email]:
            del rows[key]
        self.members[organization_id][user_id] = Member(user_id, user.username, user.email, True, managed)

    # users and programs

    def find_user(self, user_id: str) -> User | None:
        self.faults.enter("find_user")
        return self.users.get(user_id)

    def find_user_by_email(self, email: str) -> User | None:
        self.faults.enter("find_user")
        return next((user for user in self.users.values() if user.email == email), None)

    def logout_user(self, user_id: str) -> None:
        self.faults.enter("logout_user")
        self.logged_out.append(user_id)

    def set_user_enabled(self, user_id: str, *, enabled: bool) -> None:
        self.faults.enter("set_user_enabled")
        self.users[user_id] = replace(self.users[user_id], enabled=enabled)

    def delete_user(self, user_id: str) -> None:
        self.faults.enter("delete_user")
        self.users.pop(user_id, None)
        for people in self.members.values():
            people.pop(user_id, None)

    def create_program(self, organization_id: str, *, client_id: str, name: str) -> str:
        self.faults.enter("create_program")
        user_id = f"sa-{client_id}"
        self.programs[client_id] = {"organization": organization_id, "name": name, "enabled": True, "secret": self._id("secret")}
        username = f"service-account-{client_id}"
        self.users[user_id] = User(user_id, username, "", email_verified=False, enabled=True)
        self.members[organization_id][user_id] = Member(
            user_id, username, "", True, False, frozenset({Role.MEMBER}), service_account=True, first_name=name
        )
        self.faults.leave("create_program")
        return self.programs[client_id]["secret"]

    def rotate_program_secret(self, client_id: str) -> str:
        self.faults.enter("rotate_program_secret")
        self.programs[client_id]["secret"] = self._id("secret")
        return self.programs[client_id]["secret"]

    def set_program_enabled(self, client_id: str, *, enabled: bool) -> None:
        self.faults.enter("set_program_enabled")
        self.programs[client_id]["enabled"] = enabled

    # events

    def admin_events(self, *, since, limit: int = 1000) -> list[IdentityEvent]:
        self.faults.enter("admin_events")
        return self._events(since, limit, admin=True)

    def user_events(self, *, since, limit: int = 1000) -> list[IdentityEvent]:
        self.faults.enter("user_events")
        return self._events(since, limit, admin=False)

    def _events(self, since, limit: int, *, admin: bool) -> list[IdentityEvent]:
        found = [event for event in self.events if event.at >= since and ("." in event.kind) == admin]
        return sorted(found, key=lambda event: event.at)[:limit]

    def realm_id(self) -> str:
        self.faults.enter("realm_id")
        return "realm-1"
