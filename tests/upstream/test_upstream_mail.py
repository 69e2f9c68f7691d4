"""Mail over a real SMTP conversation."""

import socket
from typing import TYPE_CHECKING

import pytest

from glue.errors import BadInput, UpstreamRefused, UpstreamUnavailable
from glue.settings import MailSettings
from glue.upstream.mail import Mail

if TYPE_CHECKING:
    from tests.fixtures_sandbox import MailServer


def test_mail_arrives_in_two_forms_with_its_id(mail_settings: MailSettings, mail_server: "MailServer") -> None:
    Mail(mail_settings).send(
        to="ada@mail.test",
        subject="Grüße · 1",
        text="Hello Ada",
        html="<p>Hello Ada</p>",
        message_id="<m1@glue.test>",
        in_reply_to="<m0@x>",
    )
    mail = mail_server.wait_for("ada@mail.test")
    assert mail["Subject"] == "Grüße · 1"
    assert mail["From"] == "Coditect <hello@example.test>"
    assert mail["Message-ID"] == "<m1@glue.test>"
    assert mail["In-Reply-To"] == mail["References"] == "<m0@x>"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().strip() == "Hello Ada"
    assert html.get_content().strip() == "<p>Hello Ada</p>"


def test_mail_without_an_id_gets_one(mail_settings: MailSettings, mail_server: "MailServer") -> None:
    Mail(mail_settings).send(to="bob@mail.test", subject="Hi", text="Hello")
    assert mail_server.wait_for("bob@mail.test")["Message-ID"].endswith("@example.test>")


def test_unknown_mailbox_is_refused_and_greylisting_is_not(mail_settings: MailSettings) -> None:
    with pytest.raises(UpstreamRefused) as refused:
        Mail(mail_settings).send(to="bounce@mail.test", subject="Hi", text="Hello")
    assert "550" in refused.value.body
    with pytest.raises(UpstreamUnavailable):
        Mail(mail_settings).send(to="later@mail.test", subject="Hi", text="Hello")


def test_a_server_without_starttls_is_refused_when_we_insist(mail_settings: MailSettings) -> None:
    with pytest.raises(UpstreamRefused):
        Mail(mail_settings.model_copy(update={"starttls": True})).send(to="ada@mail.test", subject="Hi", text="Hello")


def test_no_server_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UpstreamUnavailable):
        Mail(MailSettings(host="127.0.0.1", port=port, starttls=False)).send(to="ada@mail.test", subject="Hi", text="Hello")


@pytest.mark.parametrize("bad", [{"to": "no address"}, {"to": "a@b.test\r\nBcc: c@d.test"}, {"subject": "Hi\nBcc: c@d.test"}])
def test_headers_cannot_be_smuggled_in(mail_settings: MailSettings, bad: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        Mail(mail_settings).send(**({"to": "ada@mail.test", "subject": "Hi", "text": "Hello"} | bad))
