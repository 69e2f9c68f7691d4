"""People: invited while seats are free, in the roles they were promised, and gone only when somebody means it."""

import pytest

from glue.actions.team import invite, read_team, remove_member, resend_invitation, set_role, withdraw_invitation
from glue.errors import BadInput, Conflict, LimitReached, NotFound
from glue.rules.facts import Role
from tests.fakes.faults import ALL


@pytest.fixture
def tenant(world):
    return world.settled(tier="pro")


def _invite(world, tenant, email="bob@example.test", role="member", nonce="n"):
    return invite(world.actions, tenant, email=email, role=role, by="alice", nonce=nonce)


def _join(world, tenant, name="bob", **options):
    world.keycloak.add_user(name, f"{name}@example.test")
    world.keycloak.accept_invitation(world.organization(tenant).id, name, **options)
    world.look(tenant, "INVITE_ORG")


def test_invited_person_joins_in_the_promised_role(world, tenant):
    _invite(world, tenant, role="billing")
    assert world.keycloak.sent_invitations == ["bob@example.test"]
    _join(world, tenant)
    assert world.snapshots[tenant].members["bob"] == {Role.BILLING}


def test_role_taken_away_later_is_not_given_back(world, tenant):
    _invite(world, tenant, role="admin")
    _join(world, tenant)
    world.keycloak.set_roles(world.organization(tenant).id, "bob", frozenset())
    world.look(tenant)
    assert world.snapshots[tenant].members["bob"] == frozenset()


def test_no_seat_no_invitation_and_a_clear_word(world, tenant):
    _invite(world, tenant)
    with pytest.raises(LimitReached, match="All 2 seats are taken"):
        _invite(world, tenant, email="carl@example.test", nonce="m")
    assert world.keycloak.sent_invitations == ["bob@example.test"]


def test_withdrawn_invitation_frees_its_seat_and_its_promise(world, tenant):
    _invite(world, tenant, role="admin")
    (_members, (item,), seats) = read_team(world.actions, tenant)
    assert seats.used == 2
    withdraw_invitation(world.actions, tenant, item.id, by="alice")
    assert read_team(world.actions, tenant)[2].used == 1
    _join(world, tenant)
    assert world.snapshots[tenant].members["bob"] == frozenset()


def test_invitation_can_be_sent_again(world, tenant):
    _invite(world, tenant)
    world.clock.advance(days=8)
    (_, (item,), _) = read_team(world.actions, tenant)
    assert item.status == "EXPIRED"
    resend_invitation(world.actions, tenant, item.id, by="alice")
    assert world.keycloak.sent_invitations == ["bob@example.test"] * 2


def test_form_sent_twice_invites_once(world, tenant):
    _invite(world, tenant)
    with pytest.raises(Conflict):
        _invite(world, tenant)
    assert len(world.keycloak.sent_invitations) == 1


@pytest.mark.parametrize(("email", "role"), [("nonsense", "member"), ("bob@example.test", "owner")])
def test_bad_input_is_named(world, tenant, email, role):
    with pytest.raises(BadInput):
        _invite(world, tenant, email=email, role=role)


def test_last_admin_stays(world, tenant):
    with pytest.raises(Conflict, match="stay admin"):
        remove_member(world.actions, tenant, "alice", by="alice")
    with pytest.raises(Conflict, match="stay admin"):
        set_role(world.actions, tenant, "alice", role="member", by="alice", nonce="n")


def test_managed_member_needs_a_second_word(world, tenant):
    _invite(world, tenant)
    _join(world, tenant, managed=True)
    with pytest.raises(Conflict, match="deletes the account"):
        remove_member(world.actions, tenant, "bob", by="alice")
    assert "bob" in world.keycloak.users
    remove_member(world.actions, tenant, "bob", by="alice", delete_account=True)
    world.drain()
    assert "bob" not in world.keycloak.users
    assert set(world.snapshots[tenant].members) == {"alice"}


def test_unmanaged_member_leaves_and_keeps_the_account(world, tenant):
    _invite(world, tenant)
    _join(world, tenant)
    remove_member(world.actions, tenant, "bob", by="alice")
    world.drain()
    assert "bob" in world.keycloak.users
    assert set(world.snapshots[tenant].members) == {"alice"}


def test_roles_change(world, tenant):
    _invite(world, tenant)
    _join(world, tenant)
    set_role(world.actions, tenant, "bob", role="admin", by="alice", nonce="n")
    world.drain()
    assert world.snapshots[tenant].members["bob"] == {Role.ADMIN}


def test_charlie_cannot_touch_what_is_alices(world, tenant):
    theirs = world.settled("Charlie", tier="pro")
    _invite(world, tenant)
    (_, (item,), _) = read_team(world.actions, tenant)
    with pytest.raises(NotFound):
        withdraw_invitation(world.actions, theirs, item.id, by="charlie")
    with pytest.raises(NotFound):
        remove_member(world.actions, theirs, "alice", by="charlie")
    assert read_team(world.actions, theirs)[1] == ()


@pytest.mark.parametrize("silent", [ALL, "invite"])
def test_keycloak_silent_is_told_and_the_invitation_follows(world, tenant, silent):
    world.keycloak.faults.silent.add(silent)
    assert _invite(world, tenant) is False
    world.keycloak.faults.silent.clear()
    world.pass_time(minutes=1)
    assert world.keycloak.sent_invitations == ["bob@example.test"]
