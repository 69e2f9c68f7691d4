"""Steps 1 to 4: files, a customer, her team, her machines."""

import re
import time

import httpx

from glue.cli.story.world import Said, Someone, StoryBroken, World
from glue.client import Client, verify_license_file
from glue.client.errors import Refused
from glue.sandbox.visitor import log_in, register

FIELDS = {
    "billing_email": "accounts@example.com",
    "legal_name": "Kestrel Learning Ltd",
    "line1": "4 Quay Street",
    "zipcode": "90210",
    "city": "Portland",
    "country": "US",
}


def apply_files(world: World) -> Said:
    """``glue plan`` says what is missing, ``glue apply`` makes it, ``glue plan`` finds nothing left."""
    before = world.stack.run("plan", check=False)
    world.expect(before.returncode == 2, f"the first plan should have changes: {before.stdout} {before.stderr}")
    world.stack.run("apply", "--yes")
    after = world.stack.run("plan", check=False)
    world.expect(after.returncode == 0, f"the second plan should be empty: {after.stdout}")
    world.stack.start_service()
    plans = sorted(plan["code"] for plan in world.systems.lago.list_objects("plans"))
    product = world.systems.keygen.find_product(world.settings.keygen.product_code)
    policies = sorted(row["metadata"]["policy"] for row in world.systems.keygen.list_policies(str(product["id"]))) if product else []
    summary = re.findall(r"\d+ to create.*", before.stdout)
    return Said(
        f"realm {world.systems.keycloak.get_realm()['realm']} as declared",
        f"plans {', '.join(plans)}",
        f"policies {', '.join(policies)}",
        f"{summary[0] if summary else ''} Then: no changes.",
    )


def alice_becomes_a_customer(world: World) -> Said:
    """Registration at the hosted page, mail, password, onboarding of four pages."""
    visitor = world.alice.visitor
    visitor.open(world.stack.public_url)
    register(
        visitor,
        f"{world.stack.public_url}/auth/login?screen=register",
        email=world.alice.email,
        password=world.alice.password,
        first_name="Alice",
        last_name="Archer",
        mail_url=world.mail_url,
    )
    world.expect(
        "/welcome" in visitor.page.url, f"onboarding should follow the registration, not {visitor.page.url}: {visitor.page.text[:300]}"
    )
    visitor.submit("organization", name="Kestrel Learning")
    visitor.submit("plan", tier="pro")
    visitor.submit("billing", **FIELDS)
    began = time.monotonic()
    page = visitor.submit("confirm")
    seconds = time.monotonic() - began
    world.expect(
        page.status == 200 and "Kestrel Learning" in page.text,
        f"the overview should show the organization: {page.status} {page.text[:300]}",
    )
    alias = re.search(r'data-tenant="(t[0-9a-z]{14})"', page.html)
    world.expect(alias, "the overview should carry the tenant's id")
    world.tenant = alias[1] if alias else ""
    world.eventually(world.license, lambda found: found is not None, "a license should appear in Keygen")
    world.expect(world.organization() is not None, "an organization should be in Keycloak")
    world.expect(world.subscription().plan_code == "pro_usd_monthly_1", "Lago should have an active pro subscription")
    members = world.systems.keycloak.list_members(world.organization().id)
    world.expect([(m.email, sorted(m.roles)) for m in members] == [(world.alice.email, ["admin"])], f"Alice should be the admin: {members}")
    return world.look(f"tenant {world.tenant}, trialing, ready {seconds:.1f} s after the last click")


