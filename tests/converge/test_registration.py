"""From a form to one story in three systems."""

from glue.rules.facts import Role
from glue.rules.standing import Standing


def test_registration_makes_everything(world):
    tenant = world.sign_up("Alice", tier="pro")
    world.drain()
    organization = world.organization(tenant)
    assert organization.name == f"Alice's school · {tenant[-4:]}"
    assert organization.attributes == {"display_name": ("Alice's school",), "plan": ("pro",), "standing": ("trialing",)}
    assert organization.redirect_url == "https://portal.example.test/welcome"
    owner = world.keycloak.members[organization.id]["alice"]
    assert owner.roles == {Role.ADMIN}
    customer = world.lago.customers[tenant]
    assert (customer.email, customer.currency, customer.net_payment_term_days) == ("alice@example.test", "USD", 14)
    assert world.subscription(tenant).plan_code == "pro_usd_monthly_1"
    held = world.license(tenant)
    assert (held.policy_id, held.max_machines, held.suspended) == ("policy-pro", 2, False)
    assert held.metadata == {"tenant": tenant, "tier": "pro", "generation": "1"}


def test_snapshot_is_published_with_all_that_check_needs(world):
    tenant = world.settled()
    snapshot = world.snapshots[tenant]
    assert snapshot.standing is Standing.TRIALING
    assert snapshot.tier == "pro"
    assert snapshot.features["exports"] is True
    assert snapshot.meters["api_calls"].limit == 100_000
    assert snapshot.members == {"alice": frozenset({Role.ADMIN})}
    assert snapshot.period.subscription_lago_id == world.subscription(tenant).lago_id
    assert [grant.usable for grant in snapshot.licenses] == [True]
    assert snapshot.run_concurrency == 2
    versions = [one.version for one in world.published]
    assert versions == sorted(set(versions))


def test_form_sent_twice_is_one_customer(world):
    first = world.sign_up("Alice", nonce="same")
    again = world.sign_up("Alice", nonce="same")
    world.drain()
    assert first == again
    assert len(world.lago.customers) == len(world.keycloak.organizations) == 1


def test_two_people_may_use_the_same_name(world):
    tenants = {world.sign_up("Alice", nonce="one"), world.sign_up("Alice", nonce="two")}
    world.drain()
    assert len({world.organization(tenant).name for tenant in tenants}) == 2


def test_timeline_tells_what_happened_and_why(world):
    tenant = world.settled()
    story = world.story(tenant)
    assert story[0] == "Registered for pro."
    assert "Made the organization." in story
    assert "Made the license." in story
    assert "Standing changed from pending to trialing." in story


def test_second_pass_writes_nothing(world):
    tenant = world.settled()
    (outcome,) = world.look(tenant)
    assert outcome.written == []
    assert outcome.findings == ()
    assert outcome.retry_after_seconds is None


def test_welcome_is_mailed_once(world):
    tenant = world.settled()
    world.look(tenant)
    assert [mail["subject"] for mail in world.mail.sent] == ["Welcome to Coditect"]
    assert "March 24, 2026" in world.mail.sent[0]["text"]


def test_keycloak_away_still_makes_the_rest_and_catches_up(world):
    world.keycloak.faults.silent.add("*")
    tenant = world.sign_up()
    world.drain()
    assert tenant not in world.snapshots
    assert world.subscription(tenant) is not None
    world.keycloak.faults.silent.clear()
    world.pass_time(seconds=30)
    world.pass_time(seconds=30)
    assert world.organization(tenant).attributes["standing"] == ("trialing",)
    assert world.snapshots[tenant].members == {"alice": frozenset({Role.ADMIN})}


def test_lost_answers_make_nothing_twice(world):
    world.keycloak.faults.lying["create_organization"] = 1
    world.lago.faults.lying.update({"upsert_customer": 1, "create_subscription": 1})
    world.keygen.faults.lying["create_license"] = 1
    tenant = world.sign_up()
    for _ in range(8):
        world.drain()
        world.pass_time(seconds=60)
    assert len(world.keycloak.organizations) == len(world.lago.customers) == len(world.keygen.licenses) == 1
    assert len(world.lago.subscriptions) == 1
    assert world.snapshots[tenant].licenses[0].usable


def test_whole_life_on_both_databases(both_worlds):
    from glue.actions.plans import cancel, change_plan
    from glue.actions.privacy import erase

    world = both_worlds
    tenant = world.settled(tier="pro")
    change_plan(world.actions, tenant, "team", by="alice")
    world.drain()
    assert world.snapshots[tenant].tier == "team"
    world.keygen.edit(world.row(tenant).license_id, max_machines=99)
    world.look(tenant)
    assert world.license(tenant).max_machines == 25
    cancel(world.actions, tenant, when="now", by="alice")
    world.drain()
    assert world.row(tenant).standing == Standing.CANCELED
    erase(world.actions, tenant, confirm="Alice's school", by="alice")
    world.drain()
    assert world.row(tenant).erased_at is not None
