"""Registering, and looking before changing."""

import pytest

from glue.actions.plans import cancel, change_plan, keep_plan, look_before_change
from glue.actions.register import Registration, register
from glue.errors import BadInput, ConfigInvalid, Conflict, NotFound

PLANS = {
    "free_usd_monthly_1": {"amount_cents": 0},
    "pro_usd_monthly_1": {"amount_cents": 2900},
    "team_usd_monthly_1": {"amount_cents": 9900},
}


def _form(**changes):
    base = {"subject": "alice", "nonce": "n", "display_name": "Alice", "tier": "pro", "currency": "USD", "email": "a@x.test"}
    return Registration(**{**base, **changes})


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_name_is_needed(world, name):
    with pytest.raises(BadInput):
        register(world.actions, _form(display_name=name))


def test_currency_without_an_offered_plan_is_refused_and_nothing_kept(world):
    with pytest.raises(ConfigInvalid):
        register(world.actions, _form(currency="CHF"))
    assert world.drain() == []


def test_tier_must_exist(world):
    with pytest.raises(ConfigInvalid):
        register(world.actions, _form(tier="gold"))


def test_other_person_with_the_same_nonce_is_another_customer(world):
    assert register(world.actions, _form()) != register(world.actions, _form(subject="bob"))


def test_look_before_a_downgrade_names_what_is_lost_and_in_the_way(world):
    tenant = world.settled(tier="team")
    for number in range(4):
        world.keycloak.add_user(f"p{number}", f"p{number}@example.test")
        world.keycloak.add_member(world.organization(tenant).id, f"p{number}")
    seen = look_before_change(world.actions, tenant, "pro", row=world.subscription(tenant), plans=PLANS, running_work=2)
    assert not seen.at_once
    assert seen.effective_at.isoformat() == "2026-04-01T00:00:00+00:00"
    assert {"own_models", "seats", "machines", "api_calls"} <= {item.code for item in seen.lost}
    assert [(item.kind, item.before, item.after) for item in seen.too_much] == [("seats", 5, 2)]


def test_look_before_an_upgrade_says_at_once_and_the_price(world):
    tenant = world.settled(tier="pro")
    seen = look_before_change(world.actions, tenant, "team", row=world.subscription(tenant), plans=PLANS)
    assert seen.at_once
    assert seen.charge_cents > 0
    assert seen.credit_cents == 0, "nothing was paid in the trial"


def test_present_plan_is_no_change(world):
    tenant = world.settled(tier="pro")
    with pytest.raises(BadInput):
        look_before_change(world.actions, tenant, "pro", row=world.subscription(tenant), plans=PLANS)
    with pytest.raises(BadInput):
        change_plan(world.actions, tenant, "gold", by="alice")
    with pytest.raises(BadInput):
        cancel(world.actions, tenant, when="soon", by="alice")


def test_nothing_to_change_without_a_subscription(world):
    tenant = world.settled(tier="pro")
    cancel(world.actions, tenant, when="now", by="alice")
    world.drain()
    with pytest.raises(Conflict):
        look_before_change(world.actions, tenant, "team", row=world.subscription(tenant), plans=PLANS)


def test_unknown_tenant_is_not_found(world):
    with pytest.raises(NotFound):
        keep_plan(world.actions, "tnobody", by="alice")


def test_result_can_be_waited_for(world):
    tenant = world.settled(tier="pro")
    change_plan(world.actions, tenant, "team", by="alice")
    assert not world.actions.wait_until_settled(tenant, seconds=0.1)
    world.worker.start()
    try:
        assert world.actions.wait_until_settled(tenant, seconds=20)
    finally:
        world.worker.stop()
    assert world.row(tenant).tier == "team"
