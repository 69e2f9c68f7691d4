"""What no hint told is found by lists; what lists say is never believed."""

import pytest

from glue.converge.drift import open_drift
from glue.converge.sweep import Sweep
from glue.errors import Conflict, UpstreamUnavailable
from glue.rules.standing import Standing
from tests.fakes.world import SYSTEM


@pytest.fixture
def sweep(world):
    pins = {"keycloak": world.keycloak.realm_id, "lago": world.lago.organization_id, "keygen": world.keygen.account_id}
    return Sweep(world.database, world.clock, world.systems, pins=pins, ports=world.ports)


@pytest.fixture
def team(world):
    tenants = [world.settled(f"Customer{number}", tier="team") for number in range(3)]
    world.clock.advance(seconds=1)
    return tenants


def test_nothing_differs_after_convergence(world, sweep, team):
    swept = sweep()
    assert (swept.tenants, swept.differing) == (3, ())
    assert world.confirmed == [(frozenset(team), world.clock.now())]


@pytest.mark.parametrize("where", ["organization", "customer", "subscription", "license", "overdue"])
def test_lost_webhook_is_made_up_for(world, sweep, team, where):
    tenant = team[1]
    match where:
        case "organization":
            world.keycloak.edit(tenant, name="Renamed by hand")
        case "customer":
            world.lago.upsert_customer(tenant, email="other@example.test")
        case "subscription":
            world.lago.terminate_subscription(f"sub-{tenant}")
        case "license":
            world.keygen.edit(world.row(tenant).license_id, max_machines=99)
        case "overdue":
            world.lago.bill(tenant, due_in_days=1)
            world.clock.advance(days=3)
            world.lago.tick()
    assert sweep().differing == (tenant,)
    world.drain()
    world.clock.advance(seconds=1)
    if where == "overdue":
        assert world.row(tenant).standing == Standing.PAST_DUE
    if where == "subscription":
        assert world.license(tenant).suspended
    assert sweep().differing == ()


def test_payment_without_webhook_is_found(world, sweep, team):
    invoice = world.lago.bill(team[0], due_in_days=1)
    world.look(team[0])
    world.pass_time(days=40)
    world.pass_time(seconds=1)
    assert world.row(team[0]).standing == Standing.SUSPENDED
    world.lago.mark_invoice_paid(invoice.lago_id)
    assert team[0] in sweep().differing
    world.drain()
    assert not world.license(team[0]).suspended


def test_empty_list_takes_nothing_away(world, sweep, team):
    real = world.keycloak.list_organizations
    world.keycloak.list_organizations = lambda **_: []
    assert set(sweep().differing) == set(team)
    world.drain()
    world.pass_time(seconds=31)
    world.keycloak.list_organizations = real
    assert all(world.snapshots[tenant].members for tenant in team)
    with world.database.read(SYSTEM) as session:
        assert open_drift(session) == []


def test_stranger_under_the_same_address_stops_everything(world, sweep, team):
    sweep()
    world.lago.identity = "another-lago"
    with pytest.raises(Conflict, match="not the one we know"):
        sweep()
    assert "another-lago" in sweep.paused
    world.mark(team[0])
    world.worker._paused = lambda: sweep.paused
    assert world.drain() == []
    world.lago.identity = "lago-1"
    sweep()
    assert sweep.paused == ""
    assert len(world.drain()) == 1


def test_sweep_that_cannot_read_confirms_nothing(world, sweep, team):
    world.keygen.faults.silent.add("list_licenses")
    with pytest.raises(UpstreamUnavailable):
        sweep()
    assert world.confirmed == []


def test_sweep_asks_lists_only(world, sweep, team):
    before = sum(world.keycloak.faults.calls.values()) + sum(world.lago.faults.calls.values()) + sum(world.keygen.faults.calls.values())
    sweep()
    after = sum(world.keycloak.faults.calls.values()) + sum(world.lago.faults.calls.values()) + sum(world.keygen.faults.calls.values())
    assert after - before == 3 + 5, "three identities and five lists, however many tenants there are"


def test_rolling_pass_finds_what_no_list_shows(world, team):
    from glue.converge.rolling import Rolling

    world.keycloak.add_user("bob", "bob@example.test")
    world.keycloak.add_member(world.organization(team[2]).id, "bob")
    looked_at = []
    rolling = Rolling(world.database, world.clock, every_seconds=1.2)
    for _ in range(3):
        looked_at += rolling()
        world.drain()
        world.clock.advance(seconds=1)
    assert sorted(looked_at) == sorted(team)
    assert "bob" in world.snapshots[team[2]].members
