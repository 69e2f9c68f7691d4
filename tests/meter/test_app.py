"""The routes as a customer's program sees them."""

import asyncio
import json
from dataclasses import replace

import httpx
import pytest
from structlog.testing import capture_logs

from glue.app import problems as rest
from glue.clock import SystemClock
from glue.errors import GlueError
from glue.meter.app import LARGEST_BODY, MeterApp
from glue.meter.callers import Callers
from glue.meter.problems import STATUS
from glue.meter.tokens import Tokens
from glue.rules.standing import Standing

from .cast import LICENSE_KEYS, TENANTS, snapshot_of
from .identity import AUDIENCE, ISSUER, Identity

ALICE = TENANTS["alice"]
KEY = {"Authorization": f"License {LICENSE_KEYS['alice']}"}


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture
def identity():
    return Identity()


@pytest.fixture
def app(meter, clock, identity):
    tokens = Tokens(identity, issuer=ISSUER, audience=AUDIENCE, clock=SystemClock())
    return MeterApp(meter, Callers(meter.snapshots, tokens, clock=clock))


@pytest.fixture
def ask(app):
    """One request: method, path, JSON body (or bytes), more headers."""

    def send(method, path, body=None, headers=None, *, authorized=True):
        async def once():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://glue") as client:
                content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
                answer = await client.request(method, path, content=content, headers=(KEY if authorized else {}) | (headers or {}))
                await app._callers._tokens.close()
                return answer

        return asyncio.run(once())

    return send


def test_check_advises_about_a_meter_and_a_feature(ask):
    answer = ask("POST", "/v1/check", {"meter": "credits", "units": 50})
    assert answer.status_code == 200
    assert answer.json() == {
        "allowed": True, "reason": "ok", "meter": "credits", "limit": 50, "used": 0, "held": 0, "remaining": 50,
        "resets_at": "2026-12-01T00:00:00Z",
    }  # fmt: skip
    assert ask("POST", "/v1/check", {"meter": "credits", "units": 51}).json()["reason"] == "limit_reached"
    assert ask("POST", "/v1/check", {"feature": "exports"}).json() == {"allowed": True, "reason": "ok", "feature": "exports"}
    assert ask("POST", "/v1/check", {"feature": "own_models"}).json()["reason"] == "not_included"
    assert ask("POST", "/v1/check", {"feature": 1}).status_code == 422


def test_an_access_token_works_as_well(ask, identity):
    headers = {"Authorization": f"Bearer {identity.token()}"}
    assert ask("POST", "/v1/check", {"meter": "credits"}, headers).json()["allowed"] is True


def test_consume_takes_or_says_what_is_missing(ask):
    assert ask("POST", "/v1/consume", {"meter": "credits", "units": 45}).json()["remaining"] == 5
    refused = ask("POST", "/v1/consume", {"meter": "credits", "units": 6})
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert (problem["code"], problem["limit"], problem["used"], problem["remaining"]) == ("limit_reached", 50, 45, 5)
    assert problem["detail"]
    assert problem["remedy"]
    assert problem["title"]


def test_a_hold_lives_through_its_routes(ask):
    taken = ask("POST", "/v1/holds", {"meter": "credits", "units": 20, "seconds": 30})
    assert taken.status_code == 201
    path = f"/v1/holds/{taken.json()['id']}"
    assert ask("GET", path).json()["state"] == "open"
    assert ask("POST", f"{path}/renew", {"seconds": 90}).json()["expires_at"] == "2026-11-24T12:01:30Z"
    assert ask("POST", f"{path}/renew").status_code == 200
    assert ask("POST", f"{path}/settle", {"units": 7}).json()["used"] == 7
    assert ask("POST", f"{path}/release").status_code == 409
    second = ask("POST", "/v1/holds", {"meter": "credits"}).json()["id"]
    assert ask("POST", f"/v1/holds/{second}/release").json()["state"] == "released"
    assert ask("POST", f"{path}/settle", {"close": True}).json()["field"] == "units"
    assert ask("POST", f"{path}/settle", {"units": 1, "close": "no"}).json()["field"] == "close"


@pytest.mark.parametrize(
    ("hold_id", "status"), [("credits-000000000000000000000000", 404), ("nonsense", 422), ("unknown-000000000000000000000000", 422)]
)
def test_an_unknown_hold_is_not_found(ask, hold_id, status):
    assert ask("POST", f"/v1/holds/{hold_id}/release").status_code == status
    assert ask("GET", f"/v1/holds/{hold_id}").status_code == 404


