"""Who may come in: the same questions to every door."""

from datetime import timedelta

import pytest
from sqlmodel import select

from glue import dirty
from glue.doors.deliveries import LARGEST_BODY, Delivery
from glue.errors import DeliveryRefused, EventNotUnderstood
from tests.doors.cases import Keygen, LagoHmac, LagoJwt, deliveries_of
from tests.fakes.world import SYSTEM

DOORS = {"lago hmac": LagoHmac, "lago jwt": LagoJwt, "keygen": Keygen}


@pytest.fixture(params=DOORS)
def case(request, world):
    return DOORS[request.param](world)


@pytest.fixture
def tenant(world):
    return world.settled(tier="team")


def _kept(world):
    with world.database.read(SYSTEM) as session:
        return list(session.exec(select(Delivery)))


def _is_due(world):
    return dirty.count_due(world.database, now=world.clock.now()) == 1


def test_good_delivery_is_kept_and_marks_its_tenant(world, case, tenant):
    body = case.body(tenant)
    outcome = case.door.receive(case.sign(body), body)
    assert (outcome.new, outcome.tenants) == (True, (tenant,))
    assert _is_due(world)
    (kept,) = _kept(world)
    assert (kept.state, kept.tenants) == ("understood", tenant)


def test_missing_signature_is_refused_and_nothing_kept(world, case, tenant):
    body = case.body(tenant)
    headers = case.sign(body)
    del headers[case.signature_header]
    with pytest.raises(DeliveryRefused):
        case.door.receive(headers, body)
    with pytest.raises(DeliveryRefused):
        case.door.receive({}, body)
    assert _kept(world) == []
    assert not _is_due(world)


def test_wrong_key_is_refused(world, case, tenant):
    body = case.body(tenant)
    with pytest.raises(DeliveryRefused):
        case.door.receive(case.sign_wrongly(body), body)
    assert _kept(world) == []


@pytest.mark.parametrize("junk", ["", "e30=", "ü" * 50, "eyJhbGciOiJub25lIn0.e30.", 'keyid="x", signature="???"'])
def test_junk_signature_is_refused(world, case, tenant, junk):
    body = case.body(tenant)
    headers = case.sign(body) | {case.signature_header: junk}
    with pytest.raises(DeliveryRefused):
        case.door.receive(headers, body)
    assert _kept(world) == []


def test_changed_body_is_refused(world, case, tenant):
    body = case.body(tenant)
    headers = case.sign(body)
    for changed in (body + b" ", body.replace(b"s", b"z", 1), b""):
        with pytest.raises(DeliveryRefused):
            case.door.receive(headers, changed)
    assert _kept(world) == []


def test_repeat_is_answered_and_marks_nobody(world, case, tenant):
    body = case.body(tenant)
    headers = case.sign(body)
    case.door.receive(headers, body)
    world.drain()
    outcome = case.door.receive(headers, body)
    assert (outcome.new, outcome.tenants) == (False, ())
    assert not _is_due(world)
    assert len(_kept(world)) == 1


def test_rotated_key_is_good(world, case, tenant):
    body = case.body(tenant)
    headers = case.sign_with_rotated(body)
    case.door._asked_at = float("-inf")  # the key was asked for a minute ago
    assert case.door.receive(headers, body).kind


def test_too_large_a_body_is_refused_before_it_is_read(case, tenant):
    with pytest.raises(DeliveryRefused, match="large"):
        case.door.receive(case.sign(b"x"), b"x" * (LARGEST_BODY + 1))


def test_signed_nonsense_is_not_understood_and_not_a_crash(world, case):
    for body in (b"[]", b"null", b"{}", b'{"data": 3}', b'"text"', b'{"webhook_type": 5}', b"{"):
        with pytest.raises(EventNotUnderstood):
            case.door.receive(case.sign(body), body)
    assert _kept(world) == []


def test_flood_of_junk_costs_nothing_but_a_counter(world, case, tenant):
    body = case.body(tenant)
    headers = case.sign_wrongly(body)
    before = world.lago.faults.calls.total() + world.keygen.faults.calls.total()
    asked = getattr(case, "asked", 0)
    for _ in range(50):
        with pytest.raises(DeliveryRefused):
            case.door.receive(headers, body)
    assert _kept(world) == []
    assert world.lago.faults.calls.total() + world.keygen.faults.calls.total() == before
    assert getattr(case, "asked", 0) - asked <= 2, "an attacker must not make us ask Lago for its key again and again"


def test_secrets_are_not_kept(world, case, tenant):
    body = case.body(tenant)
    case.door.receive(case.sign(body), body)
    assert "SECRET" not in _kept(world)[0].body


def test_delivery_can_be_played_again(world, case, tenant):
    body = case.body(tenant)
    case.door.receive(case.sign(body), body)
    world.drain()
    assert deliveries_of(world).replay(_kept(world)[0].id) == (tenant,)
    assert _is_due(world)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_stale_or_future_date_is_refused(world, tenant, minutes):
    case = Keygen(world)
    body = case.body(tenant)
    with pytest.raises(DeliveryRefused, match="old"):
        case.door.receive(case.sign(body, at=world.clock.now() + timedelta(minutes=minutes)), body)


def test_date_within_five_minutes_is_good(world, tenant):
    case = Keygen(world)
    for minutes in (-4, 4):
        body = case.body(tenant)
        assert case.door.receive(case.sign(body, at=world.clock.now() + timedelta(minutes=minutes)), body).new


@pytest.mark.parametrize("other", [{"target": "/elsewhere"}, {"host": "evil.test"}])
def test_signature_for_another_address_is_refused(world, tenant, other):
    case = Keygen(world)
    body = case.body(tenant)
    with pytest.raises(DeliveryRefused):
        case.door.receive(case.sign(body, **other), body)


def test_signature_of_another_account_is_refused(world, tenant):
    case = Keygen(world)
    body = case.body(tenant)
    headers = case.sign(body)
    headers["keygen-signature"] = headers["keygen-signature"].replace("7c9e", "8d0f")
    with pytest.raises(DeliveryRefused, match="another account"):
        case.door.receive(headers, body)
