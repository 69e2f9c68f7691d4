import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from glue import errors
from glue.app import health, problems
from glue.app.observing import Observe

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GlueError)]


class Body(BaseModel):
    count: int


@pytest.fixture
def client():
    app = FastAPI()
    problems.install(app)

    @app.get("/fail/{name}")
    def fail(name: str) -> None:
        kind = getattr(errors, name)
        if issubclass(kind, errors.UpstreamError):
            raise kind("lago said: secret-detail", upstream="lago", operation="find_customer", status=500, body="secret-detail")
        if kind is errors.BadInput:
            raise kind("The name is too long.", field="name", expected="at most 80 characters")
        raise kind("It did not work.", remedy="Do it differently.", limit=5)

    @app.post("/count")
    def count(body: Body) -> int:
        return body.count

    app.include_router(health.routes({"database": lambda: None, "lago": broken}, metrics_token=None))
    return TestClient(Observe(app), raise_server_exceptions=False)


def broken():
    raise errors.UpstreamUnavailable("no answer", upstream="lago", operation="ping")


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_a_problem(client, kind):
    answer = client.get(f"/fail/{kind.__name__}")
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (
        answer.status_code == body["status"] == problems.status_of(kind("x", field="f") if kind is errors.BadInput else kind.__new__(kind))
    )
    assert body["code"] == kind.code
    assert body["title"]
    assert body["detail"]


def test_an_upstream_failure_tells_a_customer_nothing_of_the_inside(client):
    answer = client.get("/fail/UpstreamRefused")
    assert answer.status_code == 502
    assert "secret-detail" not in answer.text
    assert "lago" not in answer.text


def test_fields_reach_machines_and_remedies_people(client):
    body = client.get("/fail/LimitReached").json()
    assert (body["limit"], body["remedy"]) == (5, "Do it differently.")


def test_unavailable_says_when_to_come_back(client):
    assert client.get("/fail/UpstreamUnavailable").headers["retry-after"] == "5"


def test_nobody_is_asked_to_say_who_he_is(client):
    assert client.get("/fail/Unauthenticated").headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("body", "status", "field"), [("{", 400, "body"), ('{"count": "many"}', 422, "count"), ("{}", 422, "count")])
def test_a_bad_body_names_its_field(client, body, status, field):
    answer = client.post("/count", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["field"]) == (status, field)


def test_a_wrong_path_is_a_problem_too(client):
    assert client.get("/nowhere").headers["content-type"] == "application/problem+json"


def test_request_ids_are_kept_when_they_are_harmless(client):
    assert client.get("/healthz", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert client.get("/healthz", headers={"x-request-id": "a b\tc"}).headers["x-request-id"] != "a b\tc"


def test_readiness_names_the_part_that_cannot(client):
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {"database": "ok", "lago": errors.UpstreamUnavailable.title}


def test_metrics_stay_inside(client):
    assert client.get("/metrics").status_code == 403
