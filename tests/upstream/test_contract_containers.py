"""The same promises on a real Lago and a real Keygen, started from the repository's own compose file.

Needs a container engine and the images; without an engine every test is skipped and says so.
"""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_keygen import KeygenContract
from contract_lago import LagoContract
from testcontainers.compose import DockerCompose

from glue.settings import KeygenSettings, LagoSettings
from glue.upstream.keygen import Keygen
from glue.upstream.lago import Lago

COMPOSE = Path(__file__).parents[2] / "compose"
LAGO = ["lago-api", "lago-worker", "lago-events-worker", "lago-webhook-worker", "lago-clock"]
KEYGEN = ["keygen-web", "keygen-worker"]
OVERRIDE = """\
name: {project}
services:
  lago-api: {{ ports: ["127.0.0.1::3000"] }}
  keygen-web: {{ ports: ["127.0.0.1::3000"] }}
  glue: {{ env_file: !override [] }}
"""

pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DockerCompose, dict[str, str]]]:
    """Both systems under a project name of this run, and the settings they were made with."""
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no container engine runs here")
    folder = tmp_path_factory.mktemp("compose")
    env_file, override = folder / "env", folder / "override.yaml"
    command = [str(Path(sys.executable).with_name("glue")), "init", str(env_file), "--compose", "--domain", "glue.test"]
    subprocess.run(command, check=True, capture_output=True)
    override.write_text(OVERRIDE.format(project=f"glue-test-{secrets.token_hex(4)}"))
    files = ["compose.yaml", str(override)]
    compose = DockerCompose(COMPOSE, compose_file_name=files, env_file=str(env_file), services=[*LAGO, *KEYGEN])
    try:
        # Keygen's setup loads its schema: once, before anything of it starts.
        subprocess.run([*compose.compose_command_property, "run", "--rm", "keygen-setup"], check=True, cwd=COMPOSE)
        compose.start()
        yield compose, dict(line.split("=", 1) for line in env_file.read_text().splitlines() if "=" in line and not line.startswith("#"))
    finally:
        compose.stop()


def _address(compose: DockerCompose, service: str) -> str:
    return f"http://127.0.0.1:{compose.get_service_port(service, 3000)}"


class TestRealLago(LagoContract):
    @pytest.fixture(scope="module")
    @staticmethod
    def lago(stack: tuple[Any, dict[str, str]]) -> Iterator[Lago]:
        compose, values = stack
        url = _address(compose, "lago-api")
        made = Lago(LagoSettings.model_validate({"url": url, "api_key": values["GLUE_LAGO__API_KEY"], "webhook_hmac_keys": []}))
        yield made
        made.close()


class TestRealKeygen(KeygenContract):
    @pytest.fixture(scope="module")
    @staticmethod
    def settings(stack: tuple[Any, dict[str, str]]) -> KeygenSettings:
        compose, values = stack
        url = _address(compose, "keygen-web")
        names = ("account_id", "admin_email", "admin_password")
        login = {name: values[f"KEYGEN_{name.upper()}"] for name in names}
        return KeygenSettings.model_validate({"url": url, "host": f"licensing.{values['DOMAIN']}", **login})

    @pytest.fixture(scope="module")
    @staticmethod
    def keygen(settings: KeygenSettings) -> Iterator[Keygen]:
        made = Keygen(settings)
        yield made
        made.close()
