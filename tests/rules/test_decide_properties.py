"""What holds of `decide` whatever the world looks like."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glue.rules.changes import Applied
from glue.rules.decide import decide
from glue.rules.facts import Customer, Invoice, License, Member, Observed, Organization, Role, Subscription
from glue.rules.names import TenantId, license_id
from glue.rules.snapshot import Snapshot
from glue.rules.standing import Standing
from glue.rules.tenant import Identities, Intent, IntentKind, TenantRecord
from glue.rules.terms import Terms
from tests.fakes.world import START, load_tiers

TENANT = TenantId("t1kkbfjym0fhc6f")
TERMS = Terms(load_tiers(), product="coditect", policies={code: f"policy-{code}" for code in ("free", "pro", "team")})
LICENSE = license_id(TENANT, "coditect", 1)
PARTS = (
    "organization",
    "members",
    "invitations",
    "customer",
    "subscriptions",
    "invoices",
    "wallets",
    "entitlements",
    "license",
    "machines",
)

organizations = st.none() | st.builds(
    Organization,
    id=st.just("org-1"),
    alias=st.just(TENANT),
    name=st.sampled_from(["Alice · hc6f", "Other"]),
    enabled=st.booleans(),
    attributes=st.dictionaries(
        st.sampled_from(["plan", "standing"]), st.tuples(st.sampled_from(["pro", "team", "active", "suspended"])), max_size=2
    ),
)
members = st.lists(
    st.builds(
        Member,
        user_id=st.sampled_from(["alice", "bob"]),
        username=st.just("x"),
        email=st.just("x@x.test"),
        enabled=st.booleans(),
        managed=st.booleans(),
        roles=st.frozensets(st.sampled_from(list(Role))),
    ),
    max_size=3,
    unique_by=lambda member: member.user_id,
).map(tuple)
customers = st.none() | st.builds(
    Customer,
    external_id=st.just(TENANT),
    lago_id=st.just("cus-1"),
    name=st.just("Alice"),
    email=st.just("a@x.test"),
    currency=st.just("USD"),
)
subscriptions = st.lists(
    st.builds(
        Subscription,
        lago_id=st.sampled_from(["sub-1", "sub-2"]),
        external_id=st.just(f"sub-{TENANT}"),
        customer_external_id=st.just(TENANT),
        plan_code=st.sampled_from(["pro_usd_monthly_1", "team_usd_monthly_1", "unknown"]),
        status=st.sampled_from(["active", "pending", "terminated", "canceled"]),
        started_at=st.just(START - timedelta(days=40)),
        ending_at=st.none() | st.just(START + timedelta(days=5)),
        terminated_at=st.none(),
        canceled_at=st.none(),
        trial_ended_at=st.none(),
        previous_plan_code=st.none(),
        next_plan_code=st.none(),
        downgrade_plan_date=st.none(),
        created_at=st.just(START - timedelta(days=40)),
        period_started_at=st.just(START - timedelta(days=9)),
        period_ends_at=st.just(START + timedelta(days=21)),
    ),
    max_size=2,
    unique_by=lambda row: row.lago_id,
).map(tuple)
invoices = st.lists(
    st.builds(
        Invoice,
        lago_id=st.just("inv"),
        number=st.just("INV-1"),
        kind=st.sampled_from(["subscription", "credit"]),
        status=st.sampled_from(["finalized", "voided", "draft"]),
        payment_status=st.sampled_from(["pending", "failed", "succeeded"]),
        payment_overdue=st.booleans(),
        currency=st.just("USD"),
        total_cents=st.sampled_from([0, 2900]),
        total_due_cents=st.just(0),
        issuing_date=st.just(START.date()),
        payment_due_date=st.integers(-60, 20).map(lambda days: START.date() + timedelta(days=days)),
        customer_external_id=st.just(TENANT),
    ),
    max_size=2,
).map(tuple)
licenses = st.none() | st.builds(
    License,
    id=st.just(LICENSE),
    key=st.just("key"),
    policy_id=st.sampled_from(["policy-pro", "policy-team"]),
    expiry=st.none() | st.integers(-10, 90).map(lambda days: START + timedelta(days=days)),
    suspended=st.booleans(),
    status=st.just("ACTIVE"),
    max_machines=st.none() | st.integers(0, 30),
)
worlds = st.builds(
    Observed,
    at=st.just(START),
    organization=organizations,
    members=members,
    customer=customers,
    subscriptions=subscriptions,
    invoices=invoices,
    license=licenses,
)
intents = st.none() | st.builds(
    Intent, kind=st.sampled_from([kind for kind in IntentKind if kind != IntentKind.ERASE]), tier=st.sampled_from(["free", "pro", "team"])
)
records = st.builds(
    TenantRecord,
    id=st.just(TENANT),
    display_name=st.just("Alice"),
    currency=st.just("USD"),
    created_at=st.just(START),
    owner_user_id=st.just("alice"),
    owner_joined=st.booleans(),
    email=st.just("a@x.test"),
    intent=intents,
    blocked=st.sampled_from(["", "Abuse."]),
    identities=st.builds(
        Identities,
        organization_id=st.sampled_from(["", "org-1"]),
        customer_id=st.sampled_from(["", "cus-1"]),
        subscription_id=st.sampled_from(["", "sub-1"]),
        license_id=st.sampled_from(["", LICENSE]),
    ),
    standing=st.sampled_from([Standing.PENDING, Standing.ACTIVE, Standing.PAST_DUE, Standing.SUSPENDED, Standing.CANCELED]),
    tier=st.sampled_from(["", "pro", "team"]),
)
bases = st.dictionaries(
    st.sampled_from(["license.suspended", "license.max_machines", "organization.enabled", "organization.attr.standing"]),
    st.builds(Applied, value=st.sampled_from([True, False, 2, 25, "active"]), known=st.just(True)),
)
many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _decide(record, observed, applied, **more):
    return decide(record, observed, TERMS, now=START, applied=applied, **more)


@many
@given(records, worlds, bases, st.frozensets(st.sampled_from(PARTS), min_size=1))
def test_failed_read_never_restricts(record, observed, applied, failed):
    decision = _decide(record, replace(observed, failed=failed), applied)
    assert all(change.adds and not change.restrictive for change in decision.changes)


@many
@given(records, worlds, bases, st.frozensets(st.sampled_from(["customer", "subscriptions", "invoices"]), min_size=1))
def test_unread_lago_leaves_the_standing_alone(record, observed, applied, failed):
    before = Snapshot(TENANT, 4, record.standing, "as it was", "team", START)
    decision = _decide(record, replace(observed, failed=failed), applied, previous=before)
    assert decision.facts.standing == record.standing
    assert decision.snapshot.standing == before.standing
    assert decision.told == record.told
    assert decision.notice is None


@many
@given(records, worlds, bases)
def test_deciding_is_a_function(record, observed, applied):
    assert _decide(record, observed, applied) == _decide(record, observed, applied)


@many
@given(records, worlds, bases)
def test_absence_seen_once_takes_nothing(record, observed, applied):
    decision = _decide(record, observed, applied)
    if decision.waiting & {"customer", "subscription"}:
        assert decision.facts.standing == record.standing
    for part in decision.waiting:
        assert not [change for change in decision.changes if change.part == part]
        assert decision.next_look is not None


@many
@given(records, worlds, bases)
def test_nothing_held_remains_restrictive(record, observed, applied):
    before = Snapshot(TENANT, 4, Standing.ACTIVE, "", "team", START)
    held = _decide(record, observed, applied, previous=before).without_restrictions(record, before)
    assert all(change.asked for change in held.changes if change.restrictive)
    assert held.snapshot.standing.may_use or not before.standing.may_use


@many
@given(records, worlds, bases)
def test_license_is_never_lifted_while_the_standing_forbids_use(record, observed, applied):
    decision = _decide(record, observed, applied)
    for change in decision.changes:
        if change.name == "license.suspended":
            assert change.after is not decision.facts.standing.may_use


@many
@given(records, worlds, bases)
def test_every_change_says_why(record, observed, applied):
    assert all(change.cause for change in _decide(record, observed, applied).changes)