def token_of(world: World, someone: Someone) -> str:
    """An access token by the device flow, as a command line gets it: the person approves in the browser."""
    identity = world.settings.keycloak
    base = f"{identity.url}/realms/{identity.realm}/protocol/openid-connect"
    begun = httpx.post(
        f"{base}/auth/device", data={"client_id": "glue-cli", "scope": "openid email organization:*"}, trust_env=False
    ).json()
    log_in(someone.visitor, begun["verification_uri_complete"], email=someone.email, password=someone.password)
    if someone.visitor.page.id == "login-login-oauth-grant":
        someone.visitor.submit(button="Yes")
    for _ in range(10):
        answer = httpx.post(
            f"{base}/token",
            data={
                "client_id": "glue-cli",
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
                "device_code": begun["device_code"],
            },
            trust_env=False,
        )
        if answer.status_code == 200:
            return str(answer.json()["access_token"])
        time.sleep(begun.get("interval", 5) / 4)
    raise StoryBroken(
        f"no token by the device flow: {answer.text[:300]}; page {someone.visitor.page.url}: {someone.visitor.page.text[:200]}"
    )


def bob_joins(world: World) -> Said:
    token = token_of(world, world.alice)
    claim = (world.systems.keycloak.introspect(token) or {}).get("organization", {}).get(world.tenant, {})
    world.expect(
        claim.get("plan") == ["pro"] and claim.get("standing") == ["trialing"], f"the token should carry plan and standing: {claim}"
    )
    alice = world.alice.visitor
    alice.open(f"{world.stack.public_url}/team")
    alice.submit("invite", email=world.bob.email, role="member")
    mail = world.mail_to(world.bob)
    page = register(
        world.bob.visitor,
        mail["links"][0],
        email=world.bob.email,
        password=world.bob.password,
        first_name="Bob",
        last_name="Brook",
        mail_url=world.mail_url,
    )
    page = world.bob.visitor.open(world.stack.public_url + "/team") if "Kestrel" not in page.text else page
    page = log_in(world.bob.visitor, f"{world.stack.public_url}/auth/login?then=/team", email=world.bob.email, password=world.bob.password)
    world.expect("Kestrel Learning" in page.text, f"Bob should be in the team: {page.url} {page.text[:300]}")
    members = world.eventually(
        lambda: world.systems.keycloak.list_members(world.organization().id),
        lambda rows: len(rows) == 2 and all(m.roles for m in rows),
        "Bob should be a member with a role",
    )
    alice.open(f"{world.stack.public_url}/team")
    refused = alice.submit("invite", email=world.carol.email, role="member")
    world.expect(
        "seat" in refused.text.lower() and refused.status in {403, 409, 422},
        f"the third person should be refused for lack of a seat: {refused.status} {refused.text[:300]}",
    )
    invited = world.systems.keycloak.list_invitations(world.organization().id)
    world.expect(not [row for row in invited if row.email == world.carol.email], "no invitation should have gone out to Carol")
    world.notes["alice_token"] = token
    return world.look(f"{len(members)} of 2 seats; Carol: {refused.status}, a page that says why")


def machines_are_activated(world: World) -> Said:
    page = world.alice.visitor.open(f"{world.stack.public_url}/licenses")
    key = re.search(r'id="license-key">([^<]+)<', page.html)
    world.expect(key, f"the license page should show the key: {page.status} {page.text[:300]}")
    world.notes["key"] = key[1].strip() if key else ""
    verified = []
    for number in (1, 2):
        with Client(world.stack.public_url, license_key=world.notes["key"]) as client:
            client.activate(fingerprint=f"machine-{number}-of-kestrel", name=f"desk-{number}", platform="linux")
            file = client.license_file(fingerprint=f"machine-{number}-of-kestrel")
            facts = verify_license_file(
                file.certificate, public_key=file.public_key, now=world.now(), fingerprint=f"machine-{number}-of-kestrel"
            )
            verified.append(facts.expires_at)
    with Client(world.stack.public_url, license_key=world.notes["key"]) as client:
        try:
            client.activate(fingerprint="machine-3-of-kestrel", name="desk-3", platform="linux")
        except Refused as refusal:
            world.expect(refusal.code == "limit_reached", f"the third machine should meet the limit: {refusal}")
        else:
            raise StoryBroken("a third machine was activated")
    return world.look(f"2 license files verified offline, good until {verified[0]:%Y-%m-%d %H:%M}; third machine: limit_reached")
