"""Who is looking: the signed-in person, the organization they look at, and what their role lets them see and do."""

from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import Request

from glue.clock import Clock
from glue.errors import GlueError, NotAllowed, UpstreamError
from glue.rules.facts import Role
from glue.rules.names import TenantId
from glue.upstream.keycloak import Keycloak
from portal.rendering import Choice

CHECK_SECONDS = 45
VOUCHED_SECONDS = 600  # so long a person who was known goes on while Keycloak does not answer
UNLISTED_SECONDS = 1  # for somebody whom the last look did not find in a team: just joined, or just removed


class SignInNeeded(GlueError):
    """Nobody is signed in; ``then`` is where the person wanted to go."""

    code = "sign_in_needed"
    title = "Please sign in"

    def __init__(self, then: str) -> None:
        super().__init__("Please sign in to see this page.")
        self.then = then


class OnboardingNeeded(GlueError):
    """Signed in, but without an organization yet."""

    code = "onboarding_needed"
    title = "You have no organization yet"

    def __init__(self) -> None:
        super().__init__("You have no organization yet.", remedy="Set one up, or ask a colleague for an invitation.")


class Members(Protocol):
    """What the portal asks about memberships."""

    def roles_of(self, tenant: TenantId, subject: str) -> frozenset[Role] | None:
        """The person's roles as convergence last saw them; None for a stranger."""
        ...

    def name_of(self, tenant: TenantId) -> str | None:
        """Display name; None for a tenant we do not (or no longer) keep."""
        ...

    def joined(self, tenant: TenantId, subject: str) -> None:
        """Keycloak knows a member that we do not: look at this tenant soon."""
        ...


@dataclass(frozen=True)
class Person:
    """A signed-in person looking at one organization (``tenant`` is empty while there is none)."""

    subject: str
    email: str
    name: str
    locale: str
    operator: bool
    tenant: TenantId
    tenant_name: str
    roles: frozenset[Role]
    organizations: tuple[Choice, ...]
    acting: bool = False  # an operator who sees as this tenant: nothing can be changed

    def may(self, *roles: Role) -> bool:
        """Whether one of the roles is the person's; an admin may everything."""
        return not self.acting and (Role.ADMIN in self.roles or any(role in self.roles for role in roles))

    def must(self, *roles: Role) -> None:
        """Raises NotAllowed unless ``may``."""
        if not self.may(*roles):
            raise NotAllowed("This needs a role that you do not have.", remedy="Ask an admin of your organization.")

    def may_see(self, *roles: Role) -> bool:
        """Whether pages of these roles are shown: to those who may act there, and to an operator who looks on."""
        return self.acting or self.may(*roles)

    def must_see(self, *roles: Role) -> None:
        """Raises NotAllowed unless ``may_see``."""
        if not self.may_see(*roles):
            raise NotAllowed("This needs a role that you do not have.", remedy="Ask an admin of your organization.")


class People:
    """Finds the person behind a request; asks Keycloak again every 45 seconds whether it still stands, at once when a team no longer lists it."""

    def __init__(self, keycloak: Keycloak, members: Members, clock: Clock) -> None:
        self._keycloak, self._members, self._clock = keycloak, members, clock

    def find(self, request: Request) -> Person | None:
        """The person, or None when nobody is signed in."""
        data = request.session.get("person")
        if not data or not self._still_stands(request, data):
            return None
        acting = request.session.get("acting_as", "") if data["operator"] else ""
        aliases = [acting] if acting else data["organizations"]
        names = {alias: name for alias in aliases if (name := self._members.name_of(TenantId(alias))) is not None}
        chosen = acting or request.session.get("tenant", "")
        if chosen not in names:
            chosen = next(iter(names), "")
        return Person(
            subject=data["sub"],
            email=data["email"],
            name=data["name"],
            locale=request.session.get("language") or data.get("locale", ""),
            operator=data["operator"],
            tenant=TenantId(chosen),
            tenant_name=names.get(chosen, ""),
            roles=frozenset(Role) if acting else self._roles(TenantId(chosen), data["sub"]),
            organizations=tuple(Choice(alias, name) for alias, name in names.items()),
            acting=bool(acting),
        )

    def get(self, request: Request) -> Person:
        """The person with an organization. Raises SignInNeeded, OnboardingNeeded."""
        person = self.get_signed_in(request)
        if not person.tenant:
            raise OnboardingNeeded
        return person

    def get_signed_in(self, request: Request) -> Person:
        """The person, with or without an organization. Raises SignInNeeded."""
        person = self.find(request)
        if person is None:
            raise SignInNeeded(request.url.path if request.method == "GET" else "/")
        return person

    def get_operator(self, request: Request) -> Person:
        """Raises SignInNeeded, or NotAllowed for everybody without the realm's role `operator`."""
        person = self.get_signed_in(request)
        if not person.operator:
            raise NotAllowed("This page is for operators.", remedy="The role `operator` is given in Keycloak.")
        return person

    def _roles(self, tenant: TenantId, subject: str) -> frozenset[Role]:
        if not tenant:
            return frozenset()
        roles = self._members.roles_of(tenant, subject)
        if roles is None:  # just joined: Keycloak said so, convergence has not looked yet
            self._members.joined(tenant, subject)
            return frozenset({Role.MEMBER})
        return roles

    def _still_stands(self, request: Request, data: dict[str, Any]) -> bool:
        now = self._clock.wall().timestamp()
        unlisted = any(self._members.roles_of(TenantId(alias), data["sub"]) is None for alias in data["organizations"])
        if now - data["checked_at"] < (UNLISTED_SECONDS if unlisted else CHECK_SECONDS):
            return True
        try:
            user = self._keycloak.find_user(data["sub"])
            if user is None or not user.enabled:
                request.session.clear()
                return False
            organizations = [one.alias for one in self._keycloak.organizations_of_user(data["sub"]) if one.enabled]
        except UpstreamError:
            # Without Keycloak what was known goes on for ten minutes, then nobody can vouch for this person any more.
            return bool(now - data["checked_at"] < VOUCHED_SECONDS)
        request.session["person"] = data | {"organizations": sorted(organizations), "checked_at": now}
        return True
