"""What Keycloak's adapter promises, whatever answers it. Subclasses give the fixtures ``keycloak`` and ``settings``."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from glue.errors import UpstreamConflict, UpstreamNotFound, UpstreamRefused
from glue.rules.facts import Organization, Role
from glue.settings import KeycloakSettings
from glue.upstream.keycloak import Keycloak

NOBODY = "00000000-0000-4000-8000-000000000000"
PORTAL = "http://localhost:8300/"


def fresh_alias() -> str:
    return f"t{secrets.token_hex(7)}"


def make_organization(keycloak: Keycloak, **attributes: tuple[str, ...]) -> Organization:
    alias = fresh_alias()
    return keycloak.create_organization(alias=alias, name=f"Acme · {alias}", redirect_url=PORTAL, attributes=attributes)


class KeycloakContract:
    @pytest.fixture
    def acme(self, keycloak: Keycloak) -> Organization:
        return make_organization(keycloak, tier=("pro",))

    @pytest.fixture
    def make_person(self, settings: KeycloakSettings) -> Callable[..., str]:
        """Registers an account as the apply client could not: with the service client's right over users."""

        def make(email: str, **fields: object) -> str:
            token = _service_token(settings)
            body = {
                "username": email,
                "email": email,
                "enabled": True,
                "emailVerified": True,
                "firstName": "Ada",
                "lastName": "Test",
                **fields,
            }
            answer = httpx.post(
                f"{settings.url}/admin/realms/{settings.realm}/users", json=body, headers={"Authorization": f"Bearer {token}"}
            )
            answer.raise_for_status()
            return answer.headers["Location"].rpartition("/")[2]

        return make

    # --- organizations

    def test_organization_is_found_by_alias_and_id_with_all_it_says(self, keycloak: Keycloak, acme: Organization) -> None:
        assert acme.enabled
        assert acme.redirect_url == PORTAL
        assert acme.attributes == {"tier": ("pro",)}
        assert keycloak.find_organization(acme.alias) == acme
        assert keycloak.find_organization_by_id(acme.id) == acme

    def test_unknown_organization_is_none(self, keycloak: Keycloak) -> None:
        assert keycloak.find_organization(fresh_alias()) is None
        assert keycloak.find_organization_by_id(NOBODY) is None

    def test_creating_an_organization_again_finds_it(self, keycloak: Keycloak, acme: Organization) -> None:
        again = keycloak.create_organization(alias=acme.alias, name="Something else", redirect_url=PORTAL, attributes={})
        assert again == acme

    def test_a_name_that_another_has_is_a_conflict(self, keycloak: Keycloak, acme: Organization) -> None:
        with pytest.raises(UpstreamConflict):
            keycloak.create_organization(alias=fresh_alias(), name=acme.name, redirect_url=PORTAL, attributes={})

    def test_twenty_creations_at_once_make_one_organization(self, keycloak: Keycloak) -> None:
        alias = fresh_alias()

        def create(_: int) -> Organization:
            return keycloak.create_organization(alias=alias, name=f"Race {alias}", redirect_url=PORTAL, attributes={})

        with ThreadPoolExecutor(20) as pool:
            assert len({one.id for one in pool.map(create, range(20))}) == 1

    def test_update_says_exactly_what_is_given(self, keycloak: Keycloak, acme: Organization) -> None:
        changed = replace(
            acme, name=f"{acme.name} Ltd", description="first", enabled=False, attributes={"standing": ("suspended",), "note": ("a", "b")}
        )
        keycloak.update_organization(changed)
        assert keycloak.find_organization_by_id(acme.id) == changed
        keycloak.update_organization(replace(changed, attributes={}))
        assert keycloak.find_organization_by_id(acme.id) == replace(changed, attributes={})

    def test_update_keeps_domains(self, keycloak: Keycloak, acme: Organization) -> None:
        domain = f"{acme.alias}.example"
        keycloak.update_organization(replace(acme, domains=(domain,)))
        keycloak.update_organization(replace(acme, domains=(domain,), description="second"))
        assert keycloak.find_organization_by_id(acme.id) == replace(acme, domains=(domain,), description="second")

    def test_list_pages_through_all_with_attributes(self, keycloak: Keycloak, acme: Organization) -> None:
        for _ in range(10):  # other tests may add some meanwhile
            everything = keycloak.list_organizations()
            pages = [one for first in range(0, len(everything) + 2, 2) for one in keycloak.list_organizations(first=first, limit=2)]
            if everything == keycloak.list_organizations():
                break
        assert acme in everything
        assert pages == everything

    # --- members and roles

    def test_person_becomes_member_with_roles_and_leaves(
        self, keycloak: Keycloak, acme: Organization, make_person: Callable[..., str]
    ) -> None:
        ada = make_person(f"ada@{acme.alias}.test")
        keycloak.add_member(acme.id, ada)
        keycloak.add_member(acme.id, ada)
        keycloak.set_roles(acme.id, ada, frozenset({Role.ADMIN, Role.MEMBER}))
        (member,) = keycloak.list_members(acme.id)
        assert (member.user_id, member.email, member.roles) == (ada, f"ada@{acme.alias}.test", {Role.ADMIN, Role.MEMBER})
        assert not member.managed
        assert not member.service_account
        keycloak.set_roles(acme.id, ada, frozenset({Role.BILLING}))
        keycloak.set_roles(acme.id, ada, frozenset({Role.BILLING}))
        assert keycloak.list_members(acme.id)[0].roles == {Role.BILLING}
        assert [one.alias for one in keycloak.organizations_of_user(ada)] == [acme.alias]
        keycloak.remove_member(acme.id, ada)
        keycloak.remove_member(acme.id, ada)
        assert keycloak.list_members(acme.id) == ()
        assert keycloak.find_user(ada) is not None
        keycloak.delete_user(ada)
        assert keycloak.organizations_of_user(ada) == []

    def test_roles_of_one_organization_do_not_reach_another(
        self, keycloak: Keycloak, acme: Organization, make_person: Callable[..., str]
    ) -> None:
        other = make_organization(keycloak)
        ada = make_person(f"ada@{acme.alias}.test")
        keycloak.add_member(acme.id, ada)
        keycloak.add_member(other.id, ada)
        keycloak.set_roles(acme.id, ada, frozenset({Role.ADMIN}))
        assert keycloak.list_members(other.id)[0].roles == frozenset()

    def test_strangers_get_no_role(self, keycloak: Keycloak, acme: Organization, make_person: Callable[..., str]) -> None:
        charlie = make_person(f"charlie@{acme.alias}.test")
        with pytest.raises(UpstreamRefused):
            keycloak.set_roles(acme.id, charlie, frozenset({Role.ADMIN}))

    def test_unknown_people_and_organizations_are_not_found(self, keycloak: Keycloak, acme: Organization) -> None:
        with pytest.raises(UpstreamNotFound):
            keycloak.add_member(acme.id, NOBODY)
        with pytest.raises(UpstreamNotFound):
            keycloak.list_members(NOBODY)

    # --- invitations

    def test_invitation_is_mailed_once_and_resent_on_demand(self, keycloak: Keycloak, acme: Organization) -> None:
        email = f"new@{acme.alias}.test"
        keycloak.invite(acme.id, email=email, first_name="Nina", last_name="New")
        keycloak.invite(acme.id, email=email.upper())
        (first,) = keycloak.list_invitations(acme.id)
        assert (first.email, first.status) == (email, "PENDING")
        assert first.expires_at > first.sent_at > datetime.now(UTC) - timedelta(minutes=10)
        keycloak.resend_invitation(acme.id, first.id)
        (second,) = keycloak.list_invitations(acme.id)
        assert second.id != first.id
        keycloak.delete_invitation(acme.id, second.id)
        keycloak.delete_invitation(acme.id, second.id)
        assert keycloak.list_invitations(acme.id) == ()

    def test_members_are_not_invited(self, keycloak: Keycloak, acme: Organization, make_person: Callable[..., str]) -> None:
        email = f"ada@{acme.alias}.test"
        keycloak.add_member(acme.id, make_person(email))
        with pytest.raises(UpstreamConflict):
            keycloak.invite(acme.id, email=email)

    # --- people

    def test_person_is_found_by_id_and_exact_address(self, keycloak: Keycloak, acme: Organization, make_person: Callable[..., str]) -> None:
        email = f"ada@{acme.alias}.test"
        ada = make_person(email)
        found = keycloak.find_user_by_email(email.upper())
        assert found is not None
        assert found == keycloak.find_user(ada)
        assert (found.id, found.email, found.email_verified, found.enabled, found.first_name) == (ada, email, True, True, "Ada")
        assert keycloak.find_user_by_email(f"da@{acme.alias}.test") is None
        assert keycloak.find_user(NOBODY) is None

    def test_account_is_locked_unlocked_logged_out_and_deleted(
        self, keycloak: Keycloak, acme: Organization, make_person: Callable[..., str]
    ) -> None:
        ada = make_person(f"ada@{acme.alias}.test")
        keycloak.set_user_enabled(ada, enabled=False)
        locked = keycloak.find_user(ada)
        assert locked is not None
        assert not locked.enabled
        assert locked.first_name == "Ada"
        keycloak.set_user_enabled(ada, enabled=True)
        keycloak.logout_user(ada)
        keycloak.delete_user(ada)
        keycloak.delete_user(ada)
        assert keycloak.find_user(ada) is None

    # --- programs and tokens

    def test_program_gets_a_token_that_introspection_knows_until_it_leaves(self, keycloak: Keycloak, settings: KeycloakSettings) -> None:
        acme = make_organization(keycloak, tier=("pro",))
        secret = keycloak.create_program(acme.id, client_id=f"prog-{acme.alias}", name="CI")
        (program,) = keycloak.list_members(acme.id)
        assert program.service_account
        assert program.roles == {Role.MEMBER}
        assert program.first_name == "CI"
        token = _program_token(settings, f"prog-{acme.alias}", secret)
        told = keycloak.introspect(token)
        assert told is not None
        assert told["sub"] == program.user_id
        assert told["organization"][acme.alias]["tier"] == ["pro"]
        keycloak.set_program_enabled(f"prog-{acme.alias}", enabled=False)
        assert keycloak.introspect(token) is None
        keycloak.set_program_enabled(f"prog-{acme.alias}", enabled=True)
        assert keycloak.introspect(token) is not None
        keycloak.remove_member(acme.id, program.user_id)
        assert keycloak.introspect(token) is None
        assert keycloak.introspect("nonsense") is None

    def test_secret_of_a_program_is_shown_once_and_rotated(
        self, keycloak: Keycloak, acme: Organization, settings: KeycloakSettings
    ) -> None:
        name = f"prog-{acme.alias}"
        first = keycloak.create_program(acme.id, client_id=name, name="CI")
        second = keycloak.create_program(acme.id, client_id=name, name="CI")
        third = keycloak.rotate_program_secret(name)
        assert len({first, second, third}) == 3
        assert _program_token(settings, name, third)
        for dead in (first, second):
            with pytest.raises(httpx.HTTPStatusError):
                _program_token(settings, name, dead)

    def test_clients_that_are_no_program_of_the_customer_are_left_alone(self, keycloak: Keycloak, acme: Organization) -> None:
        name = f"prog-{acme.alias}"
        keycloak.create_program(acme.id, client_id=name, name="CI")
        other = make_organization(keycloak)
        with pytest.raises(UpstreamConflict):
            keycloak.create_program(other.id, client_id=name, name="theirs")
        with pytest.raises(UpstreamConflict):
            keycloak.rotate_program_secret("glue-portal")
        with pytest.raises(UpstreamNotFound):
            keycloak.set_program_enabled("prog-absent", enabled=False)

    def test_only_signing_keys_are_listed(self, keycloak: Keycloak) -> None:
        keys = keycloak.jwks()["keys"]
        assert keys
        assert {key["use"] for key in keys} == {"sig"}

    def test_the_realm_has_a_lasting_identity(self, keycloak: Keycloak) -> None:
        assert keycloak.realm_id() == keycloak.realm_id() != ""

    # --- events

    def test_what_was_done_is_told_in_order(self, keycloak: Keycloak, make_person: Callable[..., str]) -> None:
        since = datetime.now(UTC) - timedelta(seconds=1)
        acme = make_organization(keycloak)
        ada = make_person(f"ada@{acme.alias}.test")
        keycloak.add_member(acme.id, ada)
        keycloak.set_roles(acme.id, ada, frozenset({Role.ADMIN}))
        keycloak.remove_member(acme.id, ada)
        events = [event for event in keycloak.admin_events(since=since) if event.organization_id == acme.id]
        kinds = [event.kind for event in events]
        assert kinds[0] == "ORGANIZATION.CREATE"
        assert kinds.index("ORGANIZATION_MEMBERSHIP.CREATE") < kinds.index("ORGANIZATION_MEMBERSHIP.DELETE")
        assert next(event.user_id for event in events if event.kind == "ORGANIZATION_GROUP_MEMBERSHIP.CREATE") == ada
        assert events[-1].user_id == ada
        assert [event.at for event in events] == sorted(event.at for event in events)
        assert len({event.id for event in events}) == len(events)
        assert keycloak.admin_events(since=datetime.now(UTC) + timedelta(minutes=5)) == []

    def test_logins_are_told(self, keycloak: Keycloak, acme: Organization, settings: KeycloakSettings) -> None:
        since = datetime.now(UTC) - timedelta(seconds=1)
        secret = keycloak.create_program(acme.id, client_id=f"prog-{acme.alias}", name="CI")
        _program_token(settings, f"prog-{acme.alias}", secret)
        (program,) = keycloak.list_members(acme.id)
        assert any(event.kind == "CLIENT_LOGIN" and event.user_id == program.user_id for event in keycloak.user_events(since=since))

    # --- what files declare

    def test_realm_attributes_are_merged(self, keycloak: Keycloak) -> None:
        before = keycloak.get_realm()["attributes"]
        since, mark = datetime.now(UTC) - timedelta(seconds=1), secrets.token_hex(4)
        keycloak.update_realm({"attributes": {"glue.mark": mark}})
        assert keycloak.get_realm()["attributes"] == before | {"glue.mark": mark}
        assert ("REALM.UPDATE", "") in {(event.kind, event.path) for event in keycloak.admin_events(since=since)}

    def test_clients_scopes_and_roles_are_made_and_changed(self, keycloak: Keycloak) -> None:
        mark = secrets.token_hex(4)
        keycloak.create_client({"clientId": f"c-{mark}", "protocol": "openid-connect", "publicClient": True})
        client = next(one for one in keycloak.list_clients() if one["clientId"] == f"c-{mark}")
        keycloak.update_client(client["id"], {"clientId": f"c-{mark}", "name": "Renamed"})
        assert next(one["name"] for one in keycloak.list_clients() if one["id"] == client["id"]) == "Renamed"
        with pytest.raises(UpstreamConflict):
            keycloak.update_client(client["id"], {"clientId": f"c-{mark}", "secret": "**********"})
        keycloak.create_client_scope({"name": f"s-{mark}", "protocol": "openid-connect"})
        scope = next(one for one in keycloak.list_client_scopes() if one["name"] == f"s-{mark}")
        keycloak.update_client_scope(scope["id"], {"name": f"s-{mark}", "protocol": "openid-connect", "description": "Told"})
        assert next(one["description"] for one in keycloak.list_client_scopes() if one["id"] == scope["id"]) == "Told"
        keycloak.create_realm_role({"name": f"r-{mark}"})
        assert f"r-{mark}" in {one["name"] for one in keycloak.list_realm_roles()}


def _token(settings: KeycloakSettings, **form: str) -> str:
    url = f"{settings.url}/realms/{settings.realm}/protocol/openid-connect/token"
    answer = httpx.post(url, data={"grant_type": "client_credentials", **form})
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def _service_token(settings: KeycloakSettings) -> str:
    return _token(settings, client_id=settings.service_client_id, client_secret=settings.service_client_secret.get_secret_value())


def _program_token(settings: KeycloakSettings, client_id: str, secret: str) -> str:
    return _token(settings, client_id=client_id, client_secret=secret, scope="organization:*")
