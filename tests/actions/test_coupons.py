"""Coupons are redeemed by their code: once, in the customer's currency, also when Lago's answer was lost."""

import pytest

from glue.actions.coupons import redeem_coupon
from glue.errors import BadInput, Conflict, LimitReached, UpstreamUnavailable


def _coupon(code, **fields):
    return {"code": code, "name": "A thank-you", "coupon_type": "percentage", "amount_currency": None, "terminated_at": None} | fields


@pytest.fixture
def tenant(world):
    world.lago.objects["coupons"] = [
        _coupon("thanks"),
        _coupon("ended", terminated_at="2026-01-01T00:00:00Z"),
        _coupon("euros", coupon_type="fixed_amount", amount_currency="EUR"),
    ]
    return world.settled(tier="pro")


@pytest.mark.parametrize("code", ["", "absent", "ended", "euros", "../plans", "x" * 61])
def test_code_that_does_not_fit_is_named_and_changes_nothing(world, tenant, code):
    with pytest.raises(BadInput) as caught:
        redeem_coupon(world.actions, tenant, code, by="alice")
    assert caught.value.field == "code"
    assert world.lago.coupons == []


def test_coupon_is_redeemed_once(world, tenant):
    assert redeem_coupon(world.actions, tenant, " thanks ", by="alice") == "A thank-you"
    with pytest.raises(Conflict):
        redeem_coupon(world.actions, tenant, "thanks", by="alice")
    assert world.lago.coupons == [(tenant, "thanks")]
    assert "Redeemed the coupon A thank-you." in world.story(tenant)


def test_lost_answer_is_looked_up_and_not_repeated(world, tenant):
    world.lago.faults.lying["apply_coupon"] = 1
    with pytest.raises(UpstreamUnavailable):
        redeem_coupon(world.actions, tenant, "thanks", by="alice")
    world.look(tenant)
    assert world.lago.coupons == [(tenant, "thanks")]
    with pytest.raises(Conflict):
        redeem_coupon(world.actions, tenant, "thanks", by="alice")


def test_guessing_ends_after_ten_wrong_codes_for_an_hour(world, tenant):
    other = world.settled("Charlie", tier="pro")
    for number in range(10):
        with pytest.raises(BadInput):
            redeem_coupon(world.actions, tenant, f"guess-{number}", by="alice")
    for code in ("guess-11", "thanks"):
        with pytest.raises(LimitReached):
            redeem_coupon(world.actions, tenant, code, by="alice")
    assert redeem_coupon(world.actions, other, "thanks", by="charlie") == "A thank-you"
    world.clock.advance(hours=1, seconds=1)
    assert redeem_coupon(world.actions, tenant, "thanks", by="alice") == "A thank-you"
