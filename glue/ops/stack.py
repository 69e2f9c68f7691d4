"""The whole stack on this machine: mail sink, billing, licenses, identity, the declared files applied, the service.

Used by ``glue up``, ``glue demo`` and tests. Everything listens on loopback on free ports; everything that was started is
stopped in reverse order, also after an error.
"""

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from glue.errors import GlueError, Unavailable
from glue.ops import keycloak_install
from glue.ops.certificates import make_certificate
from glue.ops.processes import Process

HOOK_NAME = "hooks.coditect.test"
Identity = Literal["auto", "keycloak", "sandbox"]
Report = Callable[[str], None]


@dataclass
class Stack:
    """A running stack. ``environ`` holds the settings that any further ``glue`` command needs to talk to it."""

    folder: Path
    project: Path
    report: Report = lambda _: None
    environ: dict[str, str] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    identity: str = ""

    @property
    def public_url(self) -> str:
        return self.environ["GLUE_PUBLIC_URL"]

    def ready(self, name: str) -> dict[str, Any]:
        """What the named program printed when it was ready."""
        return self.processes[name].ready

    def start(self, *, identity: Identity = "auto", serve: bool = True, apply: bool = True) -> Self:
        """Start everything. Raises Unavailable naming the program that did not start; what did start is stopped."""
        try:
            self._start_upstreams(identity)
            if apply:
                self.report("Applying the declared files")
                self.run("apply", "--yes")
            if serve:
                self.start_service()
        except BaseException:
            self.stop()
            raise
        return self

    def start_service(self) -> None:
        """Start ``glue serve`` (again)."""
        self.report("Starting the service")
        certificates = self.folder / "certificates"
        words = ["serve", "--json", "--tls-port", self.environ["TLS_PORT"]]
        words += ["--tls-certificate", str(certificates / "certificate.pem"), "--tls-key", str(certificates / "key.pem")]
        self._start("service", words).wait_ready(60)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one ``glue`` command against the stack. Raises Unavailable with what it said when ``check`` and it failed."""
        done = subprocess.run(  # noqa: S603 our own program
            [sys.executable, "-m", "glue", *words],
            env=self._environ(),
            cwd=self.project,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if check and done.returncode:
            raise Unavailable(f"glue {' '.join(words)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-800:]}")
        return done

    def stop(self) -> None:
        """Stop everything that was started, newest first."""
        for name in reversed(list(self.processes)):
            self.report(f"Stopping {name}")
            self.processes.pop(name).stop()

    def addresses(self) -> dict[str, str]:
        """Where a person finds each part."""
        keycloak = self.ready("keycloak")
        return {
            "Portal": self.public_url,
            "Login page": f"{self.public_url}/auth/login",
            "Operator page": f"{self.public_url}/operator",
            "API docs": f"{self.public_url}/docs",
            "Mail sink": self.ready("mail")["url"],
            "Keycloak": keycloak["url"],
            "Lago": self.ready("lago")["url"],
            "Keygen": self.ready("keygen")["url"],
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.stop()

    def _start_upstreams(self, identity: Identity) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        clock = self.folder / "clock"
        authority, _, _ = make_certificate(self.folder / "certificates", HOOK_NAME)
        shared = ["--json", "--clock", str(clock)]
        self.report("Starting mail, billing and licenses")
        self._start("mail", ["sandbox", "mail", "--json"])
        self._start("lago", ["sandbox", "lago", *shared, "--state", str(self.folder / "lago")])
        hooks = ["--trust", str(authority), "--resolve", f"{HOOK_NAME}=127.0.0.1"]
        self._start("keygen", ["sandbox", "keygen", *shared, "--state", str(self.folder / "keygen"), *hooks])
        port, tls_port = free_ports(2)
        self.environ |= self._secrets() | {"TLS_PORT": str(tls_port), "GLUE_PORT": str(port), "GLUE_PUBLIC_URL": f"http://localhost:{port}"}
        mail = self.processes["mail"].wait_ready()
        self.environ |= {"GLUE_MAIL__HOST": mail["smtp_host"], "GLUE_MAIL__PORT": str(mail["smtp_port"]), "GLUE_MAIL__STARTTLS": "false"}
        with ThreadPoolExecutor(1) as pool:
            started = pool.submit(self._start_identity, identity)
            lago, keygen = self.processes["lago"].wait_ready(), self.processes["keygen"].wait_ready()
            keycloak = started.result()
        self.environ |= {
            "GLUE_KEYCLOAK__URL": keycloak["url"],
            "GLUE_KEYCLOAK__REALM": keycloak["realm"],
            "GLUE_LAGO__URL": lago["url"],
            "GLUE_LAGO__API_KEY": lago["api_key"],
            "GLUE_LAGO__WEBHOOK_HMAC_KEYS": f'["{lago["hmac_key"]}"]',
            "GLUE_KEYGEN__URL": keygen["url"],
            "GLUE_KEYGEN__HOST": keygen["host"],
            "GLUE_KEYGEN__ACCOUNT_ID": keygen["account_id"],
            "GLUE_KEYGEN__ADMIN_EMAIL": keygen["admin_email"],
            "GLUE_KEYGEN__ADMIN_PASSWORD": keygen["admin_password"],
            "GLUE_CLOCK_FILE": str(clock),
            "GLUE_CONFIG_DIR": str(self.project),
            "GLUE_DATA_DIR": str(self.folder / "data"),
            "GLUE_DATABASE_URL": f"sqlite:///{self.folder / 'glue.db'}",
            "GLUE_WEBHOOKS__LAGO_URL": f"http://127.0.0.1:{port}/webhooks/lago",
            "GLUE_WEBHOOKS__KEYGEN_URL": f"https://{HOOK_NAME}:{tls_port}/webhooks/keygen",
        }
        self._write_settings()

    def _write_settings(self) -> None:
        """Leave the settings behind, so that any further command can be pointed at this stack."""
        extra = {f"{name.upper()}_CONTROL": self.ready(name)["control_url"] for name in ("lago", "keygen")}
        # Keycloak's starter names the server's own process.
        extra |= {f"{name.upper()}_PID": str(self.ready(name).get("pid", one.pid)) for name, one in self.processes.items()}
        file = self.folder / "settings.env"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}='{value}'\n" for name, value in (self.environ | extra).items()), encoding="utf-8")

    def _start_identity(self, identity: Identity) -> dict[str, Any]:
        if identity != "sandbox":
            try:
                self.report("Getting Keycloak ready (the first time takes a minute)")
                keycloak_install.install()
                self.report("Starting Keycloak")
                ready = self._start(
                    "keycloak",
                    [
                        "keycloak",
                        "start",
                        "--json",
                        "--home",
                        str(self.folder / "keycloak"),
                        "--realm-folder",
                        str(self.project / "keycloak-realm"),
                    ],
                ).wait_ready(240)
            except GlueError as error:
                if identity == "keycloak":
                    raise
                self.report(f"No Keycloak here ({error.detail}); the identity sandbox takes its place")
            else:
                self.identity = f"keycloak {keycloak_install.VERSION}"
                return ready
        self.identity = "sandbox"
        mail = self.ready("mail")
        words = [
            "sandbox",
            "identity",
            "--json",
            "--state",
            str(self.folder / "identity"),
            "--smtp",
            f"{mail['smtp_host']}:{mail['smtp_port']}",
        ]
        words += ["--realm-file", str(self.project / "keycloak-realm" / "glue-realm.json")]
        return self._start("keycloak", words).wait_ready()

    def _start(self, name: str, words: list[str]) -> Process:
        process = Process(name, words, log=self.folder / "logs" / f"{name}.log", environ=self._environ(), cwd=self.project)
        self.processes[name] = process
        return process

    def _environ(self) -> dict[str, str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("GLUE_") or name == "GLUE_MAVEN_REPOSITORY"}
        return outside | self.environ

    def _secrets(self) -> dict[str, str]:
        names = ("SERVICE", "PORTAL", "API", "APPLY")
        made = {f"GLUE_KEYCLOAK__{name}_CLIENT_SECRET": secrets.token_urlsafe(32) for name in names}
        made["GLUE_INSTALLER_KEY"] = secrets.token_urlsafe(32)
        return made | {"GLUE_SECRET_KEYS": f'["{secrets.token_urlsafe(32)}"]'}


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