def test_another_tenants_hold_is_not_found(ask):
    hold_id = ask("POST", "/v1/holds", {"meter": "credits"}).json()["id"]
    bob = {"Authorization": f"License {LICENSE_KEYS['bob']}"}
    for action in ("renew", "release"):
        assert ask("POST", f"/v1/holds/{hold_id}/{action}", headers=bob).status_code == 404
    assert ask("POST", f"/v1/holds/{hold_id}/settle", {"units": 1}, bob).status_code == 404
    assert ask("GET", f"/v1/holds/{hold_id}", headers=bob).status_code == 404


def test_usage_comes_single_or_many(ask):
    assert ask("POST", "/v1/usage", {"meter": "tokens", "units": "0.25", "occurred_at": "2026-11-24T11:00:00Z"}).status_code == 202
    many = [{"meter": "credits", "units": 1, "key": f"k{n}", "dimensions": {"agent": "writer", "step": n}} for n in range(1000)]
    answer = ask("POST", "/v1/usage", many)
    assert answer.json() == {"accepted": 1000, "duplicates": 0, "over_limit": True, "meters_over_limit": ["credits"]}
    assert ask("POST", "/v1/usage", many[:3]).json()["duplicates"] == 3
    for wrong in ([], many * 2, [1], "text", 5):
        assert ask("POST", "/v1/usage", wrong).status_code == 422


def test_usage_comes_as_cloud_events(ask, meter):
    event = {
        "specversion": "1.0", "id": "1", "source": "/agents/writer", "type": "tokens", "time": "2026-11-24T11:59:00Z",
        "data": {"units": 12, "dimensions": {"agent": "writer"}},
    }  # fmt: skip
    structured = {"Content-Type": "application/cloudevents+json"}
    assert ask("POST", "/v1/usage", event, structured).json()["accepted"] == 1
    batch = [event, event | {"id": "2"}, event | {"id": "3", "data": None}]
    answer = ask("POST", "/v1/usage", batch, {"Content-Type": "application/cloudevents-batch+json"})
    assert answer.json() == {"accepted": 2, "duplicates": 1, "over_limit": False, "meters_over_limit": []}
    assert meter.usage_of(ALICE)["meters"]["tokens"]["used"] == 25
    for change in ({"id": ""}, {"source": None}, {"type": 1}, {"data": []}, {"time": "now"}):
        assert ask("POST", "/v1/usage", event | {"id": "9"} | change).status_code == 422


def test_a_batch_is_taken_whole_or_not_at_all(ask, meter):
    assert ask("POST", "/v1/usage", [{"meter": "credits", "units": 3}, {"meter": "credits", "units": -1}]).json()["field"] == "1.units"
    ask("POST", "/v1/usage", {"meter": "credits", "units": 1, "key": "a"})
    clash = ask("POST", "/v1/usage", [{"meter": "credits", "units": 3}, {"meter": "credits", "units": 2, "key": "a"}])
    assert clash.status_code == 409
    assert meter.usage_of(ALICE)["meters"]["credits"]["used"] == 1


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/consume", {"meter": "credits"}), ("/v1/usage", {"meter": "credits"}), ("/v1/holds", {"meter": "credits"})]
)
def test_an_idempotency_key_makes_every_route_repeatable(ask, meter, path, body):
    key = {"Idempotency-Key": "request-1"}
    first = ask("POST", path, body, key)
    ask("POST", path, body)
    again = ask("POST", path, body, key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert ask("POST", path, body | {"units": 2}, key).status_code == 409
    figures = meter.usage_of(ALICE)["meters"]["credits"]
    assert figures["used"] + figures["held"] == 2
    assert ask("POST", path, body, {"Idempotency-Key": "x" * 256}).status_code == 422


def test_usage_of_the_period_is_told(ask):
    ask("POST", "/v1/usage", {"meter": "seats", "units": 3})
    body = ask("GET", "/v1/usage").json()
    assert body["period"] == {"from": "2026-11-01T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z"}
    assert body["meters"]["credits"] == {
        "hard": True, "limit": 50, "used": 0, "held": 0, "remaining": 50, "resets_at": "2026-12-01T00:00:00Z",
    }  # fmt: skip
    assert body["meters"]["seats"]["used"] == 3


def test_entitlements_are_sent_once_per_version(ask, meter):
    first = ask("GET", "/v1/entitlements")
    assert first.json()["features"] == {"exports": True, "own_models": False}
    assert first.json()["meters"]["credits"] == {"limit": 50, "hard": True}
    same = ask("GET", "/v1/entitlements", headers={"If-None-Match": f"W/{first.headers['etag']}"})
    assert (same.status_code, same.content) == (304, b"")
    meter.publish(snapshot_of("alice", tier="team"))
    assert ask("GET", "/v1/entitlements", headers={"If-None-Match": first.headers["etag"]}).status_code == 200


def test_proxies_ask_before_they_let_through(ask, meter):
    allowed = ask("GET", "/v1/forward-auth?meter=credits&units=2")
    assert allowed.status_code == 204
    assert (allowed.headers["glue-tenant"], allowed.headers["glue-tier"], allowed.headers["glue-remaining"]) == (ALICE, "pro", "50")
    assert allowed.headers["glue-caller"] == "license:license-alice"
    assert ask("GET", "/v1/forward-auth").status_code == 204
    assert ask("GET", "/v1/forward-auth?feature=exports").status_code == 204
    assert ask("GET", "/v1/forward-auth?feature=own_models").status_code == 403
    assert ask("GET", "/v1/forward-auth?meter=credits&units=51").status_code == 403
    assert ask("GET", "/v1/forward-auth", authorized=False).status_code == 401
    meter.publish(snapshot_of("alice", standing=Standing.SUSPENDED))
    assert ask("GET", "/v1/forward-auth").json()["reason"] == "suspended"


def test_nobody_gets_a_challenge(ask):
    answer = ask("POST", "/v1/check", {"meter": "credits"}, authorized=False)
    assert answer.status_code == 401
    assert "Bearer" in answer.headers["www-authenticate"]
    assert answer.json()["code"] == "unauthenticated"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"meter":NaN}'])
