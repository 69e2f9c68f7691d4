"""The process: webhooks and their retries, the clock, faults, the payment provider, what survives a restart."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from glue.sandbox.clock import VirtualClock, parse_instant


def endpoint(lago, url, **more):
    return lago.post("/webhook_endpoints", webhook_endpoint={"webhook_url": url, "signature_algo": "hmac", **more})["webhook_endpoint"]


def types(hits):
    return sorted(json.loads(body)["webhook_type"] for _, body in hits)


def test_webhooks_are_signed_over_their_raw_body(lago, receiver):
    endpoint(lago, receiver.url("signed"))
    lago.post("/customers", customer={"external_id": "c", "name": "Zoë <b>"})
    (hit,) = receiver.wait("signed", 1)
    headers, body = hit
    digest = hmac.new(lago.facts["hmac_key"].encode(), body, hashlib.sha256).digest()
    assert headers["x-lago-signature"] == base64.b64encode(digest).decode()
    assert "Zoë \\u003cb\\u003e" in body.decode()


def test_jwt_signatures_hold_the_whole_body(lago, receiver):
    endpoint(lago, receiver.url("jwt"), signature_algo=None)
    lago.post("/customers", customer={"external_id": "c"})
    (hit,) = receiver.wait("jwt", 1)
    head, claims, signature = hit[0]["x-lago-signature"].split(".")
    pem = base64.b64decode(lago.get("/webhooks/json_public_key")["webhook"]["public_key"])
    unpadded = base64.urlsafe_b64decode(signature + "==")
    serialization.load_pem_public_key(pem).verify(unpadded, f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["data"] == hit[1].decode()


def test_an_upgrade_sends_five_webhooks(lago, receiver):
    lago.plan("low", 3100, advance=True)
    lago.plan("high", 6200, advance=True)
    lago.subscribe("c", "low")
    endpoint(lago, receiver.url("upgrade"))
    lago.subscribe("c", "high")
    hits = receiver.wait("upgrade", 5)
    names = ["credit_note.created", "invoice.created", "subscription.started", "subscription.terminated", "subscription.updated"]
    assert types(hits) == names


def test_an_endpoint_gets_the_types_it_asked_for(lago, receiver):
    endpoint(lago, receiver.url("filtered"), event_types=["plan.created"])
    endpoint(lago, receiver.url("nothing"), event_types=[])
    lago.post("/customers", customer={"external_id": "c"})
    lago.plan("p", 1)
    assert types(receiver.wait("filtered", 1)) == ["plan.created"]
    lago.settle()
    assert receiver.of("nothing") == []


def test_a_delivery_is_tried_three_times_with_one_key_and_then_lost(lago, receiver):
    endpoint(lago, receiver.url("refused", "500"))
    lago.post("/customers", customer={"external_id": "c"})
    receiver.wait("refused", 1)
    lago.control.post("/clock", json={"advance_seconds": 8}).raise_for_status()
    assert len(receiver.of("refused")) == 2
    lago.control.post("/clock", json={"advance_seconds": 600}).raise_for_status()
    hits = receiver.of("refused")
    assert len(hits) == 3
    assert len({(headers["x-lago-unique-key"], body) for headers, body in hits}) == 1
    (listed,) = lago.control.get("/lago/webhooks").json()["webhooks"]
    assert (listed["status"], listed["http_status"], listed["retries"]) == ("failed", 500, 2)
    lago.control.post("/lago/webhooks/retry", json={"id": listed["id"]}).raise_for_status()
    assert len(receiver.wait("refused", 4)) == 4


def test_a_second_answer_can_deliver(lago, receiver):
    endpoint(lago, receiver.url("late", "404,204"))
    lago.post("/customers", customer={"external_id": "c"})
    receiver.wait("late", 1)
    lago.control.post("/clock", json={"advance_seconds": 60}).raise_for_status()
    assert len(receiver.of("late")) == 2
    assert lago.control.get("/lago/webhooks").json()["webhooks"][0]["status"] == "succeeded"


def test_a_moving_clock_delivers_what_happened_on_the_way(lago, receiver):
    lago.plan("adv", 3100, advance=True)
    lago.subscribe("c", "adv")
    endpoint(lago, receiver.url("moving"))
    lago.go("2027-03-01T02:00:00Z")
    # overdue on 16 January, 2 February; invoices on 1 February and 1 March
    assert types(receiver.of("moving")) == ["invoice.created"] * 2 + ["invoice.payment_overdue"] * 2


def test_named_jobs_run_as_if_later(lago):
    lago.plan("adv", 3100, advance=True)
    lago.subscribe("c", "adv")
    answer = lago.control.post("/lago/jobs", json={"job": "MarkInvoicesAsPaymentOverdueJob", "offset_days": 1})
    assert answer.text == "ok"
    assert lago.invoices("c")[0]["payment_overdue"] is True
    assert lago.control.post("/lago/jobs", json={"job": "Nonsense"}).status_code == 400


def test_bad_events_are_reported_for_the_hour_before(lago, receiver):
    lago.metric("calls")
    lago.plan("p", 0)
    lago.subscribe("c", "p")
    endpoint(lago, receiver.url("errors"), event_types=["events.errors"])
    for name, code, subscription, value in (("a", "absent", "c", 1), ("b", "calls", "c", "word"), ("d", "calls", "nobody", "word")):
        lago.use(subscription, code, value, transaction_id=name)
    lago.go("2027-01-15T13:06:00Z")
    (hit,) = receiver.wait("errors", 1)
    report = json.loads(hit[1])["events_errors"]
    assert (report["invalid_code"], report["missing_aggregation_property"]) == (["a"], ["b"])


def test_faults_are_switched_on_and_off(lago, receiver):
    def switch(mode):
        lago.control.post("/faults", json={"mode": mode}).raise_for_status()

    switch("down")
    assert lago.api.get("/customers").status_code == 503
    switch("answer_503_but_do")
    assert lago.api.post("/customers", json={"customer": {"external_id": "done"}}).status_code == 503
    switch("lose_webhooks")
    endpoint(lago, receiver.url("lost"))
    lago.post("/customers", customer={"external_id": "c"})
    lago.settle()
    switch(None)
    assert receiver.of("lost") == []
    assert lago.get("/customers/done")["customer"]["external_id"] == "done"
    assert lago.control.post("/faults", json={"mode": "nonsense"}).status_code == 400


def linked(lago):
    configuration = {"payment_provider": "stripe", "payment_provider_code": "stripe", "sync_with_provider": True}
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR", "billing_configuration": configuration})
    lago.plan("adv", 3100, advance=True)
    lago.subscribe("c", "adv")
    return lago.invoices("c")[0]["lago_id"]


@pytest.mark.parametrize(("outcome", "told"), [("succeeded", "payment.succeeded"), ("failed", "invoice.payment_failure")])
def test_the_provider_settles_an_invoice(lago, receiver, outcome, told):
    invoice = linked(lago)
    endpoint(lago, receiver.url(outcome))
    lago.control.post("/lago/pay", json={"invoice_id": invoice, "outcome": outcome}).raise_for_status()
    assert types(receiver.wait(outcome, 2)) == sorted([told, "invoice.payment_status_updated"])
    assert lago.invoices("c")[0]["payment_status"] == outcome


def test_an_invoice_is_paid_on_its_page(lago):
    invoice = linked(lago)
    url = lago.post(f"/invoices/{invoice}/payment_url")["invoice_payment_details"]["payment_url"]
    assert "Decline" in httpx.get(url).text
    httpx.post(url, data={"outcome": "succeeded"}).raise_for_status()
    (paid,) = lago.invoices("c")
    assert (paid["payment_status"], paid["total_due_amount_cents"]) == ("succeeded", 0)


@pytest.mark.parametrize(("choice", "status"), [("succeeded", "succeeded"), ("failed", "failed")])
def test_a_saved_card_pays_the_next_invoices(lago, choice, status):
    linked(lago)
    url = lago.post("/customers/c/checkout_url")["customer"]["checkout_url"]
    assert "Save" in httpx.get(url).text
    httpx.post(url, data={"outcome": choice}).raise_for_status()
    assert len(lago.get("/customers/c/payment_methods")["payment_methods"]) == 1
    lago.go("2027-02-01T01:00:00Z")
    assert lago.invoices("c")[-1]["payment_status"] == status


def test_without_a_provider_there_is_no_page(lago):
    lago.post("/customers", customer={"external_id": "c"})
    assert lago.api.post("/customers/c/checkout_url").json()["error_details"] == {"base": ["no_linked_payment_provider"]}
    assert httpx.get(f"{lago.facts['url']}/checkout/customer/absent").status_code == 404


def test_state_and_keys_survive_a_restart(lago_factory, tmp_path: Path):
    options = ("--state", str(tmp_path))
    first = lago_factory(*options)
    first.plan("adv", 3100, advance=True)
    first.subscribe("c", "adv")
    kept = first.get("/subscriptions/c")
    second = lago_factory(*options)
    assert second.facts["api_key"] == first.facts["api_key"]
    assert second.get("/subscriptions/c") == kept
    assert len(second.invoices("c")) == 1


def test_a_clock_moved_by_somebody_else_is_followed(lago_factory, tmp_path: Path):
    clock = VirtualClock(tmp_path / "clock")
    lago = lago_factory("--clock", str(tmp_path / "clock"))
    lago.plan("adv", 3100, advance=True)
    lago.subscribe("c", "adv")
    clock.set(parse_instant("2027-02-01T00:30:00Z"))
    assert len(lago.invoices("c")) == 2  # at the next request
    clock.set(parse_instant("2027-03-01T00:30:00Z"))
    time.sleep(1)  # or by itself
    with httpx.Client(base_url=lago.facts["control_url"]) as control:
        assert control.get("/clock").json()["now"].startswith("2027-03-01T00:30")
    assert len(lago.invoices("c")) == 3
