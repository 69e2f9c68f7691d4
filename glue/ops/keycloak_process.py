"""One Keycloak process in a folder of its own: laid out, launched, awaited, stopped. Listens on loopback only."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from glue.errors import Unavailable
from glue.ops import keycloak_install as installed

HEAP = ("-Xms48m", "-Xmx256m")
READY_SECONDS = 300
STOP_SECONDS = 30


@dataclass(frozen=True)
class Process:
    """A launched Keycloak. ``url`` is what browsers and tokens name; ``management_url`` has health and metrics."""

    popen: subprocess.Popen[bytes]
    home: Path
    port: int
    management_port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def management_url(self) -> str:
        return f"http://127.0.0.1:{self.management_port}"

    @property
    def log_file(self) -> Path:
        return self.home / "keycloak.log"

    def wait_until_ready(self, realm: str) -> None:
        """Return when the server is healthy *and* the realm answers. Raises Unavailable with the log's own reason."""
        deadline = time.monotonic() + READY_SECONDS
        waiting = [self.management_url + "/health/ready", f"{self.url}/realms/{realm}/.well-known/openid-configuration"]
        # Each look connects anew: until Keycloak has its port another program may have it for a moment, and a connection
        # kept alive would go on asking that one.
        with httpx.Client(timeout=10, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)) as client:
            while waiting:
                if self.popen.poll() is not None:
                    raise Unavailable(f"Keycloak ended with code {self.popen.returncode}: {self._reason()}", remedy=f"See {self.log_file}.")
                if time.monotonic() > deadline:
                    raise Unavailable(f"Keycloak was not ready after {READY_SECONDS} s.", remedy=f"See {self.log_file}.")
                try:
                    if client.get(waiting[0]).status_code == 200:
                        waiting.pop(0)
                        continue
                except httpx.TransportError:
                    pass  # not listening yet
                time.sleep(0.1)

    def stop(self, *, patience_seconds: float = STOP_SECONDS) -> None:
        """End it in good order; its process group is killed only when it does not go within ``patience_seconds``."""
        if self.popen.poll() is not None:
            return
        self.popen.terminate()
        try:
            self.popen.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()

    def _reason(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        told = [line.partition(" ERROR: ")[2] for line in lines if "ERROR [org.keycloak.quarkus.runtime.cli" in line]
        return " ".join(filter(None, told))[:600] or " ".join(lines[-1:]) or "it said nothing"


def lay_out(home: Path, *, themes: Path) -> None:
    """Make ``home`` a Keycloak home: the installed program by link, the themes by link, everything written inside."""
    for name in ("conf", "data", "tx", "tmp"):
        (home / name).mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)  # the database holds secrets
    program = installed.distribution_folder()
    for name, target in (("lib", program / "lib"), ("providers", program / "providers"), ("themes", themes.resolve())):
        (home / name).unlink(missing_ok=True)
        (home / name).symlink_to(target)


def launch(
    home: Path,
    *,
    port: int = 0,
    management_port: int = 0,
    environment: dict[str, str] | None = None,
    options: Sequence[str] = (),
    words: Sequence[str] = (),
) -> Process:
    """Start the process and return at once. A port of 0 takes a free one; ``options`` are Java's, ``words`` Keycloak's."""
    java = installed.get_java()
    port, management_port = _take_ports(port, management_port)
    command = installed.java_command(
        java,
        home=home,
        options=[
            *HEAP,
            f"-Dquarkus.transaction-manager.object-store.directory={home / 'tx'}",
            f"-Djava.io.tmpdir={home / 'tmp'}",
            *options,
        ],
        words=[
            "start",
            "--optimized",
            "--cache=local",
            "--http-enabled=true",
            "--http-host=127.0.0.1",
            f"--http-port={port}",
            f"--hostname=http://localhost:{port}",
            "--http-management-host=127.0.0.1",
            f"--http-management-port={management_port}",
            "--shutdown-delay=0s",
            "--shutdown-timeout=1s",
            "--log-level=info,io.smallrye.health:error",  # else every poll of a starting server is a line
            *words,
        ],
    )
    with (home / "keycloak.log").open("ab") as log:
        # Its own session: a Ctrl-C on the terminal reaches the caller alone, who then stops it in good order.
        popen = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=home,
            env=installed.java_environment(java, environment),
            start_new_session=True,
        )
    return Process(popen, home, port, management_port)


def _take_ports(*wanted: int) -> list[int]:
    """The ports wanted, or free ones for 0. A taken port is told now: another server there would answer for this one."""
    listeners: list[socket.socket] = []
    try:
        listeners += (socket.create_server(("127.0.0.1", port)) for port in wanted)
        return [listener.getsockname()[1] for listener in listeners]
    except OSError as error:
        raise Unavailable(
            f"Keycloak cannot listen on the ports wanted ({', '.join(map(str, wanted))}): {error.strerror}.", remedy="Name others, or 0."
        ) from error
    finally:
        for listener in listeners:
            listener.close()
