"""The doors of support over HTTP: mails from the mail server, deliveries of the tracker."""

import json
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from glue.app import problems, support
from glue.errors import BadInput
from glue.support.mail_in import LARGEST_MAIL, Outcome, Received
from tests.support.issue_server import signed

SECRET, HOOK = "secret-of-the-mail-server", "secret-of-the-hook"


class Desk:
    """Remembers what reached it."""

    def __init__(self):
        self.mails, self.numbers = [], []

    def receive(self, raw):
        if b"From:" not in raw:
            raise BadInput("This is no mail.", field="body")
        self.mails.append(raw)
        return Received(Outcome.REPLIED, "tkt_0123456789")

    def hint(self, numbers):
        self.numbers += numbers
        return len(numbers)


@pytest.fixture
def desk():
    return Desk()


def client_of(desk, *, mail_secret=SECRET, hooks=(HOOK,)):
    settings = SimpleNamespace(
        mail=SimpleNamespace(inbound_secret=SecretStr(mail_secret) if mail_secret else None),
        issues=SimpleNamespace(webhook_secrets=[SecretStr(hook) for hook in hooks], repository="kestrel/product"),
    )
    app = FastAPI()
    problems.install(app)
    app.include_router(support.routes(SimpleNamespace(settings=settings, mail_in=desk, issue_links=desk)))
    return TestClient(app)


def test_mail_server_brings_a_mail_and_hears_what_became_of_it(desk):
    answer = client_of(desk).post("/webhooks/mail", content=b"From: a@b.test\r\n\r\nHello", headers={"Authorization": f"Bearer {SECRET}"})
    assert (answer.status_code, answer.json()) == (200, {"outcome": "replied", "ticket": "tkt_0123456789"})
    assert desk.mails == [b"From: a@b.test\r\n\r\nHello"]


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Bearer "])
def test_nobody_else_brings_mails(desk, given):
    for client in (client_of(desk), client_of(desk, mail_secret="")):
        assert client.post("/webhooks/mail", content=b"From: a@b.test\r\n\r\nx", headers={"Authorization": given}).status_code == 401
    assert desk.mails == []


def test_what_is_no_mail_or_too_large_is_told(desk):
    client, headers = client_of(desk), {"Authorization": f"Bearer {SECRET}"}
    assert client.post("/webhooks/mail", content=b"x", headers=headers).json()["code"] == "bad_input"
    assert client.post("/webhooks/mail", content=b"x" * (LARGEST_MAIL + 1), headers=headers).json()["code"] == "delivery_refused"
    assert desk.mails == []


@pytest.mark.parametrize("kind", ["github", "forgejo"])
def test_signed_delivery_is_a_hint(desk, kind):
    body = json.dumps({"action": "closed", "issue": {"number": 7, "state": "closed"}}).encode()
    answer = client_of(desk).post("/webhooks/issues", content=body, headers=signed(body, HOOK, kind=kind))
    assert (answer.status_code, answer.json()) == (200, {"linked": 1})
    assert desk.numbers == [7]


def test_unsigned_delivery_reaches_nobody(desk):
    body = b'{"issue": {"number": 7}}'
    for client, headers in (
        (client_of(desk), {}),
        (client_of(desk), signed(body, "another secret", kind="github")),
        (client_of(desk, hooks=()), signed(body, "", kind="forgejo")),
    ):
        assert client.post("/webhooks/issues", content=body, headers=headers).status_code == 401
    assert desk.numbers == []


@pytest.mark.parametrize("body", [b"[]", b"{}", b"no json", b'{"issue": {"number": "x"}}'])
def test_delivery_without_an_issue_is_told(desk, body):
    answer = client_of(desk).post("/webhooks/issues", content=body, headers=signed(body, HOOK, kind="github"))
    assert answer.json()["code"] == "bad_input"
    assert desk.numbers == []
