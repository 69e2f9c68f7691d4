"""Speaks to a Keygen sandbox as a client would, and receives its webhooks over https."""

import base64
import http.server
import json
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import NameOID

HOOKS = "hooks.glue.test"


class Keygen:
    """One sandbox; ``bearer`` is the Authorization header of the administrator until told otherwise."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.ready = ready
        self.account_id = ready["account_id"]
        self._http = httpx.Client(base_url=ready["url"], headers={"Host": ready["host"]}, timeout=30)
        self._control = httpx.Client(base_url=ready["control_url"], timeout=60)
        self.login()

    def login(self) -> None:
        password = base64.b64encode(f"{self.ready['admin_email']}:{self.ready['admin_password']}".encode()).decode()
        answer = self.call("POST", "/tokens", auth=f"Basic {password}")
        self.admin = f"Bearer {answer.json()['data']['attributes']['token']}"
        keys = self.call("GET", f"/accounts/{self.account_id}").json()["data"]["meta"]["keys"]
        self.public_key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(base64.b64decode(keys["ed25519"]).decode()))
        self.public_rsa: Any = serialization.load_pem_public_key(base64.b64decode(keys["rsa2048"]))

    def call(
        self, method: str, path: str, body: Any = None, *, auth: str | None = "admin", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        given = {"Authorization": self.admin if auth == "admin" else auth} if auth else {}
        content = None if body is None else json.dumps(body).encode()
        return self._http.request(
            method, f"/v1{path}", content=content, headers={**given, "Content-Type": "application/vnd.api+json", **(headers or {})}
        )

    def create(
        self, kind: str, attributes: dict[str, Any] | None = None, *, own_id: str | None = None, auth: str = "admin", **relations: str
    ) -> httpx.Response:
        kinds = {"policy": "policies", "owner": "users"}
        links = {name: {"data": {"type": kinds.get(name, f"{name}s"), "id": row_id}} for name, row_id in relations.items()}
        data = (
            {"type": kind, "attributes": attributes or {}}
            | ({"id": own_id} if own_id else {})
            | ({"relationships": links} if links else {})
        )
        return self.call("POST", f"/{kind}", {"data": data}, auth=auth)

    def made(self, kind: str, attributes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        answer = self.create(kind, attributes, **more)
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def policy(self, **attributes: Any) -> str:
        product = self.made("products", {"name": "Desk"})["id"]
        defaults = {"name": "Team", "floating": True, "authenticationStrategy": "LICENSE"}
        return self.made("policies", defaults | attributes, product=product)["id"]

    def license(self, policy: str | None = None, **attributes: Any) -> dict[str, Any]:
        return self.made("licenses", attributes, policy=policy or self.policy())

    def activate(
        self, license_row: dict[str, Any], fingerprint: str | None = None, *, auth: str = "admin", **attributes: Any
    ) -> httpx.Response:
        return self.create("machines", {"fingerprint": fingerprint or uuid.uuid4().hex, **attributes}, license=license_row["id"], auth=auth)

    def validate(self, license_row: dict[str, Any], **scope: Any) -> dict[str, Any]:
        meta = {"key": license_row["attributes"]["key"]} | ({"scope": scope} if scope else {})
        answer = self.call("POST", "/licenses/actions/validate-key", {"meta": meta}, auth=None)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def attributes(self, path: str) -> dict[str, Any]:
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["data"]["attributes"]
        return found

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self._control.post(path, json=body or {})
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def advance(self, **span: float) -> None:
        self.control("/clock", {"advance_seconds": timedelta(**span).total_seconds()})

    def now(self) -> datetime:
        return datetime.fromisoformat(self.control("/clock")["now"])

    def close(self) -> None:
        self._http.close()
        self._control.close()


@contextmanager
def running(*options: str) -> Iterator[Keygen]:
    """A sandbox process, stopped at the end."""
    command = [str(Path(sys.executable).with_name("glue")), "sandbox", "keygen", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready: dict[str, Any] = json.loads(process.stdout.readline())
            keygen = Keygen(ready)
            yield keygen
            keygen.close()
        finally:
            process.terminate()
            process.wait(10)


def codes(answer: httpx.Response) -> list[str | None]:
    return sorted((error.get("code") or "" for error in answer.json()["errors"]), key=str)


def check_signature(public_key: Ed25519PublicKey, *, method: str, target: str, host: str, headers: Any, body: bytes) -> None:
    """Raises unless the headers sign exactly this message."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(body)
    assert headers["digest"] == "sha-256=" + base64.b64encode(digest.finalize()).decode()
    text = f"(request-target): {method.lower()} {target}\nhost: {host}\ndate: {headers['keygen-date']}\ndigest: {headers['digest']}"
    signature = headers["keygen-signature"].split('signature="')[1].split('"')[0]
    public_key.verify(base64.b64decode(signature), text.encode())


@dataclass
class Hook:
    """A webhook as it arrived."""

    path: str
    method: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> str:
        return str(json.loads(self.body)["data"]["attributes"]["event"]) if self.body else ""

    @property
    def payload(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.loads(self.body)["data"]["attributes"]["payload"])
        return found


@dataclass
class Receiver:
    """Answers each path with the status that it ends in; keeps what came."""

    authority: Path
    port: int = 0
    seen: list[Hook] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"https://{HOOKS}:{self.port}{path}"

    def under(self, path: str) -> list[Hook]:
        return [hook for hook in self.seen if hook.path.startswith(path)]


def start_receiver(folder: Path) -> tuple[Receiver, http.server.ThreadingHTTPServer]:
    """An https receiver for hooks.glue.test; ``authority.pem`` in ``folder`` vouches for it."""
    receiver = Receiver(folder / "authority.pem")

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            receiver.seen.append(Hook(self.path, self.command, {key.lower(): value for key, value in self.headers.items()}, body))
            status = int(self.path.rsplit("/", 1)[-1])
            self.send_response(status)
            if status in {302, 307}:
                self.send_header("Location", receiver.url(f"{self.path.rsplit('/', 1)[0]}/after/200"))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def log_message(self, *_: Any) -> None:
            """Tests are quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_certify(folder))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return receiver, server


def _certify(folder: Path) -> tuple[Path, Path]:
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])

    def certify(name: x509.Name, public: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(authority).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        signed = (
            builder.not_valid_after(now + timedelta(days=2)).add_extension(extension, critical=False).sign(authority_key, hashes.SHA256())
        )
        return signed.public_bytes(serialization.Encoding.PEM)

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOOKS)])
    files = {
        "authority.pem": certify(authority, authority_key.public_key(), x509.BasicConstraints(ca=True, path_length=None)),
        "hooks.pem": certify(subject, key.public_key(), x509.SubjectAlternativeName([x509.DNSName(HOOKS)])),
        "hooks.key": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "hooks.pem", folder / "hooks.key"
