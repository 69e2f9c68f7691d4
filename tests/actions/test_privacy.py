"""Taking one's data along, and being erased everywhere."""

import io
import json
import zipfile

import pytest

from glue.actions.machines import activate
from glue.actions.plans import cancel
from glue.actions.privacy import as_csv, block, erase, export, rename
from glue.actions.team import invite
from glue.errors import BadInput, Conflict, NotFound
from glue.rules.facts import Role
from glue.rules.standing import Standing


def _canceled(world, name="Alice"):
    tenant = world.settled(name, tier="team")
    cancel(world.actions, tenant, when="now", by="alice")
    world.drain()
    return tenant


def _erase(world, tenant, name="Alice's school"):
    erase(world.actions, tenant, confirm=name, by="alice")
    world.drain()


def test_export_holds_what_all_systems_hold(world):
    tenant = world.settled(tier="team")
    world.lago.bill(tenant)
    activate(world.actions, tenant, fingerprint="fingerprint-1", name="m", platform="linux", by="alice")
    with zipfile.ZipFile(io.BytesIO(export(world.actions, tenant))) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert json.loads(parts["lago/customer.json"])["email"] == "alice@example.test"
    assert len(json.loads(parts["lago/invoices.json"])) == 1
    assert json.loads(parts["keygen/machines.json"])[0]["fingerprint"] == "fingerprint-1"
    assert json.loads(parts["keycloak/members.json"])[0]["user_id"] == "alice"
    assert "Registered for team." in parts["coditect/timeline.csv"]


def test_export_holds_nothing_of_others(world):
    tenant = world.settled("Alice", tier="team")
    other = world.settled("Charlie", tier="team")
    with zipfile.ZipFile(io.BytesIO(export(world.actions, tenant))) as archive:
        everything = "".join(archive.read(name).decode() for name in archive.namelist())
    assert other not in everything
    assert "charlie" not in everything.lower()


def test_csv_holds_no_formulas():
    assert as_csv([{"a": "=1+1", "b": "@x", "c": -3, "d": "fine"}]).splitlines()[1] == "'=1+1,'@x,-3,fine"


def test_running_subscription_cannot_be_erased(world):
    tenant = world.settled(tier="team")
    with pytest.raises(Conflict):
        erase(world.actions, tenant, confirm="Alice's school", by="alice")


def test_erasing_needs_the_name(world):
    tenant = _canceled(world)
    with pytest.raises(BadInput):
        erase(world.actions, tenant, confirm="alice", by="alice")


def test_erased_customer_is_gone_everywhere_but_in_the_invoices(world):
    tenant = _canceled(world)
    world.lago.bill(tenant)
    world.look(tenant)
    organization, held = world.organization(tenant).id, world.row(tenant).license_id
    _erase(world, tenant)
    row = world.row(tenant)
    assert row.standing == Standing.ERASED
    assert (row.display_name, row.email, row.owner_user_id, row.address, row.registration_key) == ("", "", "", {}, None)
    assert world.story(tenant) == ["Erased."]
    assert world.keycloak.members[organization] == {}
    assert "alice" not in world.keycloak.users
    assert world.keycloak.organizations[organization].enabled is False
    assert "alice" not in str(world.keycloak.organizations[organization]).lower()
    customer = world.lago.customers[tenant]
    assert (customer.name, customer.email, customer.metadata) == ("Erased", "", {})
    assert len(world.lago.invoices_of(tenant)) == 1
    license_left = world.keygen.licenses[held]
    assert (license_left.suspended, license_left.name, license_left.metadata) == (True, "Erased", {})
    assert world.snapshots[tenant].standing == Standing.ERASED
    assert world.snapshots[tenant].members == {}


def test_erased_customer_is_nobody_any_more(world):
    tenant = _canceled(world)
    _erase(world, tenant)
    with pytest.raises(NotFound):
        world.actions.record(tenant)
    (outcome,) = world.look(tenant, "a late webhook")
    assert outcome.written == []
    assert world.lago.customers[tenant].name == "Erased"


def test_person_with_another_organization_keeps_the_account(world):
    tenant = _canceled(world)
    other = world.settled("Bob", tier="pro")
    world.keycloak.add_member(world.organization(tenant).id, "bob")
    _erase(world, tenant)
    assert "bob" in world.keycloak.users
    assert world.snapshots[other].members == {"bob": frozenset({Role.ADMIN})}


def test_managed_person_with_another_organization_needs_a_decision(world):
    """Taking them out would delete the account, and with it their place elsewhere."""
    tenant = _canceled(world)
    world.settled("Bob", tier="pro")
    world.keycloak.add_member(world.organization(tenant).id, "bob", managed=True)
    _erase(world, tenant)
    for _ in range(6):
        world.pass_time(minutes=10)
    assert "bob" in world.keycloak.users
    assert world.row(tenant).erased_at is None
    assert world.organization(tenant).enabled, "disabling it would lock the managed account out"
    assert any("member could not be written" in text for text in world.story(tenant))


def test_erasing_goes_on_after_an_outage(world):
    tenant = _canceled(world)
    world.keygen.faults.silent.add("*")
    _erase(world, tenant)
    assert world.row(tenant).erased_at is None
    world.keygen.faults.silent.clear()
    world.pass_time(minutes=10)
    world.pass_time(minutes=10)
    assert world.row(tenant).erased_at is not None


def test_rename_reaches_all_three(world):
    tenant = world.settled(tier="team")
    rename(world.actions, tenant, name="New school", by="alice")
    world.drain()
    assert world.organization(tenant).name.startswith("New school · ")
    assert world.lago.customers[tenant].name == "New school"
    assert world.license(tenant).name == "New school"


def test_block_needs_a_reason(world):
    with pytest.raises(BadInput):
        block(world.actions, world.settled(), reason=" ", by="operator")


def test_waiting_invitation_is_withdrawn_at_erasure(world):
    tenant = world.settled(tier="team")
    invite(world.actions, tenant, email="bob@example.test", role="member", by="alice", nonce="n")
    cancel(world.actions, tenant, when="now", by="alice")
    world.drain()
    _erase(world, tenant)
    assert world.keycloak.invitations[world.organization(tenant).id] == {}
