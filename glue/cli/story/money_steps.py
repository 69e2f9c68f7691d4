"""Steps 7 to 10: plans, a late invoice, drift, farewell."""

import io
import json
import time as time_module
import zipfile
from datetime import UTC, datetime, time, timedelta

import httpx

from glue.cli.story.tenant_steps import FIELDS
from glue.cli.story.world import Said, Someone, World
from glue.sandbox.visitor import log_in, register


def plans_change(world: World) -> Said:
    alice = world.alice.visitor
    before = alice.open(f"{world.stack.public_url}/plan/change?tier=team")
    world.expect(
        "at once" in before.text.lower() and "10" in before.text,
        f"the page should tell what is gained: {before.status} {before.text[:400]}",
    )
    alice.submit("change")
    world.eventually(
        world.subscription, lambda row: row is not None and row.plan_code == "team_usd_monthly_1", "Lago should be on team at once"
    )
    world.eventually(world.license, lambda row: row is not None and row.max_machines == 25, "the license should allow 25 machines")
    back = alice.open(f"{world.stack.public_url}/plan/change?tier=pro")
    world.expect(
        "lose" in back.text.lower() and "priority" in back.text.lower(), f"the page should list what will be lost: {back.text[:500]}"
    )
    alice.submit("change")
    row = world.eventually(
        world.subscription, lambda row: row is not None and row.next_plan_code == "pro_usd_monthly_1", "the downgrade should wait"
    )
    world.expect(row.plan_code == "team_usd_monthly_1", "team should go on until the period ends")
    said = world.look(f"team now, pro from {row.downgrade_plan_date}; losses listed before")
    # Team is what the rest of the story needs: the wish is undone.
    alice.open(f"{world.stack.public_url}/plan")
    alice.submit("keep")
    world.eventually(world.subscription, lambda row: row is not None and not row.next_plan_code, "the downgrade should be undone")
    return said


def invoice_is_late(world: World) -> Said:
    """The next month: an invoice, unpaid, overdue, grace, suspension; paid, restored."""
    key = world.notes["key"]
    start = world.now()
    month = datetime.combine((start.replace(day=1) + timedelta(days=32)).replace(day=1).date(), time(2), tzinfo=UTC)
    world.move(to=month)
    invoices = world.systems.lago.invoices_of(world.tenant)
    due = [row for row in invoices if row.is_open and row.kind == "subscription"]
    world.expect(due, f"there should be an open invoice: {invoices}")
    first = min(due, key=lambda row: row.payment_due_date)
    page = world.alice.visitor.open(f"{world.stack.public_url}/invoices")
    world.expect(first.number in page.text, f"the page should list {first.number}: {page.text[:300]}")
    tier = world.systems.tiers.get("team")
    world.move(to=datetime.combine(first.payment_due_date + timedelta(days=1), time(2), tzinfo=UTC))
    overdue = world.eventually(
        world.organization, lambda row: row.attributes.get("standing") == ("past_due",), "Keycloak should say past_due"
    )
    world.api("POST", "/v1/check", key=key, json={"meter": "agent_credits", "units": 1})
    world.move(to=datetime.combine(first.payment_due_date + timedelta(days=tier.grace_days + 1), time(2), tzinfo=UTC))
    world.eventually(world.license, lambda row: row.suspended, "Keygen should suspend the license")
    refused = world.eventually(
        lambda: world.http.post(
            "/v1/check", json={"meter": "agent_credits", "units": 1}, headers={"Authorization": f"License {key}"}
        ).json(),
        lambda body: body.get("allowed") is False or body.get("code") in {"not_allowed", "unauthenticated"},
        "the API should refuse and say why",
    )
    valid, code = world.systems.keygen.validate_key(key)
    suspended = f"license {code}, API: {refused.get('detail') or refused.get('reason')}"
    world.expect(not valid, "the license should not validate")
    for row in world.systems.lago.invoices_of(world.tenant):
        if row.is_open:
            world.systems.lago.mark_invoice_paid(row.lago_id)
    world.eventually(world.license, lambda row: not row.suspended, "Keygen should reinstate the license")
    world.eventually(world.organization, lambda row: row.attributes.get("standing") == ("active",), "Keycloak should say active again")
    world.expect(overdue is not None, "")
    return world.look(f"{first.number} due {first.payment_due_date}: past_due, then suspended ({suspended}); paid: active")


