"""Whom a hint names, as real systems send it; and that nothing in it is believed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlmodel import select

from glue import dirty
from glue.clock import FixedClock
from glue.doors.deliveries import Delivery
from glue.doors.keycloak import KeycloakDoor
from glue.doors.keygen import KeygenDoor
from glue.doors.lago import LagoDoor
from glue.rules.facts import IdentityEvent
from glue.rules.standing import Standing
from tests.doors.cases import Keygen, LagoHmac, deliveries_of
from tests.fakes.world import SYSTEM

PAYLOADS = Path(__file__).parent / "payloads"


def _due(world):
    with world.database.read(SYSTEM) as session:
        rows = session.exec(select(dirty.Dirty).where(dirty.Dirty.due_at <= world.clock.now()))
        return sorted(row.tenant_id for row in rows)


def _lago(world, body):
    case = LagoHmac(world)
    raw = json.dumps(body).encode()
    return case.door.receive(case.sign(raw) | {"x-lago-unique-key": raw.decode()[:120]}, raw)


@pytest.mark.parametrize("number", range(3))
def test_recorded_lago_delivery_is_verified(world, number):
    recorded = json.loads((PAYLOADS / "lago.json").read_text())
    delivery = recorded["deliveries"][number]
    door = LagoDoor(deliveries_of(world), keys=[SecretStr(recorded["hmac_key"])], public_key=lambda: recorded["rsa_public_key_pem"])
    outcome = door.receive(delivery["headers"], delivery["body"].encode())
    assert outcome.new
    assert outcome.tenants == (), "nobody of ours: kept for a person to read"
    with world.database.read(SYSTEM) as session:
        assert session.exec(select(Delivery)).one().state == "parked"


@pytest.mark.parametrize("number", range(5))
def test_recorded_keygen_delivery_is_verified(world, number):
    recorded = json.loads((PAYLOADS / "keygen.json").read_text())
    delivery = recorded["deliveries"][number]
    clock = FixedClock(datetime.strptime(delivery["headers"]["date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC))
    door = KeygenDoor(
        deliveries_of(world),
        clock,
        url=f"https://hooks.glue.test:4900{delivery['path']}",
        account_id=recorded["account"],
        public_key=lambda: bytes.fromhex(recorded["ed25519_hex"]),
    )
    assert door.receive(delivery["headers"], delivery["body"].encode()).kind == delivery["event"]


def test_lying_body_changes_nothing(world):
    tenant = world.settled(tier="team")
    body = {
        "webhook_type": "subscription.terminated",
        "object_type": "subscription",
        "subscription": {"external_customer_id": tenant, "status": "terminated", "plan_code": "free_usd_monthly_1"},
    }
    _lago(world, body)
    world.drain()
    assert world.row(tenant).standing == Standing.ACTIVE
    assert world.row(tenant).tier == "team"


@pytest.mark.parametrize(
    "body",
    [
        {"webhook_type": "invoice.created", "object_type": "invoice", "invoice": {"customer": {"external_id": "T"}}},
        {"webhook_type": "customer.updated", "object_type": "customer", "customer": {"external_id": "T"}},
        {"webhook_type": "wallet.updated", "object_type": "wallet", "wallet": {"external_customer_id": "T"}},
        {
            "webhook_type": "invoice.payment_failure",
            "object_type": "payment_provider_invoice_payment_error",
            "payment_provider_invoice_payment_error": {"external_customer_id": "T", "provider_error": {}},
        },
        {"webhook_type": "wallet.created", "object_type": "wallet", "wallet": {"lago_customer_id": "C"}},
    ],
)
def test_every_shape_names_its_customer(world, body):
    tenant = world.settled()
    text = json.dumps(body).replace('"T"', f'"{tenant}"').replace('"C"', f'"{world.row(tenant).customer_id}"')
    assert _lago(world, json.loads(text)).tenants == (tenant,)


def test_changed_plan_marks_everybody_on_it_and_nobody_else(world):
    pro, team = world.settled("Alice", tier="pro"), world.settled("Bob", tier="team")
    body = {"webhook_type": "plan.updated", "object_type": "plan", "plan": {"code": "pro_usd_monthly_1"}}
    assert _lago(world, body).tenants == (pro,)
    body = {"webhook_type": "feature.updated", "object_type": "feature", "feature": {"code": "exports"}}
    assert set(_lago(world, body).tenants) == {pro, team}


def test_other_tenants_are_not_touched_by_a_hint(world):
    alice, _charlie = world.settled("Alice"), world.settled("Charlie")
    case = Keygen(world)
    body = case.body(alice)
    case.door.receive(case.sign(body), body)
    assert _due(world) == [alice]


def test_machine_events_name_the_license(world):
    tenant = world.settled()
    case = Keygen(world)
    license_id = world.row(tenant).license_id
    payload = {
        "data": {"id": "m1", "type": "machines", "relationships": {"license": {"data": {"type": "licenses", "id": license_id}}}},
    }
    event = {"data": {"attributes": {"event": "machine.created", "payload": json.dumps(payload)}, "meta": {"idempotencyToken": "m"}}}
    raw = json.dumps(event).encode()
    assert case.door.receive(case.sign(raw), raw).tenants == (tenant,)


def test_order_and_repetition_of_hints_do_not_matter(world):
    tenant = world.settled(tier="pro")
    world.lago.create_subscription(customer=tenant, external_id=f"sub-{tenant}", plan_code="team_usd_monthly_1")
    kinds = ["subscription.updated", "subscription.started", "subscription.terminated", "invoice.created", "subscription.terminated"]
    for number, kind in enumerate(kinds):
        body = {"webhook_type": kind, "object_type": "subscription", "subscription": {"external_customer_id": tenant, "n": number}}
        _lago(world, body)
        if number % 2:
            world.drain()
    world.drain()
    assert world.row(tenant).tier == "team"
    assert not world.license(tenant).suspended


def _event(world, number, kind, *, organization=None, user=None, seconds_ago=0):
    at = world.clock.wall() - timedelta(seconds=seconds_ago)
    world.keycloak.events.append(IdentityEvent(f"event-{number}", at, kind, organization, user))


def test_keycloak_event_marks_its_organization_once(world):
    tenant = world.settled(tier="team")
    door = KeycloakDoor(deliveries_of(world), world.keycloak, world.clock)
    _event(world, 1, "ORGANIZATION_MEMBERSHIP.CREATE", organization=world.organization(tenant).id)
    assert door.poll() == 1
    assert _due(world) == [tenant]
    world.drain()
    world.clock.advance(seconds=5)
    assert door.poll() == 0
    assert _due(world) == []


def test_keycloak_event_that_was_committed_late_is_not_missed(world):
    tenant = world.settled(tier="team")
    door = KeycloakDoor(deliveries_of(world), world.keycloak, world.clock)
    world.clock.advance(minutes=10)
    door.poll()
    _event(world, 2, "INVITE_ORG", organization=world.organization(tenant).id, user="bob", seconds_ago=90)
    door.poll()
    assert tenant in _due(world)


def test_disabled_user_marks_all_their_organizations(world):
    tenant = world.settled(tier="team")
    door = KeycloakDoor(deliveries_of(world), world.keycloak, world.clock)
    _event(world, 3, "USER.UPDATE", user="alice")
    door.poll()
    assert _due(world) == [tenant]


def test_logins_are_no_hints(world):
    world.settled(tier="team")
    door = KeycloakDoor(deliveries_of(world), world.keycloak, world.clock)
    _event(world, 4, "LOGIN", user="alice")
    door.poll()
    assert _due(world) == []


def test_restarted_poll_finds_what_happened_meanwhile(world):
    tenant = world.settled(tier="team")
    KeycloakDoor(deliveries_of(world), world.keycloak, world.clock).poll()
    _event(world, 5, "ORGANIZATION_MEMBERSHIP.DELETE", organization=world.organization(tenant).id)
    world.clock.advance(minutes=1)
    KeycloakDoor(deliveries_of(world), world.keycloak, world.clock).poll()
    assert _due(world) == [tenant]


def test_downtime_longer_than_the_overlap_loses_no_event(world):
    tenant = world.settled(tier="team")
    door = KeycloakDoor(deliveries_of(world), world.keycloak, world.clock)
    _event(world, 6, "ORGANIZATION.UPDATE", organization=world.organization(tenant).id)
    door.poll()
    world.drain()
    world.clock.advance(minutes=5)
    _event(world, 7, "ORGANIZATION_MEMBERSHIP.DELETE", organization=world.organization(tenant).id)
    world.clock.advance(hours=5)
    KeycloakDoor(deliveries_of(world), world.keycloak, world.clock).poll()
    assert _due(world) == [tenant]


def test_more_events_than_a_page_are_all_taken(world):
    tenant = world.settled(tier="team")
    door = KeycloakDoor(deliveries_of(world), world.keycloak, world.clock)
    for number in range(1500):
        _event(world, 100 + number, "LOGIN", user="alice", seconds_ago=60 - number / 100)
    _event(world, 9999, "INVITE_ORG", organization=world.organization(tenant).id, user="bob", seconds_ago=1)
    assert door.poll() == 1501
    assert _due(world) == [tenant]


def test_attached_entitlements_name_their_license(world):
    tenant = world.settled()
    case = Keygen(world)
    related = {"license": {"data": {"type": "licenses", "id": world.row(tenant).license_id}}}
    payload = {"data": [{"id": "x", "type": "license-entitlements", "relationships": related}]}
    event = {
        "data": {
            "attributes": {"event": "license.entitlements.attached", "payload": json.dumps(payload)},
            "meta": {"idempotencyToken": "e"},
        }
    }
    raw = json.dumps(event).encode()
    assert case.door.receive(case.sign(raw), raw).tenants == (tenant,)


def test_old_deliveries_are_forgotten(world):
    tenant = world.settled()
    _lago(world, {"webhook_type": "customer.updated", "object_type": "customer", "customer": {"external_id": tenant}})
    world.clock.advance(days=31)
    deliveries_of(world).forget_old()
    with world.database.read(SYSTEM) as session:
        assert session.exec(select(Delivery)).all() == []