def test_what_is_no_json_is_malformed(ask, body):
    answer = ask("POST", "/v1/check", body)
    assert (answer.status_code, answer.json()["field"]) == (400, "body")


@pytest.mark.parametrize("body", [[], "x", 1, None, {}, {"meter": "unknown"}, {"meter": None}, {"meter": "credits", "units": True}])
def test_what_is_no_question_names_its_field(ask, body):
    answer = ask("POST", "/v1/check", json.dumps(body).encode())
    assert answer.status_code == 422
    assert answer.json()["field"] in {"body", "meter", "units"}


def test_bodies_are_limited(ask):
    assert ask("POST", "/v1/check", b" " * (LARGEST_BODY + 1)).status_code == 413


def test_unknown_addresses_and_methods(ask):
    assert ask("GET", "/v1/holds/x/explode").status_code == 404
    wrong = ask("DELETE", "/v1/usage")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST, GET")
    assert not MeterApp.handles("/v1/machines")
    assert MeterApp.handles("/v1/holds/x/settle")


def test_request_ids_come_back(ask):
    assert ask("GET", "/v1/usage", headers={"X-Request-Id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = {ask("GET", "/v1/usage", headers={"X-Request-Id": given}).headers["x-request-id"] for given in ("", "with space", "x" * 65)}
    assert len(made) == 3
    assert not made & {"", "with space", "x" * 65}


def test_what_stands_still_in_the_database_is_503_and_says_when(ask, meter, store):
    store.engine.dispose()
    with store.engine.begin() as connection:
        connection.exec_driver_sql("alter table journal rename to gone")
    answer = ask("POST", "/v1/usage", {"meter": "credits"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert ask("POST", "/v1/check", {"meter": "credits"}).status_code == 200
    with store.engine.begin() as connection:
        connection.exec_driver_sql("alter table gone rename to journal")
    assert ask("POST", "/v1/usage", {"meter": "credits"}).status_code == 202


def test_reading_without_the_database_is_503(ask, store):
    with store.engine.begin() as connection:
        connection.exec_driver_sql("alter table counters rename to gone")
    assert ask("GET", "/v1/usage").status_code == 503


def test_a_bug_answers_500_without_its_words(ask, meter):
    meter.snapshots._known[ALICE] = replace(meter.snapshots.get(ALICE), features=None)
    with capture_logs() as logs:
        answer = ask("POST", "/v1/check", {"feature": "exports"})
    assert answer.status_code == 500
    assert [entry["event"] for entry in logs] == ["meter_failed"]
    assert "NoneType" not in answer.text


def test_statuses_are_those_of_the_rest_of_the_api():
    def kinds(kind):
        return [kind] + [below for child in kind.__subclasses__() for below in kinds(child)]

    by_code = {kind.code: kind for kind in kinds(GlueError) if kind.__module__ == "glue.errors"}
    assert {code: rest.STATUS[by_code[code]] for code in STATUS} == STATUS


def test_counters_count_by_route_and_status(ask):
    from prometheus_client import REGISTRY

    labels = {"route": "/v1/holds/{id}/release", "status": "404"}
    before = REGISTRY.get_sample_value("glue_meter_requests_total", labels) or 0
    ask("POST", "/v1/holds/credits-000000000000000000000000/release")
    assert REGISTRY.get_sample_value("glue_meter_requests_total", labels) == before + 1
