"""Grants, seats, prices, notices: small rules by table."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from glue.errors import LimitReached
from glue.rules.changes import compare, instant
from glue.rules.entitlements import as_privileges, decide_grants, flatten, nest
from glue.rules.facts import Invitation, Member, Subscription
from glue.rules.notices import decide_notice
from glue.rules.plan_change import whole_period
from glue.rules.preflight import InUse, preflight
from glue.rules.prices import highest_unit_prices
from glue.rules.seats import count_seats, require_free_seat
from glue.rules.standing import Standing, StandingFacts
from glue.rules.tenant import Overrides, TenantRecord
from tests.fakes.world import START, load_tiers

TIERS = load_tiers()


def test_tier_without_overrides_is_granted_as_it_is():
    grants = decide_grants(TIERS.get("pro"), Overrides())
    assert (grants.seats, grants.machines, grants.programs) == (2, 2, 3)
    assert grants.meters["api_calls"].limit == 100_000
    assert grants.features == {"exports": True, "own_models": False, "priority_support": False}


def test_overrides_win_and_none_is_unlimited():
    overrides = Overrides(features={"own_models": True}, limits={"api_calls": None, "agent_credits": 0}, seats=0)
    grants = decide_grants(TIERS.get("pro"), overrides)
    assert grants.features["own_models"] is True
    assert grants.meters["api_calls"].limit is None
    assert grants.meters["agent_credits"].limit == 0
    assert grants.seats == 0, "zero is a grant, not an absence"


def test_no_tier_grants_nothing():
    grants = decide_grants(None, Overrides(seats=9))
    assert (grants.features, grants.meters, grants.seats) == ({}, {}, 0)


def test_overrides_in_lagos_terms_and_back():
    privileges = as_privileges(Overrides(features={"exports": False}, limits={"api_calls": None}, seats=3))
    assert privileges == {"exports.enabled": False, "api_calls.limit": -1, "seats.max": 3}
    assert flatten(nest(privileges)) == privileges


def _member(name, **options):
    return Member(name, name, f"{name}@x.test", enabled=True, managed=False, **options)


def _invited(email, status="PENDING"):
    return Invitation(email, email, status, START, START)


@pytest.mark.parametrize(
    ("members", "invitations", "used"),
    [
        ((), (), 0),
        ((_member("a"), _member("b")), (), 2),
        ((_member("a"),), (_invited("b@x.test"),), 2),
        ((_member("a"),), (_invited("A@X.test"),), 1),  # joined another way: one seat
        ((_member("a"),), (_invited("b@x.test", "EXPIRED"),), 1),
        ((_member("a"), _member("p", service_account=True)), (), 1),
    ],
)
def test_seats(members, invitations, used):
    assert count_seats(members, invitations, limit=5).used == used


def test_full_house_says_what_takes_the_seats():
    use = count_seats((_member("a"),), (_invited("b@x.test"),), limit=2)
    with pytest.raises(LimitReached, match="1 by members, 1 by open invitations") as refused:
        require_free_seat(use)
    assert refused.value.fields == {"limit": 2, "used": 2, "remaining": 0}


@pytest.mark.parametrize(
    ("model", "properties", "price"),
    [
        ("standard", {"amount": "0.000002"}, "0.000002"),
        ("package", {"package_size": 1000, "free_units": 10000, "amount": "0.20"}, "0.0002"),
        ("graduated", {"graduated_ranges": [{"per_unit_amount": "0"}, {"per_unit_amount": "0.04"}, {"per_unit_amount": "0.02"}]}, "0.04"),
        ("volume", {"volume_ranges": [{"per_unit_amount": "1"}, {"per_unit_amount": "3"}]}, "3"),
        ("percentage", {"rate": "5", "fixed_amount": "0.10"}, "0.15"),
        ("standard", None, "0"),
    ],
)
def test_highest_price_of_a_unit(model, properties, price):
    plan = {"charges": [{"billable_metric_code": "m", "charge_model": model, "properties": properties}]}
    assert highest_unit_prices(plan) == {"m": Decimal(price)}


def test_plan_without_charges_has_no_prices():
    assert highest_unit_prices({"charges": None}) == {}


@pytest.mark.parametrize(
    ("told", "now", "template"),
    [
        ("pending", "trialing", "welcome"),
        ("pending", "active", "welcome"),
        ("canceled", "active", "welcome"),
        ("trialing", "active", "trial_ended"),
        ("past_due", "active", "restored"),
        ("suspended", "trialing", "restored"),
        ("suspended", "past_due", "restored"),
        ("active", "past_due", "past_due"),
        ("past_due", "suspended", "suspended"),
        ("active", "canceled", "canceled"),
        ("pending", "canceled", None),
        ("canceled", "erased", None),
        ("active", "active", None),
    ],
)
def test_which_mail_an_edge_earns(told, now, template):
    record = TenantRecord("t", "Alice", "USD", START, email="a@x.test", told=Standing(told))
    notice = decide_notice(record, StandingFacts(Standing(now), "because"), TIERS.get("pro"))
    assert (notice.template if notice else None) == template


def test_customer_without_address_gets_no_mail():
    record = TenantRecord("t", "Alice", "USD", START, told=Standing.PENDING)
    assert decide_notice(record, StandingFacts(Standing.ACTIVE, ""), None) is None


def test_normal_form_of_instants_has_whole_seconds():
    assert instant(datetime(2026, 1, 1, 12, 0, 0, 999_000, tzinfo=UTC)) == "2026-01-01T12:00:00+00:00"
    assert instant(None) is None


@pytest.mark.parametrize(
    ("name", "have", "want", "direction"),
    [
        ("license.suspended", False, True, -1),
        ("organization.enabled", False, True, 1),
        ("license.features", ["a"], ["a", "b"], 1),
        ("organization.attr.plan", "team", "pro", -1),
        ("organization.attr.plan", "unknown", "pro", 0),
        ("organization.attr.standing", "active", "suspended", -1),
        ("entitlement.row.api_calls.limit", 5, -1, 1),
        ("license.expiry", "2026-01-01T00:00:00+00:00", None, 1),
        ("customer.name", "A", "B", 0),
    ],
)
def test_what_gives_more(name, have, want, direction):
    assert compare(name, have, want, ranks={"free": 0, "pro": 1, "team": 2}) == direction


@pytest.mark.parametrize(
    ("interval", "ends", "starts"),
    [
        ("monthly", "2026-11-30", "2026-11-01"),
        ("weekly", "2026-11-29", "2026-11-23"),
        ("quarterly", "2026-12-31", "2026-10-01"),
        ("semiannual", "2026-12-31", "2026-07-01"),
        ("yearly", "2028-12-31", "2028-01-01"),
    ],
)
def test_first_part_of_a_period_belongs_to_the_whole_one(interval, ends, starts):
    joined = datetime.fromisoformat(f"{ends}T00:00:00+00:00")
    row = Subscription(
        "1", "t1/sub", "t1", "pro_usd_monthly_1", "active", joined, None, None, None, None, None, None, None, joined,
        period_started_at=joined, period_ends_at=joined.replace(hour=23, minute=59, second=59),
    )  # fmt: skip
    start, end = whole_period(row, interval)
    assert (start.date().isoformat(), end) == (starts, joined + timedelta(days=1))


def test_fee_of_the_first_days_is_their_share_of_the_month():
    period = (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    seen = preflight(
        TIERS.get("pro"), TIERS.get("team"), InUse(1, 1, 0, 0), now=datetime(2026, 11, 25, 3, tzinfo=UTC), period=period,
        amounts_cents=(2900, 9900), old_paid=True,
    )  # fmt: skip
    assert (seen.charge_cents, seen.credit_cents) == (1980, 580)
