"""Every way a third party can fail, for each of the three: one class each, nothing repeated, no secret told."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from scripted_server import Answer, Request, ScriptedServer, scripted

from glue.errors import UpstreamConflict, UpstreamError, UpstreamNotFound, UpstreamRefused, UpstreamUnavailable
from glue.settings import KeycloakSettings, KeygenSettings, LagoSettings
from glue.upstream.keycloak import Keycloak
from glue.upstream.keygen import Keygen
from glue.upstream.lago import Lago

SECRET = "s3cr3t-of-this-test"
TOKEN = {"access_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJnbHVlIn0.x", "expires_in": 300}


@dataclass
class Case:
    """One third party: its adapter, a read, a find, a write, and what its own refusal of a duplicate looks like."""

    make: Callable[[str, float], Any]
    read: Callable[[Any], Any]
    find: Callable[[Any], Any]
    write: Callable[[Any], Any]
    duplicate: Answer
    token_path: str = "no token is asked for"


def _lago(url: str, timeout: float) -> Lago:
    return Lago(LagoSettings.model_validate({"url": url, "api_key": SECRET, "webhook_hmac_keys": [], "timeout_seconds": timeout}))


def _keygen(url: str, timeout: float) -> Keygen:
    values = {"url": url, "host": "licensing.test.example", "account_id": "acc", "admin_token": SECRET, "timeout_seconds": timeout}
    return Keygen(KeygenSettings.model_validate(values))


def _keycloak(url: str, timeout: float) -> Keycloak:
    names = ("service_client_secret", "portal_client_secret", "api_client_secret", "apply_client_secret")
    return Keycloak(KeycloakSettings.model_validate({"url": url, "timeout_seconds": timeout, **dict.fromkeys(names, SECRET)}))


CASES = {
    "lago": Case(
        make=_lago,
        read=lambda lago: lago.list_customers(),
        find=lambda lago: lago.find_customer("t1"),
        write=lambda lago: lago.upsert_customer("t1", name="Acme"),
        duplicate=Answer(422, {"status": 422, "code": "validation_errors", "error_details": {"external_id": ["value_already_exist"]}}),
    ),
    "keygen": Case(
        make=_keygen,
        read=lambda keygen: keygen.list_licenses(),
        find=lambda keygen: keygen.find_license("l1"),
        write=lambda keygen: keygen.update_license("l1", suspended=True),
        duplicate=Answer(422, {"errors": [{"title": "no", "detail": "taken", "code": "CODE_TAKEN"}], "meta": {"id": "r1"}}),
    ),
    "keycloak": Case(
        make=_keycloak,
        read=lambda keycloak: keycloak.list_organizations(),
        find=lambda keycloak: keycloak.find_organization_by_id("o1"),
        write=lambda keycloak: keycloak.set_user_enabled("u1", enabled=False),
        duplicate=Answer(409, {"errorMessage": "taken"}),
        token_path="/openid-connect/token",
    ),
}


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@dataclass
class Stage:
    """An adapter before a scripted server: ``answers`` is what everything but token requests gets."""

    server: ScriptedServer
    adapter: Any
    case: Case
    answers: Answer

    def calls(self) -> int:
        return len(self.server.requests) - self.server.count(self.case.token_path)


@pytest.fixture
def stage(case: Case) -> Iterator[Stage]:
    def script(request: Request) -> Answer:
        return Answer(200, TOKEN) if case.token_path in request.path else stage.answers

    with scripted(script) as server:
        stage = Stage(server, case.make(server.url, 0.5), case, Answer())
        yield stage
        stage.adapter.close()


def failure_of(action: Callable[[Any], Any], adapter: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        action(adapter)
    return caught.value


def test_closed_port_is_unavailable(case: Case) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    adapter = case.make(f"http://127.0.0.1:{port}", 0.5)
    error = failure_of(case.read, adapter)
    assert isinstance(error, UpstreamUnavailable)
    assert error.status is None
    adapter.close()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_trouble_of_theirs_is_unavailable(stage: Stage, status: int) -> None:
    stage.answers = Answer(status, {"error": "trouble"})
    error = failure_of(stage.case.write, stage.adapter)
    assert isinstance(error, UpstreamUnavailable)
    assert error.status == status


@pytest.mark.parametrize("status", [400, 401, 403, 405, 422])
def test_other_refusals_are_not_worth_a_repeat(stage: Stage, status: int) -> None:
    stage.answers = Answer(status, {"error": "no"})
    error = failure_of(stage.case.write, stage.adapter)
    assert type(error) is UpstreamRefused
    assert error.status == status
    assert "no" in error.body


def test_duplicate_is_a_conflict(stage: Stage) -> None:
    stage.answers = stage.case.duplicate
    assert isinstance(failure_of(stage.case.write, stage.adapter), UpstreamConflict)


def test_unknown_is_not_found_and_found_to_be_absent(stage: Stage) -> None:
    stage.answers = Answer(404, {"error": "none such"})
    assert isinstance(failure_of(stage.case.write, stage.adapter), UpstreamNotFound)
    assert stage.case.find(stage.adapter) is None


@pytest.mark.parametrize(
    "body", ["<html>hello</html>", '{"data": [', "", "[]", '{"data": 5, "customers": {}, "links": 1}', '[{"id": 7}]', '"x"']
)
def test_unreadable_answer_concludes_nothing(stage: Stage, body: str) -> None:
    stage.answers = Answer(200, body)
    if body == "[]" and isinstance(stage.adapter, Keycloak):
        assert stage.case.read(stage.adapter) == [], "an empty list is a proper answer of Keycloak's"
        return
    assert isinstance(failure_of(stage.case.read, stage.adapter), UpstreamUnavailable)


def test_silence_ends_at_the_time_out(stage: Stage) -> None:
    stage.answers = Answer(200, {}, after_seconds=1.5)
    error = failure_of(stage.case.read, stage.adapter)
    assert isinstance(error, UpstreamUnavailable)
    assert error.status is None


@pytest.mark.parametrize("answer", [Answer(cut=True), Answer(503, {}), Answer(429, {}), Answer(500, {})], ids=["cut", "503", "429", "500"])
def test_nothing_is_sent_twice(stage: Stage, answer: Answer) -> None:
    stage.answers = answer
    failure_of(stage.case.write, stage.adapter)
    assert stage.calls() == 1


def test_retry_after_is_passed_on(stage: Stage) -> None:
    stage.answers = Answer(429, {}, headers={"Retry-After": "17"})
    error = failure_of(stage.case.read, stage.adapter)
    assert isinstance(error, UpstreamUnavailable)
    usual = 5  # python-keycloak keeps no headers of a refusal
    assert error.retry_after_seconds == (usual if isinstance(stage.adapter, Keycloak) else 17)


def test_after_five_failures_it_is_left_alone(stage: Stage) -> None:
    stage.answers = Answer(503, {})
    for _ in range(8):
        failure_of(stage.case.read, stage.adapter)
    assert stage.calls() == 5
    assert isinstance(failure_of(stage.case.read, stage.adapter), UpstreamUnavailable)


def test_a_poisonous_record_does_not_shut_the_door_for_others(stage: Stage) -> None:
    stage.answers = Answer(500, {})
    for _ in range(8):
        failure_of(stage.case.read, stage.adapter)
    assert stage.calls() == 8


def test_no_secret_reaches_a_log_or_an_error(stage: Stage) -> None:
    leak = {
        "error": f"your key {SECRET} is wrong, {SECRET}",
        "key": "AAAA-1111-BBBB",
        "token": "admin-0123456789abcdef0123456789abcdef",
        "email": "ada@example.test",
        "header": "Bearer abcdefghijkl",
    }
    stage.answers = Answer(400, leak)
    with structlog.testing.capture_logs() as lines:
        error = failure_of(stage.case.write, stage.adapter)
    told = json.dumps(lines, default=str) + str(error) + error.body + repr(error.fields)
    for secret in (SECRET, "AAAA-1111", "0123456789abcdef", "ada@example.test", "abcdefghijkl"):
        assert secret not in told
    assert [line["event"] for line in lines] == ["upstream_called"]
    assert {"upstream", "operation", "status", "ms", "request_id"} <= lines[0].keys()


def test_one_token_serves_many_threads() -> None:
    case = CASES["keycloak"]

    def script(request: Request) -> Answer:
        return Answer(200, TOKEN, after_seconds=0.1) if case.token_path in request.path else Answer(200, [])

    with scripted(script) as server:
        keycloak = case.make(server.url, 5)
        threads = [threading.Thread(target=case.read, args=(keycloak,)) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.count(case.token_path) == 1
        assert server.count("/organizations") == 12
        keycloak.close()


def test_an_expired_token_is_renewed_once_and_the_call_goes_out_again() -> None:
    state = {"refused": 0}

    def script(request: Request) -> Answer:
        if "/openid-connect/token" in request.path:
            return Answer(200, TOKEN)
        state["refused"] += 1
        return Answer(401, {"error": "HTTP 401 Unauthorized"}) if state["refused"] == 1 else Answer(200, [])

    with scripted(script) as server:
        keycloak = CASES["keycloak"].make(server.url, 5)
        assert keycloak.list_organizations() == []
        assert server.count("/openid-connect/token") == 2
        keycloak.close()


def test_keygen_makes_a_new_token_after_its_own_was_revoked() -> None:
    tokens = iter(["admin-one", "admin-two"])

    def script(request: Request) -> Answer:
        if request.path == "/v1/tokens":
            return Answer(201, {"data": {"attributes": {"token": next(tokens)}}})
        if request.headers["authorization"] == "Bearer admin-one":
            return Answer(401, {"errors": [{"code": "TOKEN_INVALID"}], "meta": {"id": "r"}})
        return Answer(200, {"data": [], "links": {"next": None, "meta": {"count": 0}}})

    with scripted(script) as server:
        values = {"url": server.url, "host": "h.test.example", "account_id": "a", "admin_email": "a@b.test", "admin_password": SECRET}
        keygen = Keygen(KeygenSettings.model_validate(values))
        assert isinstance(failure_of(lambda one: one.list_licenses(), keygen), UpstreamRefused)
        assert keygen.list_licenses().items == ()
        assert server.count("/v1/tokens") == 2
        keygen.close()
