"""Up at once, down at the period's end, and every wish can be taken back."""

from datetime import UTC, datetime

import pytest

from glue.actions.plans import cancel, change_plan, keep_plan
from glue.rules.standing import Standing


@pytest.fixture
def team(world):
    return world.settled(tier="team")


def test_upgrade_acts_at_once_behind_the_fence(world):
    tenant = world.settled(tier="pro")
    change_plan(world.actions, tenant, "team", by="alice")
    world.drain()
    assert world.subscription(tenant).plan_code == "team_usd_monthly_1"
    assert world.fence.calls == ["fence", "flush", "unfence"]
    assert world.license(tenant).policy_id == "policy-team"
    assert world.license(tenant).max_machines == 25
    assert world.organization(tenant).attributes["plan"] == ("team",)
    assert world.snapshots[tenant].meters["api_calls"].limit is None
    assert world.row(tenant).intent == ""


def test_upgrade_waits_until_usage_has_reached_lago(world):
    tenant = world.settled(tier="pro")
    world.fence.flushes = False
    change_plan(world.actions, tenant, "team", by="alice")
    world.drain()
    assert world.subscription(tenant).plan_code == "pro_usd_monthly_1"
    assert world.fence.calls[-1] == "unfence"
    world.fence.flushes = True
    world.pass_time(seconds=30)
    assert world.subscription(tenant).plan_code == "team_usd_monthly_1"


def test_downgrade_waits_for_the_period_and_then_is_followed(world, team):
    change_plan(world.actions, team, "pro", by="alice")
    world.drain()
    assert world.subscription(team).plan_code == "team_usd_monthly_1"
    assert world.subscription(team).next_plan_code == "pro_usd_monthly_1"
    assert world.row(team).intent == ""
    assert world.license(team).max_machines == 25
    world.clock.advance(days=22, minutes=20)
    world.lago.tick()
    world.drain()
    world.look(team, "subscription.started")
    assert world.row(team).tier == "pro"
    assert world.license(team).max_machines == 2


def test_downgrade_can_be_taken_back(world, team):
    change_plan(world.actions, team, "free", by="alice")
    world.drain()
    keep_plan(world.actions, team, by="alice")
    world.drain()
    assert world.subscription(team).next_plan_code is None
    assert world.row(team).intent == ""


def test_cancellation_at_the_end_keeps_everything_until_then(world, team):
    cancel(world.actions, team, when="end", by="alice")
    world.drain()
    assert world.subscription(team).ending_at == datetime(2026, 4, 1, tzinfo=UTC)
    assert world.row(team).standing == Standing.ACTIVE
    assert world.license(team).expiry == datetime(2026, 4, 1, tzinfo=UTC)
    world.pass_time(days=22, minutes=10)
    world.look(team, "subscription.terminated")
    assert world.row(team).standing == Standing.CANCELED
    assert world.license(team).suspended


def test_cancellation_can_be_taken_back(world, team):
    cancel(world.actions, team, when="end", by="alice")
    world.drain()
    keep_plan(world.actions, team, by="alice")
    world.drain()
    assert world.subscription(team).ending_at is None
    assert world.license(team).expiry > datetime(2026, 4, 2, tzinfo=UTC)


def test_cancellation_now_ends_at_once_behind_the_fence(world, team):
    cancel(world.actions, team, when="now", by="alice")
    world.drain()
    assert world.subscription(team) is None
    assert world.row(team).standing == Standing.CANCELED
    assert world.fence.calls == ["fence", "flush", "unfence"]


def test_customer_may_come_back_after_canceling(world, team):
    cancel(world.actions, team, when="now", by="alice")
    world.drain()
    change_plan(world.actions, team, "pro", by="alice")
    world.drain()
    assert world.subscription(team).plan_code == "pro_usd_monthly_1"
    assert not world.license(team).suspended
    assert world.license(team).max_machines == 2


def test_newest_wish_wins(world):
    tenant = world.settled(tier="pro")
    change_plan(world.actions, tenant, "team", by="alice")
    cancel(world.actions, tenant, when="end", by="alice")
    world.drain()
    assert world.subscription(tenant).plan_code == "pro_usd_monthly_1"
    assert world.subscription(tenant).ending_at is not None


def test_plan_changed_in_lago_is_followed(world):
    tenant = world.settled(tier="pro")
    world.lago.create_subscription(customer=tenant, external_id=f"sub-{tenant}", plan_code="team_usd_monthly_1")
    world.look(tenant, "subscription.started")
    assert world.row(tenant).tier == "team"
    assert world.license(tenant).policy_id == "policy-team"


def test_plan_that_no_file_knows_keeps_the_tier_and_is_shown(world):
    tenant = world.settled(tier="pro")
    world.lago.prices["special"] = 99_999
    world.lago.create_subscription(customer=tenant, external_id=f"sub-{tenant}", plan_code="special")
    (outcome,) = world.look(tenant)
    assert world.row(tenant).tier == "pro"
    assert [item.name for item in outcome.findings] == ["subscription.plan"]


def test_overrides_are_granted_again_after_an_upgrade(world):
    from glue.actions.grants import grant
    from glue.rules.tenant import Overrides

    tenant = world.settled(tier="pro")
    granted = Overrides(features={"own_models": True}, limits={"agent_credits": 9000}, seats=5, machines=30)
    grant(world.actions, tenant, granted, by="operator")
    world.drain()
    for _ in range(2):
        assert world.lago.entitlements(f"sub-{tenant}")["agent_credits"]["limit"] == 9000
        assert world.lago.entitlements(f"sub-{tenant}")["seats"]["max"] == 5
        assert world.license(tenant).max_machines == 30
        change_plan(world.actions, tenant, "team", by="alice")
        world.drain()
    assert world.snapshots[tenant].meters["agent_credits"].limit == 9000
    assert world.snapshots[tenant].features["own_models"] is True


def test_wish_that_is_taken_back_while_it_is_looked_at_is_not_carried_out(world, team, monkeypatch):
    read = world.lago.subscriptions_of

    def reads_slowly(tenant):
        monkeypatch.undo()
        found = read(tenant)
        keep_plan(world.actions, team, by="alice")
        return found

    cancel(world.actions, team, when="now", by="alice")
    monkeypatch.setattr(world.lago, "subscriptions_of", reads_slowly)
    world.drain()
    assert world.subscription(team) is not None
    assert world.row(team).intent == ""
