"""The client against the real routes: what it asks, what it repeats, what it never loses."""

import json
from decimal import Decimal

import pytest

from glue.client import Client, Refused, Unreachable
from glue.client.spool import Kept, Spool
from tests.meter.cast import TENANTS

ALICE = TENANTS["alice"]


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def client(service, key, spool):
    with Client("http://glue.test", license_key=key, spool=spool, transport=service) as client:
        yield client


def used(meter, code="credits"):
    return meter.usage_of(ALICE)["meters"][code]["used"]


def test_it_asks_and_consumes(client, meter):
    assert client.check("credits", 50)["allowed"] is True
    assert client.check(feature="own_models")["allowed"] is False
    assert client.consume("credits", Decimal("1.5"), agent="writer")["remaining"] == 48.5
    with pytest.raises(Refused) as caught:
        client.consume("credits", 49)
    assert (caught.value.code, caught.value.status, caught.value.fields["remaining"]) == ("limit_reached", 403, 48.5)
    assert client.entitlements()["tier"] == "pro"
    assert client.usage_so_far()["meters"]["credits"]["used"] == 1.5


def test_a_lost_answer_is_asked_for_again_and_counted_once(client, service, meter):
    service.down = ["lost", 503]
    client.consume("credits", 5)
    assert used(meter) == 5
    assert len({key for _, _, key in service.seen}) == 1
    client.consume("credits", 5, key="job-7")
    client.consume("credits", 5, key="job-7")
    assert used(meter) == 10


def test_it_gives_up_after_three_tries(client, service):
    service.down = ["cut", 503, "cut"]
    with pytest.raises(Unreachable):
        client.check("credits")
    assert len(service.seen) == 3


def test_a_hold_is_settled_or_given_back(client, meter):
    with client.hold("credits", 20, seconds=30) as hold:
        assert client.check("credits")["held"] == 20
        hold.settle(4, close=False)
        hold.renew(seconds=60)
        hold.settle(3)
    assert used(meter) == 7
    with pytest.raises(ZeroDivisionError), client.hold("credits", 20):
        raise ZeroDivisionError
    assert client.check("credits")["remaining"] == 43


def test_a_settlement_without_an_answer_is_kept_and_told_later(client, service, meter):
    with client.hold("credits", 20) as hold:
        service.down = ["lost", "cut", 503]
        assert hold.settle(6)["state"] == "kept"
    assert not hold.open
    assert client.tell_kept() == 0
    assert used(meter) == 6


def test_a_hold_that_cannot_be_given_back_does_not_hide_what_went_wrong(client, service):
    def work():
        service.down = ["cut"] * 3
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), client.hold("credits", 20):
        work()


# --- usage ------------------------------------------------------------------------------------------------------------


def test_usage_is_told_at_once(client, meter, spool):
    client.usage("credits", 3, agent="writer")
    assert used(meter) == 3
    assert Spool(spool).waiting() == []


@pytest.mark.parametrize("trouble", ["cut", "lost", 503])
def test_usage_survives_an_outage_and_is_counted_once(client, service, meter, spool, trouble):
    service.down = [trouble]
    client.usage("credits", 3)
    client._silent_until = 0
    assert len(Spool(spool).waiting()) == 1
    client.usage("credits", 4)
    assert used(meter) == 7
    assert client.tell_kept() == 0


def test_usage_survives_the_end_of_the_program(client, service, key, meter, spool):
    service.down = ["cut"]
    client.usage("credits", 3)
    with Client("http://glue.test", license_key=key, spool=spool, transport=service) as later:
        assert later.tell_kept() == 0
    assert used(meter) == 3


def test_during_an_outage_the_program_does_not_wait_at_every_fact(client, service, meter, spool):
    service.down = ["cut"] * 100
    for _ in range(50):
        client.usage("credits", 1)
    assert len(service.seen) == 1
    service.down = []
    assert client.tell_kept() == 0
    assert len(service.seen) == 2  # fifty facts in one request
    assert used(meter) == 50


