"""The described stack holds its promises: pinned, healthy, closed, and complete with what `glue init` makes."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from glue.cli import build

FILE = Path("compose/compose.yaml")
STACK = YAML(typ="safe").load(FILE.read_text())
ONE_SHOT = {"lago-migrate", "keygen-setup"}


@pytest.fixture(scope="module")
def environment_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("compose") / "compose.env"
    outcome = CliRunner().invoke(build(["init"]), ["init", "--compose", str(file)])
    assert outcome.exit_code == 0, outcome.output
    return file


@pytest.mark.parametrize("name", STACK["services"])
def test_every_image_is_pinned_to_a_release(name):
    image = STACK["services"][name]["image"]
    tag = image.rsplit(":", 1)[1]
    assert re.search(r"\d+\.\d+", tag), image


@pytest.mark.parametrize("name", sorted(set(STACK["services"]) - ONE_SHOT))
def test_every_service_has_a_health_check(name):
    assert STACK["services"][name]["healthcheck"]["test"]


def test_only_the_proxy_publishes_ports():
    assert [name for name, service in STACK["services"].items() if service.get("ports")] == ["proxy"]


def test_dependencies_exist():
    for service in STACK["services"].values():
        assert set(service.get("depends_on", {})) <= set(STACK["services"])


def test_nothing_has_a_default_secret_and_init_makes_every_variable(environment_file):
    used = re.findall(r"\$\{(\w+)([^}]*)\}", FILE.read_text())
    assert all(rest.startswith(":?") for _, rest in used), "a default stands in the file"
    made = dict(line.split("=", 1) for line in environment_file.read_text().splitlines() if "=" in line and not line.startswith("#"))
    assert {name for name, _ in used} <= set(made)
    assert all(made.values())


def test_init_makes_files_readable_by_their_owner_only_and_never_replaces_one(environment_file):
    before = environment_file.read_text()
    assert environment_file.stat().st_mode & 0o777 == 0o600
    assert CliRunner().invoke(build(["init"]), ["init", "--compose", str(environment_file)]).exit_code == 3
    assert environment_file.read_text() == before


def test_two_inits_share_no_secret(environment_file, tmp_path):
    other = tmp_path / "other.env"
    CliRunner().invoke(build(["init"]), ["init", "--compose", str(other)])

    def secrets(file):
        return {
            line.split("=", 1)[1]
            for line in file.read_text().splitlines()
            if re.search(r"(SECRET|PASSWORD|KEYS?|KEY_BASE|TOKEN|SALT)$", line.split("=")[0])
        }

    assert not secrets(environment_file) & secrets(other)


def test_docker_compose_accepts_the_file(environment_file):
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose client here: the file is checked by the tests above only")
    done = subprocess.run(
        [docker, "compose", "--env-file", str(environment_file), "-f", str(FILE), "config", "-q"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
