"""A real Keycloak and a mail sink for tests, one of each: tests marked ``keycloak`` run on one worker.

``keycloak`` are the server's facts (`glue.ops.keycloak_server.Running`), ``keycloak_mail_url`` the sink its mails go to.
Where Keycloak cannot be had the tests are skipped, and say why.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glue.errors import Unavailable
from glue.ops import keycloak_install
from glue.ops.keycloak_server import Running
from glue.settings import KeycloakSettings

ROOT = Path(__file__).parents[1]
READY_SECONDS, STOP_SECONDS = 240, 30


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("keycloak"):
            item.add_marker(pytest.mark.xdist_group("keycloak"))


@pytest.fixture(scope="session")
def keycloak_installed() -> Path:
    """Keycloak in the cache of this machine; fetched now unless it is there."""
    try:
        return keycloak_install.install()
    except Unavailable as error:
        pytest.skip(f"no Keycloak here: {error}")


@pytest.fixture(scope="session")
def keycloak_and_mail(keycloak_installed: Path) -> Iterator[dict[str, Any]]:
    mail = _started(["sandbox", "mail"], {})
    values = {"GLUE_MAIL__HOST": mail["smtp_host"], "GLUE_MAIL__PORT": str(mail["smtp_port"]), "GLUE_MAIL__STARTTLS": "false"}
    try:
        server = _started(["keycloak", "start", "--realm-folder", str(ROOT / "keycloak-realm")], values)
        yield {"mail": mail, "keycloak": server}
        _stop(server["starter"])
    finally:
        _stop(mail["starter"])


@pytest.fixture(scope="session")
def keycloak(keycloak_and_mail: dict[str, Any]) -> Running:
    return Running(**{name: value for name, value in keycloak_and_mail["keycloak"].items() if name != "starter"})


@pytest.fixture(scope="session")
def keycloak_mail_url(keycloak_and_mail: dict[str, Any]) -> str:
    """Address of the mail sink: see `glue.sandbox.visitor.wait_for_mail`."""
    return str(keycloak_and_mail["mail"]["url"])


@pytest.fixture(scope="session")
def keycloak_settings(keycloak_and_mail: dict[str, Any]) -> KeycloakSettings:
    names = ("url", "realm", *(f"{client}_client_secret" for client in ("service", "portal", "api", "apply")))
    return KeycloakSettings.model_validate({name: keycloak_and_mail["keycloak"][name] for name in names})


def _started(words: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Run a ``glue`` command that stays; what it says about itself, and its process id as ``starter``."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GLUE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "glue", *words, "--json"], stdout=subprocess.PIPE, env=outside | environment, cwd=ROOT
    )
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector, process.stdout:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(READY_SECONDS) else b""
    if not line:
        process.terminate()
        pytest.fail(f"glue {' '.join(words)} did not start: code {process.wait(STOP_SECONDS)}")
    process.returncode = 0  # stopped by its process id, not through this object
    return json.loads(line) | {"starter": process.pid}


def _stop(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    for _ in range(STOP_SECONDS * 10):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.1)
    raise TimeoutError(f"process {pid} did not stop")