def test_the_same_key_counts_once(client, meter):
    client.usage("credits", 3, key="event-1")
    client.usage("credits", 3, key="event-1")
    assert used(meter) == 3


def test_what_can_never_be_taken_is_said_and_stops_nothing(client, service, meter, spool):
    service.down = ["cut"]
    client.usage("unknown", 1)
    client._silent_until = 0
    client.usage("credits", 2)
    assert used(meter) == 2
    (refused,) = Spool(spool).refused()
    assert json.loads(refused.read_text())["body"][0]["meter"] == "unknown"
    assert "no such meter" in refused.with_suffix(".reason").read_text()
    with pytest.raises(Refused, match="no such meter"):
        client.usage("unknown", 1)
    client.usage("credits", 2)
    assert used(meter) == 4


def test_usage_waits_while_we_are_not_let_in(service, key, meter, spool):
    with Client("http://glue.test", license_key="WRONG", spool=spool, transport=service) as stranger, pytest.raises(Refused) as caught:
        stranger.usage("credits", 3)
    assert caught.value.status == 401
    with Client("http://glue.test", license_key=key, spool=spool, transport=service) as known:
        assert known.tell_kept() == 0
    assert used(meter) == 3


def test_kept_requests_go_in_their_order_and_in_bounded_portions(tmp_path):
    spool = Spool(tmp_path)
    for number in range(6):
        spool.keep(Kept("/v1/usage", [{"n": number}] * 200, f"k{number}"))
    spool.keep(Kept("/v1/holds/h/settle", {"units": 1}, "s"))
    spool.keep(Kept("/v1/usage", [{"n": 7}], "k7"))
    sent = []
    assert spool.tell(sent.append) == {}
    assert [len(request.body) for request in sent] == [400, 400, 400, 1, 1]
    assert [request.path for request in sent][3] == "/v1/holds/h/settle"
    assert spool.waiting() == []


def test_the_spool_is_nobody_elses(tmp_path):
    spool = Spool(tmp_path / "usage")
    spool.keep(Kept("/v1/usage", [], "k"))
    assert (tmp_path / "usage").stat().st_mode & 0o077 == 0


def test_the_spool_lives_in_the_state_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Spool().folder == tmp_path / "coditect" / "usage"


# --- who asks -----------------------------------------------------------------------------------------------------------


def program(service, secret="right", **more):
    return Client(
        "http://glue.test", token_url="http://glue.test/token", client_id="robot", client_secret=secret, transport=service, **more
    )


def test_a_program_gets_its_own_token_and_a_new_one_when_it_ends_early(service):
    with program(service, tenant=ALICE) as robot:
        assert robot.check("credits")["allowed"] is True
        robot.check("credits")
        assert [path for _, path, _ in service.seen].count("/token") == 1
        service.app._callers._tokens._known.clear()
        service.identity.revoked.add(robot._token)
        assert robot.check("credits")["allowed"] is True
        assert [path for _, path, _ in service.seen].count("/token") == 2


def test_a_program_nobody_knows_is_refused(service):
    with program(service, secret="wrong") as robot, pytest.raises(Refused) as caught:
        robot.check("credits")
    assert caught.value.code == "unauthenticated"


def test_a_login_server_that_is_away_is_no_refusal(service):
    service.down = ["cut"] * 3
    with program(service) as robot, pytest.raises(Unreachable):
        robot.check("credits")


def test_a_given_token_is_used(service):
    with Client("http://glue.test", token=service.identity.token(), transport=service) as person:
        assert person.check("credits")["allowed"] is True


# --- machines -----------------------------------------------------------------------------------------------------------


def test_machines_take_and_free_places(client):
    first = client.activate(name="laptop")
    assert client.activate()["id"] == first["id"]
    client.activate(fingerprint="another-machine")
    with pytest.raises(Refused) as caught:
        client.activate(fingerprint="one-too-many")
    assert caught.value.code == "limit_reached"
    assert client.machines()["limit"] == 2
    client.deactivate()
    assert client.activate(fingerprint="one-too-many")["fingerprint"] == "one-too-many"
