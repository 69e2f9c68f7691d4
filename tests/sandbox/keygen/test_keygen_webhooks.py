"""Webhooks: what is sent, how it is signed, when Keygen tries again and when it never does."""

import json
import socket
import time
import uuid
from typing import Any

import pytest
from keygen_driver import HOOKS, Hook, Keygen, Receiver, check_signature, codes


def endpoint(keygen: Keygen, url: str, *events: str, **attributes: str) -> str:
    return str(keygen.made("webhook-endpoints", {"url": url, "subscriptions": list(events) or ["*"], **attributes})["id"])


def event_of(keygen: Keygen, url: str) -> dict[str, Any]:
    """The newest event recorded for an endpoint's URL."""
    keygen.control("/clock")
    events = keygen.call("GET", "/webhook-events?limit=100").json()["data"]
    return next(event for event in events if event["attributes"]["endpoint"] == url)


def suspended(keygen: Keygen) -> str:
    license_row = keygen.license()
    assert keygen.call("POST", f"/licenses/{license_row['id']}/actions/suspend").status_code == 200
    keygen.control("/clock")
    return str(license_row["id"])


def path_for(status: str) -> str:
    return f"/{uuid.uuid4().hex}/{status}"


def test_event_arrives_signed_with_the_resource_of_that_moment(keygen: Keygen, receiver: Receiver) -> None:
    path = path_for("200") + "?q=1"
    path = path.replace("/200?q=1", "/x/200")
    endpoint(keygen, receiver.url(path), "license.suspended")
    license_id = suspended(keygen)
    [hook] = receiver.under(path)
    check_signature(keygen.public_key, method="post", target=path, host=HOOKS, headers=hook.headers, body=hook.body)
    assert hook.headers["host"] == f"{HOOKS}:{receiver.port}"
    assert (hook.payload["data"]["id"], hook.payload["data"]["attributes"]["status"]) == (license_id, "SUSPENDED")
    assert json.loads(hook.body)["data"]["attributes"]["status"] == "DELIVERING"
    stored = event_of(keygen, receiver.url(path))["attributes"]
    assert (stored["status"], stored["lastResponseCode"], stored["lastResponseBody"]) == ("DELIVERED", 200, "ok")


def test_product_endpoint_hears_only_of_its_product(keygen: Keygen, receiver: Receiver) -> None:
    path = path_for("200")
    product = keygen.made("products", {"name": "mine"})["id"]
    keygen.made("webhook-endpoints", {"url": receiver.url(path), "subscriptions": ["license.created"]}, product=product)
    policy = keygen.made("policies", {"name": "x"}, product=product)["id"]
    keygen.license()
    mine = keygen.license(policy)["id"]
    keygen.control("/clock")
    assert [hook.payload["data"]["id"] for hook in receiver.under(path)] == [mine]


def test_validation_carries_its_meta_and_attachments_their_links(keygen: Keygen, receiver: Receiver) -> None:
    path = path_for("200")
    endpoint(keygen, receiver.url(path), "license.validation.failed", "license.entitlements.attached")
    license_row = keygen.license()
    keygen.validate(license_row, fingerprint="none")
    entitlement = keygen.made("entitlements", {"name": "x", "code": f"E-{uuid.uuid4().hex}"})["id"]
    keygen.call("POST", f"/licenses/{license_row['id']}/entitlements", {"data": [{"type": "entitlements", "id": entitlement}]})
    keygen.control("/clock")
    by_event = {hook.event: hook.payload for hook in receiver.under(path)}
    assert by_event["license.validation.failed"]["meta"]["code"] == "NO_MACHINES"
    assert [link["type"] for link in by_event["license.entitlements.attached"]["data"]] == ["license-entitlements"]


def test_refused_connection_fails_at_once_and_for_ever(fresh_keygen: Keygen) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"https://{HOOKS}:{closed.getsockname()[1]}/x"
    endpoint(fresh_keygen, url, "license.suspended")
    suspended(fresh_keygen)
    assert event_of(fresh_keygen, url)["attributes"]["status"] == "FAILED"
    fresh_keygen.advance(days=3)
    assert len(fresh_keygen.call("GET", "/webhook-events").json()["data"]) == 1


def test_error_answer_is_tried_again_fifteen_times_over_days(fresh_keygen: Keygen, receiver: Receiver) -> None:
    path = path_for("500")
    endpoint(fresh_keygen, receiver.url(path), "license.suspended")
    suspended(fresh_keygen)
    assert event_of(fresh_keygen, receiver.url(path))["attributes"]["status"] == "FAILING"
    fresh_keygen.advance(minutes=9)
    assert len(receiver.under(path)) == 1
    fresh_keygen.advance(hours=2)
    first, second, *more = receiver.under(path)
    assert first.body == second.body
    assert first.headers["date"] != second.headers["date"]
    assert len(more) < 8
    fresh_keygen.advance(days=4)
    assert len(receiver.under(path)) == 16
    assert event_of(fresh_keygen, receiver.url(path))["attributes"]["status"] == "FAILED"


