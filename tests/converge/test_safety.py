"""What must never happen: a loss that was only inferred, many at once, or because somebody did not answer."""

import pytest

from glue.converge.breaker import confirm_losses, look_at_breaker
from glue.converge.drift import open_drift
from glue.dirty import mark_all
from glue.rules.standing import Standing
from tests.fakes.world import SYSTEM


@pytest.mark.parametrize("system", ["keycloak", "lago", "keygen"])
def test_silent_system_takes_nothing_away(world, system):
    tenant = world.settled(tier="team")
    before = world.snapshots[tenant]
    getattr(world, system).faults.silent.add("*")
    for _ in range(4):
        world.look(tenant)
        world.pass_time(minutes=2)
    after = world.snapshots[tenant]
    assert (after.standing, after.members, after.licenses, after.period) == (
        before.standing,
        before.members,
        before.licenses,
        before.period,
    )
    assert after.confirmed_at == before.confirmed_at, "what was not seen is not confirmed"
    assert not world.license(tenant).suspended


def test_lago_silent_while_a_debt_would_suspend_changes_nothing(world):
    tenant = world.settled(tier="team")
    world.lago.bill(tenant, due_in_days=1)
    world.look(tenant)
    world.lago.faults.silent.add("invoices_of")
    world.pass_time(days=40)
    assert world.row(tenant).standing == Standing.ACTIVE
    assert not world.license(tenant).suspended
    world.lago.faults.silent.clear()
    world.pass_time(minutes=10)
    assert world.row(tenant).standing == Standing.SUSPENDED


def test_missing_organization_is_looked_at_twice_and_not_made_again(world):
    tenant = world.settled(tier="team")
    gone = world.organization(tenant)
    del world.keycloak.organizations[gone.id]
    world.look(tenant)
    with world.database.read(SYSTEM) as session:
        assert open_drift(session) == []
    assert world.snapshots[tenant].members != {}, "one look is no proof"
    world.pass_time(seconds=31)
    with world.database.read(SYSTEM) as session:
        assert [line.field for line in open_drift(session)] == ["organization.exists"]
    assert world.keycloak.organizations == {}


def test_customer_that_blinks_loses_nothing(world):
    tenant = world.settled(tier="team")
    customer = world.lago.customers.pop(tenant)
    world.look(tenant)
    assert world.row(tenant).standing == Standing.ACTIVE
    assert tenant not in world.lago.customers, "not made anew while it may come back"
    world.lago.customers[tenant] = customer
    world.pass_time(seconds=31)
    assert world.row(tenant).standing == Standing.ACTIVE
    assert not world.license(tenant).suspended


def test_license_gone_twice_needs_a_decision(world):
    tenant = world.settled(tier="team")
    del world.keygen.licenses[world.row(tenant).license_id]
    world.look(tenant)
    world.pass_time(seconds=31)
    with world.database.read(SYSTEM) as session:
        assert [line.field for line in open_drift(session)] == ["license.exists"]
    assert world.keygen.licenses == {}


def test_many_losses_at_once_wait_for_an_operator(world):
    tenants = [world.settled(f"Customer{number}", tier="team") for number in range(8)]
    for tenant in tenants:
        world.lago.terminate_subscription(f"sub-{tenant}")
    with world.database.write(SYSTEM) as session:
        mark_all(session, tenants, why="a bad day", now=world.clock.now())
    world.drain()
    suspended = [tenant for tenant in tenants if world.license(tenant).suspended]
    assert len(suspended) == 5
    held = next(tenant for tenant in tenants if tenant not in suspended)
    assert world.snapshots[held].standing == Standing.ACTIVE
    assert world.row(held).standing == Standing.ACTIVE
    with world.database.read(SYSTEM) as session:
        assert look_at_breaker(session, now=world.clock.now()).open_since is not None
        assert {line.state for line in open_drift(session)} == {"held"}
    with world.database.write(SYSTEM) as session:
        mark_all(session, confirm_losses(session, now=world.clock.now(), by="operator"), why="confirmed", now=world.clock.now())
    world.drain()
    assert all(world.license(tenant).suspended for tenant in tenants)
    with world.database.read(SYSTEM) as session:
        assert open_drift(session) == []


def test_what_customers_asked_for_does_not_open_the_breaker(world):
    from glue.actions.plans import cancel

    tenants = [world.settled(f"Customer{number}", tier="team") for number in range(8)]
    for tenant in tenants:
        cancel(world.actions, tenant, when="now", by="them")
    world.drain()
    assert all(world.license(tenant).suspended for tenant in tenants)


def test_announced_ends_do_not_open_the_breaker(world):
    from glue.actions.plans import cancel

    tenants = [world.settled(f"Customer{number}", tier="team") for number in range(8)]
    for tenant in tenants:
        cancel(world.actions, tenant, when="end", by="them")
    world.drain()
    world.pass_time(days=22, minutes=10)
    for tenant in tenants:
        world.mark(tenant)
    world.drain()
    assert all(world.row(tenant).standing == Standing.CANCELED for tenant in tenants)


def test_refused_write_does_not_stop_the_others(world):
    world.keycloak.faults.refusing.add("update_organization")
    tenant = world.settled(tier="team")
    assert world.license(tenant).policy_id == "policy-team"
    assert any("organization could not be written" in text for text in world.story(tenant))


def test_no_policy_in_keygen_yet_is_told_and_caught_up(world):
    ids = dict(world.keygen.policies)
    world.keygen.policies.clear()
    tenant = world.settled(tier="pro")
    assert world.keygen.licenses == {}
    with world.database.read(SYSTEM) as session:
        assert [line.field for line in open_drift(session)] == ["license.policy"]
    world.keygen.policies.update(ids)
    world.policies._read_at = float("-inf")
    world.pass_time(minutes=2)
    assert world.license(tenant).policy_id == "policy-pro"
