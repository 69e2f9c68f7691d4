"""What others change: followed in what they own, written back where it permits, shown where it restricts."""

from dataclasses import replace
from datetime import timedelta

from glue.converge.drift import decide_against, mended_drift, open_drift
from glue.rules.standing import Standing
from tests.fakes.world import SYSTEM


def _open(world):
    with world.database.read(SYSTEM) as session:
        return [(line.field, line.state) for line in open_drift(session)]


def _mended(world):
    with world.database.read(SYSTEM) as session:
        return [line.field for line in mended_drift(session, since=world.clock.now() - timedelta(days=1))]


def test_license_suspended_by_hand_stays_suspended_and_needs_a_decision(world):
    tenant = world.settled(tier="team")
    world.keygen.edit(world.row(tenant).license_id, suspended=True)
    (outcome,) = world.look(tenant, "license.suspended")
    assert outcome.written == []
    assert world.license(tenant).suspended
    assert _open(world) == [("license.suspended", "needs_decision")]
    assert not world.snapshots[tenant].licenses[0].usable


def test_decision_against_the_edit_writes_our_value(world):
    tenant = world.settled(tier="team")
    world.keygen.edit(world.row(tenant).license_id, suspended=True)
    world.look(tenant)
    with world.database.write(tenant) as session:
        decide_against(session, tenant, "license.suspended", by="operator")
    world.look(tenant)
    assert not world.license(tenant).suspended
    assert _open(world) == []


def test_hand_suspension_outlives_our_own(world):
    tenant = world.settled(tier="team")
    world.keygen.edit(world.row(tenant).license_id, suspended=True)
    world.look(tenant)
    invoice = world.lago.bill(tenant, due_in_days=1)
    world.look(tenant)
    world.pass_time(days=30)
    assert world.row(tenant).standing == Standing.SUSPENDED
    world.lago.mark_invoice_paid(invoice.lago_id)
    world.look(tenant)
    assert world.row(tenant).standing == Standing.ACTIVE
    assert world.license(tenant).suspended, "a person suspended it, a payment does not lift that"


def test_more_machines_than_bought_are_written_back(world):
    tenant = world.settled(tier="pro")
    world.keygen.edit(world.row(tenant).license_id, max_machines=500)
    world.look(tenant, "license.updated")
    assert world.license(tenant).max_machines == 2
    assert _mended(world) == ["license.max_machines"]


def test_lifted_suspension_is_put_back(world):
    tenant = world.settled(tier="team")
    world.lago.bill(tenant, due_in_days=1)
    world.look(tenant)
    world.pass_time(days=30)
    world.keygen.edit(world.row(tenant).license_id, suspended=False)
    world.look(tenant, "license.reinstated")
    assert world.license(tenant).suspended


def test_disabled_organization_stays_disabled_and_nobody_gets_in(world):
    tenant = world.settled(tier="team")
    world.keycloak.edit(tenant, enabled=False)
    world.look(tenant)
    assert world.organization(tenant).enabled is False
    assert _open(world) == [("organization.enabled", "needs_decision")]
    assert world.snapshots[tenant].members == {}


def test_claim_changed_by_hand_is_written_back(world):
    tenant = world.settled(tier="pro")
    attributes = world.organization(tenant).attributes | {"plan": ("team",)}
    world.keycloak.edit(tenant, attributes=attributes)
    world.look(tenant)
    assert world.organization(tenant).attributes["plan"] == ("pro",)


def test_write_keeps_what_others_added_to_the_organization(world):
    tenant = world.settled(tier="pro")
    attributes = world.organization(tenant).attributes | {"plan": ("team",), "their_own": ("x",)}
    world.keycloak.edit(tenant, attributes=attributes, description="Theirs", domains=("alice.example",))
    world.look(tenant)
    organization = world.organization(tenant)
    assert organization.attributes["their_own"] == ("x",)
    assert (organization.description, organization.domains) == ("Theirs", ("alice.example",))


def test_member_added_in_keycloak_is_followed(world):
    tenant = world.settled(tier="team")
    world.keycloak.add_user("bob", "bob@example.test")
    world.keycloak.add_member(world.organization(tenant).id, "bob")
    world.look(tenant)
    assert set(world.snapshots[tenant].members) == {"alice", "bob"}
    world.keycloak.remove_member(world.organization(tenant).id, "bob")
    world.look(tenant)
    assert set(world.snapshots[tenant].members) == {"alice"}


def test_too_many_people_are_shown_and_nobody_is_removed(world):
    tenant = world.settled(tier="pro")
    for number in range(3):
        world.keycloak.add_user(f"p{number}", f"p{number}@example.test")
        world.keycloak.add_member(world.organization(tenant).id, f"p{number}")
    world.look(tenant)
    assert ("organization.seats", "needs_decision") in _open(world)
    assert len(world.snapshots[tenant].members) == 4


def test_entitlement_lowered_in_lago_stays_and_raised_is_written_back(world):
    tenant = world.settled(tier="pro")
    name = f"sub-{tenant}"
    world.lago.override_entitlements(name, {"api_calls": {"limit": 10}, "seats": {"max": 99}})
    world.look(tenant)
    assert world.lago.entitlements(name)["api_calls"]["limit"] == 10
    assert world.lago.entitlements(name)["seats"]["max"] == 2


def test_write_without_effect_is_stuck_after_three_times_and_tried_daily(world):
    tenant = world.settled(tier="pro")
    world.keygen.faults.ignoring.add("update_license")
    world.keygen.licenses[world.row(tenant).license_id] = replace(world.license(tenant), max_machines=9)
    before = world.keygen.faults.calls["update_license"]
    world.look(tenant)
    for _ in range(6):
        world.pass_time(minutes=10)
    assert world.keygen.faults.calls["update_license"] - before == 3
    assert _open(world) == [("license.max_machines", "stuck")]
    world.pass_time(days=1, minutes=1)
    assert world.keygen.faults.calls["update_license"] - before == 4
    world.keygen.faults.ignoring.clear()
    world.pass_time(days=1, minutes=1)
    assert world.license(tenant).max_machines == 2
    assert _open(world) == []


def test_preview_says_nothing_is_left_to_do(world):
    tenant = world.settled(tier="pro")
    decision, _ = world.converge.preview(tenant)
    assert decision.changes == ()
    world.keygen.edit(world.row(tenant).license_id, max_machines=9)
    decision, _ = world.converge.preview(tenant)
    assert [change.name for change in decision.changes] == ["license.max_machines"]
    assert world.license(tenant).max_machines == 9