def test_gone_disables_the_endpoint(keygen: Keygen, receiver: Receiver) -> None:
    path = path_for("410")
    hook_id = endpoint(keygen, receiver.url(path), "license.suspended")
    suspended(keygen)
    assert event_of(keygen, receiver.url(path))["attributes"]["status"] == "FAILED"
    assert keygen.attributes(f"/webhook-endpoints/{hook_id}")["subscriptions"] == []


def followed(hooks: list[Hook]) -> list[tuple[str, bool]]:
    return [(hook.method, bool(hook.body)) for hook in hooks]


@pytest.mark.parametrize(("status", "expected"), [("302", ("GET", False)), ("307", ("POST", True))])
def test_redirect_is_followed_and_a_302_loses_the_body(keygen: Keygen, receiver: Receiver, status: str, expected: tuple[str, bool]) -> None:
    path = path_for(status)
    endpoint(keygen, receiver.url(path), "license.suspended")
    suspended(keygen)
    assert followed(receiver.under(path.rsplit("/", 1)[0])) == [("POST", True), expected]
    assert event_of(keygen, receiver.url(path))["attributes"]["status"] == "DELIVERED"


def test_untrusted_certificate_is_an_ssl_error_that_is_retried(receiver: Receiver) -> None:
    from keygen_driver import running

    with running("--resolve", f"{HOOKS}=127.0.0.1") as distrustful:
        endpoint(distrustful, receiver.url(path_for("200")), "license.suspended")
        suspended(distrustful)
        [event] = distrustful.call("GET", "/webhook-events").json()["data"]
        assert (event["attributes"]["status"], event["attributes"]["lastResponseBody"]) == ("FAILING", "SSL_ERROR")


def test_manual_retry_is_a_new_event_with_the_same_token(keygen: Keygen, receiver: Receiver) -> None:
    path = path_for("200")
    hook_id = endpoint(keygen, receiver.url(path), "license.suspended")
    suspended(keygen)
    first = event_of(keygen, receiver.url(path))
    again = keygen.call("POST", f"/webhook-events/{first['id']}/actions/retry")
    assert again.status_code == 201
    keygen.control("/clock")
    tokens = {json.loads(hook.body)["data"]["meta"]["idempotencyToken"] for hook in receiver.under(path)}
    assert (len(receiver.under(path)), len(tokens)) == (2, 1)
    assert again.json()["data"]["id"] != first["id"]
    keygen.call("DELETE", f"/webhook-endpoints/{hook_id}")
    assert keygen.call("POST", f"/webhook-events/{first['id']}/actions/retry").status_code == 422


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://hooks.x.test/", "URL_PROTOCOL_INVALID"),
        ("https://127.0.0.1/", "URL_HOST_INVALID"),
        ("https://receiver/", "URL_HOST_INVALID"),
    ],
)
def test_only_https_to_a_name_with_a_dot(keygen: Keygen, url: str, code: str) -> None:
    assert codes(keygen.create("webhook-endpoints", {"url": url})) == [code]


def test_lost_webhooks_are_recorded_but_never_sent(fresh_keygen: Keygen, receiver: Receiver) -> None:
    path = path_for("200")
    endpoint(fresh_keygen, receiver.url(path), "license.suspended")
    fresh_keygen.control("/faults", {"mode": "lose_webhooks"})
    suspended(fresh_keygen)
    assert receiver.under(path) == []
    assert event_of(fresh_keygen, receiver.url(path))["attributes"]["status"] == "DELIVERING"


def test_503_may_mean_done_without_an_event(fresh_keygen: Keygen, receiver: Receiver) -> None:
    endpoint(fresh_keygen, receiver.url(path_for("200")), "license.suspended")
    license_row = fresh_keygen.license()
    fresh_keygen.control("/faults", {"mode": "answer_503_but_do"})
    assert fresh_keygen.call("POST", f"/licenses/{license_row['id']}/actions/suspend").status_code == 503
    fresh_keygen.control("/faults", {"mode": "down"})
    assert fresh_keygen.call("GET", f"/licenses/{license_row['id']}").status_code == 503
    fresh_keygen.control("/faults", {"mode": None})
    assert fresh_keygen.attributes(f"/licenses/{license_row['id']}")["suspended"] is True
    assert fresh_keygen.call("GET", "/webhook-events").json()["data"] == []


def test_delivery_needs_no_control_port(keygen: Keygen, receiver: Receiver) -> None:
    path = path_for("200")
    endpoint(keygen, receiver.url(path), "license.created")
    keygen.license()
    deadline = time.monotonic() + 5
    while not receiver.under(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [hook.event for hook in receiver.under(path)] == ["license.created"]
