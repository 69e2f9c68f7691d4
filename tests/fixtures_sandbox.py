"""Sandboxes for tests: Lago, Keygen, the identity provider and a mail server, one of each a session, on free ports of loopback.

Each is a process of ``glue sandbox … --json``; they share one clock file. The settings fixtures give our adapters the way
to them. A test that needs a virgin one asks its control port to reset it, or starts its own by ``running_sandbox``.
"""

import json
import os
import secrets
import selectors
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from glue.settings import KeycloakSettings, KeygenSettings, LagoSettings, MailSettings

READY_SECONDS = 60
REALM_FILE = Path(__file__).parents[1] / "keycloak-realm" / "glue-realm.json"


@contextmanager
def running_sandbox(name: str, *options: str, environment: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """Run ``glue sandbox NAME`` with ``options``; yields what it says about itself once it answers."""
    command = [str(Path(sys.executable).with_name("glue")), "sandbox", name, "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | (environment or {})) as process:
        try:
            yield _first_line(process, name)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _first_line(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(READY_SECONDS):
            pytest.fail(f"the {name} sandbox was not ready within {READY_SECONDS} s")
    line = process.stdout.readline()
    if not line:
        pytest.fail(f"the {name} sandbox ended at its start with code {process.wait(10)}")
    facts: dict[str, Any] = json.loads(line)
    return facts


@pytest.fixture(scope="session")
def sandbox_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that holds the offset of the sandboxes' business time."""
    return tmp_path_factory.mktemp("clock") / "offset"


@pytest.fixture(scope="session")
def lago_sandbox(sandbox_clock: Path) -> Iterator[dict[str, Any]]:
    with running_sandbox("lago", "--clock", str(sandbox_clock)) as facts:
        yield facts


@pytest.fixture(scope="session")
def keygen_sandbox(sandbox_clock: Path) -> Iterator[dict[str, Any]]:
    with running_sandbox("keygen", "--clock", str(sandbox_clock)) as facts:
        yield facts


@pytest.fixture(scope="session")
def identity_sandbox(sandbox_clock: Path, mail_server: "MailServer") -> Iterator[dict[str, Any]]:
    """The repository's realm on the sandbox; the clients' secrets are made for this session."""
    secrets_of = {name: secrets.token_urlsafe(24) for name in ("service", "portal", "api", "apply")}
    environment = {f"GLUE_KEYCLOAK__{name.upper()}_CLIENT_SECRET": secret for name, secret in secrets_of.items()}
    environment |= {"GLUE_PUBLIC_URL": "http://localhost:8300", "GLUE_MAIL__HOST": "127.0.0.1", "GLUE_MAIL__STARTTLS": "false"}
    options = ["--clock", str(sandbox_clock), "--smtp", f"127.0.0.1:{mail_server.port}", "--realm-file", str(REALM_FILE)]
    with running_sandbox("identity", *options, environment=environment) as facts:
        yield facts | {f"{name}_client_secret": secret for name, secret in secrets_of.items()}


@pytest.fixture(scope="session")
def lago_settings(lago_sandbox: dict[str, Any]) -> LagoSettings:
    return LagoSettings.model_validate(
        {"url": lago_sandbox["url"], "api_key": lago_sandbox["api_key"], "webhook_hmac_keys": [lago_sandbox["hmac_key"]]}
    )


@pytest.fixture(scope="session")
def keygen_settings(keygen_sandbox: dict[str, Any]) -> KeygenSettings:
    names = ("url", "host", "account_id", "admin_email", "admin_password")
    return KeygenSettings.model_validate({name: keygen_sandbox[name] for name in names})


@pytest.fixture(scope="session")
def identity_settings(identity_sandbox: dict[str, Any]) -> KeycloakSettings:
    names = ("url", "realm", *(f"{client}_client_secret" for client in ("service", "portal", "api", "apply")))
    return KeycloakSettings.model_validate({name: identity_sandbox[name] for name in names})


# --- mail -------------------------------------------------------------------------------------------------------------


@dataclass
class MailServer:
    """An SMTP server that keeps what it gets. A recipient that begins with ``bounce`` is refused, with ``later`` put off."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, address: str, *, count: int = 1, seconds: float = 10) -> EmailMessage:
        """The latest mail to ``address`` once there are ``count`` of them."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(self.to(address)) >= count, seconds):
                pytest.fail(f"no mail to {address} within {seconds} s")
            return self.to(address)[-1]

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if address.lower() in str(mail["To"]).lower()]


def _smtp_handler(server: MailServer) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 test")
            while line := self.rfile.readline():
                word = line[:4].decode("ascii", "replace").upper()
                if word == "QUIT":
                    return self.say("221 bye")
                if word == "DATA":
                    self.take()
                elif word == "RCPT" and b"<bounce" in line:
                    self.say("550 no such mailbox")
                elif word == "RCPT" and b"<later" in line:
                    self.say("451 greylisted")
                else:
                    self.say("250 ok" if word in {"EHLO", "HELO", "MAIL", "RCPT", "RSET", "NOOP"} else "502 unknown")
            return None

        def take(self) -> None:
            self.say("354 go on")
            lines: list[bytes] = []
            while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            mail = message_from_bytes(b"".join(lines), policy=policy.default)
            with server.arrived:
                server.mails.append(mail)
                server.arrived.notify_all()
            self.say("250 taken")

    return Handler


@pytest.fixture(scope="session")
def mail_server() -> Iterator[MailServer]:
    """An SMTP server without TLS and login, in a thread."""
    kept = MailServer()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _smtp_handler(kept)) as server:
        server.daemon_threads = True
        kept.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield kept
        server.shutdown()


@pytest.fixture(scope="session")
def mail_settings(mail_server: MailServer) -> MailSettings:
    return MailSettings(host="127.0.0.1", port=mail_server.port, sender="Coditect <hello@example.test>", starttls=False)
