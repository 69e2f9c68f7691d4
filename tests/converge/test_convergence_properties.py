"""Order, repetition and loss of hints do not matter: whatever happened outside, one look ends in the same state."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glue.db import Database
from tests.fakes.world import World

EDITS = ["upgrade", "downgrade", "debt", "pay", "more_machines", "rename", "claim", "bob_joins", "bob_leaves", "a_day"]


def _edit(world, tenant, what):
    name = f"sub-{tenant}"
    match what:
        case "upgrade":
            world.lago.create_subscription(customer=tenant, external_id=name, plan_code="team_usd_monthly_1")
        case "downgrade":
            world.lago.create_subscription(customer=tenant, external_id=name, plan_code="free_usd_monthly_1")
        case "debt":
            world.lago.bill(tenant, due_in_days=-40)
        case "pay":
            for key in list(world.lago.invoices):
                world.lago.mark_invoice_paid(key)
        case "more_machines":
            world.keygen.edit(world.row(tenant).license_id, max_machines=77)
        case "rename":
            world.keycloak.edit(tenant, name="Renamed")
        case "claim":
            world.keycloak.edit(tenant, attributes={"plan": ("enterprise",)})
        case "bob_joins":
            world.keycloak.add_user("bob", "bob@example.test")
            world.keycloak.add_member(world.organization(tenant).id, "bob")
        case "bob_leaves":
            world.keycloak.remove_member(world.organization(tenant).id, "bob")
        case "a_day":
            world.clock.advance(hours=20)


def _state(world, tenant):
    held, organization, snapshot = world.license(tenant), world.organization(tenant), world.snapshots[tenant]
    return (
        (held.suspended, held.max_machines, held.policy_id, held.expiry),
        (organization.attributes, organization.enabled, organization.name.split(" · ")[0]),
        (snapshot.standing, snapshot.tier, snapshot.members, snapshot.period and snapshot.period.plan_code, snapshot.meters),
        world.row(tenant).standing,
    )


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    edits=st.lists(st.sampled_from(EDITS), min_size=1, max_size=5),
    hints=st.lists(st.integers(0, 3), min_size=5, max_size=5),
)
def test_hints_in_any_number_lead_to_the_same_state(tmp_path_factory, empty_store, edits, hints):
    import shutil

    states = []
    for counts in ([0] * 5, hints):  # all lost until the end; some, repeated
        file = tmp_path_factory.mktemp("w") / "glue.db"
        shutil.copy(empty_store, file)
        store = Database(f"sqlite:///{file}")
        world = World(store)
        tenant = world.settled(tier="pro")
        for what, count in zip(edits, counts, strict=False):
            _edit(world, tenant, what)
            for _ in range(count):
                world.look(tenant, f"a hint about {what}")
        world.look(tenant, "the sweep")
        (again,) = world.look(tenant, "once more")
        assert again.written == [], "a second look finds nothing to write"
        states.append(_state(world, tenant))
        store.close()
    assert states[0] == states[1]
