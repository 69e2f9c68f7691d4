"""Once, and only once: planned, sending, done; doubt where nobody can know."""

import pytest

from glue.converge.effects import Effect, EffectState, begin_epoch, plan_effect
from glue.errors import Conflict, NotFound, UpstreamRefused, UpstreamUnavailable
from tests.fakes.world import SYSTEM


@pytest.fixture
def invited(world):
    """Alice's team has a free seat; an invitation of Bob is planned."""
    tenant = world.settled(tier="team")
    payload = {"organization_id": world.organization(tenant).id, "email": "bob@example.test", "limit": 10}
    with world.database.write(tenant) as session:
        assert plan_effect(session, tenant, key="invite/1", kind="invite", payload=payload, now=world.clock.now())
    return tenant


def _state(world, key="invite/1"):
    with world.database.read(SYSTEM) as session:
        return session.get(Effect, key).state


def test_planned_effect_is_done_by_convergence(world, invited):
    world.look(invited)
    assert world.keycloak.sent_invitations == ["bob@example.test"]
    assert _state(world) == EffectState.DONE
    world.look(invited)
    assert world.keycloak.sent_invitations == ["bob@example.test"]


def test_same_key_is_planned_once(world, invited):
    with world.database.write(invited) as session:
        assert not plan_effect(session, invited, key="invite/1", kind="invite", payload={}, now=world.clock.now())


def test_lost_answer_is_looked_up_and_not_repeated(world, invited):
    world.keycloak.faults.lying["invite"] = 1
    with pytest.raises(UpstreamUnavailable):
        world.effects.perform("invite/1")
    assert _state(world) == EffectState.DOUBT
    world.look(invited)
    assert _state(world) == EffectState.DONE
    assert world.keycloak.sent_invitations == ["bob@example.test"]


def test_what_did_not_arrive_is_sent_again_after_looking(world, invited):
    world.keycloak.faults.silent.add("invite")
    world.look(invited)
    assert _state(world) == EffectState.DOUBT
    world.keycloak.faults.silent.clear()
    world.pass_time(minutes=1)
    assert _state(world) == EffectState.DONE
    assert world.keycloak.sent_invitations == ["bob@example.test"]


def test_doubt_stays_while_nobody_can_look(world, invited):
    world.keycloak.faults.silent |= {"invite", "list_invitations"}
    world.look(invited)
    world.pass_time(minutes=5)
    assert _state(world) != EffectState.DONE
    assert world.keycloak.faults.calls["invite"] <= 1


def test_refusal_that_was_done_all_the_same_counts_as_done(world, invited):
    world.keycloak._send_invitation(world.organization(invited).id, "bob@example.test")
    world.keycloak.faults.refusing.add("invite")
    world.effects.perform("invite/1")
    assert _state(world) == EffectState.DONE


def test_refusal_is_told_and_may_be_sent_again_by_a_person(world, invited):
    world.keycloak.faults.refusing.add("invite")
    with pytest.raises(UpstreamRefused):
        world.effects.perform("invite/1")
    assert _state(world) == EffectState.REFUSED
    world.look(invited)
    assert world.keycloak.sent_invitations == []
    world.keycloak.faults.refusing.clear()
    world.effects.send_again("invite/1")
    world.look(invited)
    assert world.keycloak.sent_invitations == ["bob@example.test"]


def test_process_that_died_while_sending_leaves_it_to_be_looked_up(world, invited):
    world.effects._take("invite/1")
    world.look(invited)
    assert _state(world) == EffectState.SENDING, "somebody may still be at it"
    world.clock.advance(seconds=100)
    world.look(invited)
    assert _state(world) == EffectState.DONE


def test_two_at_once_send_once(world, invited):
    world.effects._take("invite/1")
    with pytest.raises(Conflict):
        world.effects.perform("invite/1")


def test_seat_taken_meanwhile_refuses_the_invitation(world, invited):
    organization = world.organization(invited).id
    for number in range(9):
        world.keycloak.add_user(f"p{number}", f"p{number}@example.test")
        world.keycloak.add_member(organization, f"p{number}")
    world.look(invited)
    assert _state(world) == EffectState.REFUSED
    assert any("All 10 seats are taken" in text for text in world.story(invited))


def test_restored_database_repeats_nothing_by_itself(world, invited):
    payload = {"to": "a@x.test", "subject": "s", "text": "t"}
    with world.database.write(invited) as session:
        plan_effect(session, invited, key="mail/1", kind="mail", payload=payload, now=world.clock.now())
    sent = len(world.mail.sent)
    world.keycloak._send_invitation(world.organization(invited).id, "bob@example.test")
    with world.database.write(SYSTEM) as session:
        assert begin_epoch(session, now=world.clock.now(), why="restored from Monday's backup") == 1
    world.look(invited)
    assert len(world.mail.sent) == sent
    assert _state(world, "mail/1") == EffectState.DOUBT
    assert _state(world) == EffectState.DONE, "found upstream"
    assert world.keycloak.sent_invitations == ["bob@example.test"]


def test_only_what_is_unclear_can_be_sent_again(world, invited):
    with pytest.raises(Conflict):
        world.effects.send_again("invite/1")
    with pytest.raises(NotFound):
        world.effects.send_again("nothing")


def test_each_kind_finds_what_it_did(world):
    """Whatever can be looked up says no before and yes after."""
    tenant = world.settled(tier="team")
    organization = world.organization(tenant).id
    world.keycloak.add_user("bob", "bob@example.test")
    world.keycloak.add_member(organization, "bob")
    world.keycloak._send_invitation(organization, "eve@example.test")
    (eve,) = world.keycloak.list_invitations(organization)
    machine = world.keygen.activate_machine(world.row(tenant).license_id, fingerprint="old", name="", platform="")
    invoice = world.lago.bill(tenant)
    world.clock.advance(seconds=5)
    now = world.clock.wall().isoformat()
    base = {"organization_id": organization, "limit": 10, "planned_at": now, "asked_at": now, "key": "k"}
    payloads = {
        "invite": {"email": "carl@example.test"},
        "set_roles": {"user_id": "bob", "roles": ["billing"]},
        "remove_member": {"user_id": "bob", "managed": False},
        "resend_invitation": {"email": "eve@example.test"},
        "delete_invitation": {"invitation_id": eve.id},
        "activate_machine": {"license_id": world.row(tenant).license_id, "fingerprint": "new", "name": "n", "platform": "linux"},
        "deactivate_machine": {"license_id": world.row(tenant).license_id, "machine_id": machine.id},
        "mark_invoice_paid": {"invoice_id": invoice.lago_id},
        "one_off_invoice": {
            "customer": tenant, "currency": "USD", "add_on_code": "x", "units": "2", "unit_amount_cents": 5, "description": "d",
        },
        "apply_coupon": {"customer": tenant, "coupon_code": "c"},
        "top_up_wallet": {"wallet_id": "w", "paid_credits": "1", "granted_credits": "0"},
        "retire_license": {"license_id": world.row(tenant).license_id},
    }  # fmt: skip
    kinds = world.effects._kinds
    assert {name for name, kind in kinds.items() if kind.is_done} == set(payloads)
    for name in ("invite", "set_roles", "remove_member", "resend_invitation"):
        _does(kinds[name], base | payloads.pop(name))
    (_, eve_again) = world.keycloak.list_invitations(organization)
    payloads["delete_invitation"] = {"invitation_id": eve_again.id}
    for name, payload in payloads.items():
        _does(kinds[name], base | payload)


def _does(kind, payload):
    assert not kind.is_done(payload)
    kind.run(payload)
    assert kind.is_done(payload)