def drift_is_found(world: World) -> Said:
    """While glue is down, Lago and Keygen are changed by hand and every webhook is lost; the sweep finds and mends it."""
    world.stack.processes.pop("service").stop()
    lago, keygen = world.systems.lago, world.systems.keygen
    external_id = world.subscription().external_id
    lago.terminate_subscription(external_id)
    lago.create_subscription(customer=world.tenant, external_id=external_id, plan_code="pro_usd_monthly_1")
    keygen.update_license(world.license().id, max_machines=99)
    world.move(days=0.01)  # longer than Lago tries to deliver
    world.stack.start_service()
    world.eventually(
        world.organization, lambda row: row.attributes.get("plan") == ("pro",), "the sweep should tell Keycloak the new plan", seconds=60
    )
    world.eventually(world.license, lambda row: row.max_machines == 2, "the license should allow what pro allows", seconds=60)
    keygen.update_license(world.license().id, suspended=True)
    olga = world.notes["operator"] = operator(world)
    page = world.eventually(
        lambda: olga.visitor.open(f"{world.stack.public_url}/operator/drift"),
        lambda seen: "license.suspended" in seen.text and "license.max_machines" in seen.text,
        "the drift page should name both",
        seconds=60,
    )
    world.expect("decision" in page.text.lower(), f"the suspension should need a decision: {page.text[:500]}")
    time_module.sleep(2)
    world.expect(world.license().suspended, "the license should stay suspended")
    said = world.look("plan followed, license mended from 99 machines by the sweep; the suspension by hand stayed and needs a decision")
    keygen.update_license(world.license().id, suspended=False)
    return said


def operator(world: World) -> Someone:
    """A person with the realm role `operator`, given in Keycloak by its admin."""
    olga = Someone("Olga")
    register(
        olga.visitor,
        f"{world.stack.public_url}/auth/login?screen=register",
        email=olga.email,
        password=olga.password,
        first_name="Olga",
        last_name="Ortiz",
        mail_url=world.mail_url,
    )
    ready, identity = world.stack.ready("keycloak"), world.settings.keycloak
    realm = ready.get("admin_realm", identity.realm)
    token = httpx.post(
        f"{identity.url}/realms/{realm}/protocol/openid-connect/token",
        data={"grant_type": "client_credentials", "client_id": ready["admin_client_id"], "client_secret": ready["admin_client_secret"]},
        trust_env=False,
    ).json()["access_token"]
    admin = httpx.Client(
        base_url=f"{identity.url}/admin/realms/{identity.realm}", headers={"Authorization": f"Bearer {token}"}, trust_env=False
    )
    user = admin.get("/users", params={"email": olga.email, "exact": "true"}).json()[0]
    role = admin.get("/roles/operator").json()
    admin.post(f"/users/{user['id']}/role-mappings/realm", json=[role]).raise_for_status()
    olga.visitor.open(world.stack.public_url)
    olga.visitor = type(olga.visitor)()
    log_in(olga.visitor, f"{world.stack.public_url}/auth/login?then=/operator", email=olga.email, password=olga.password)
    return olga


def alice_leaves(world: World) -> Said:
    alice = world.alice.visitor
    alice.open(f"{world.stack.public_url}/plan/cancel")
    alice.submit("cancel", when="now")
    world.eventually(world.subscription, lambda row: row is None, "the subscription should end")
    alice.open(f"{world.stack.public_url}/privacy")
    archive = alice.open(f"{world.stack.public_url}/privacy/export")
    names = zipfile.ZipFile(io.BytesIO(archive.content)).namelist()
    world.expect(len(names) >= 3, f"the export should hold files: {names}")
    organization = world.organization()
    alice.open(f"{world.stack.public_url}/privacy")
    alice.submit("erase", confirm="Kestrel Learning")
    world.eventually(lambda: traces(world, organization.id), lambda found: not found, "nobody should hold her name any more", seconds=40)
    return Said(
        "organization disabled, no member, no name",
        "customer kept for the books, without name",
        "no license that names her",
        f"export of {len(names)} files; erased",
    )


def traces(world: World, organization_id: str) -> list[str]:
    """Where her names still stand."""
    words = ("Kestrel", world.alice.email, world.bob.email, FIELDS["billing_email"], FIELDS["line1"])
    keycloak = world.systems.keycloak
    held = {
        "keycloak organization": keycloak.find_organization_by_id(organization_id),
        "keycloak users": [keycloak.find_user_by_email(one.email) for one in (world.alice, world.bob)],
        "lago customer": world.systems.lago.find_customer(world.tenant),
        "keygen license": world.license(),
    }
    found = [name for name, value in held.items() if any(word in json.dumps(value, default=repr) or word in repr(value) for word in words)]
    if world.stack.environ["GLUE_DATABASE_URL"].startswith("sqlite"):
        for file in world.stack.folder.glob("*.db*"):
            content = file.read_bytes()
            found += [f"{file.name}: {word}" for word in words if word.encode() in content]
    return found
