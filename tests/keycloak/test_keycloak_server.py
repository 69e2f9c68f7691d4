"""Starting and stopping: two at once do not meet, data stay where a home is named, errors say what to do."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from glue.cli.keycloak import app
from glue.errors import ConfigInvalid, Unavailable
from glue.ops.keycloak_install import distribution_folder
from glue.ops.keycloak_prepared import class_archive
from glue.ops.keycloak_server import Running, start

ROOT = Path(__file__).parents[2]
REALM_FOLDER = ROOT / "keycloak-realm"
pytestmark = [pytest.mark.keycloak, pytest.mark.timeout(600), pytest.mark.usefixtures("keycloak_installed")]


def token_of(server: Running) -> dict:
    form = {"grant_type": "client_credentials", "client_id": server.service_client_id, "client_secret": server.service_client_secret}
    return httpx.post(f"{server.issuer}/protocol/openid-connect/token", data=form).json()


def organizations(server: Running) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token_of(server)['access_token']}"}
    return httpx.Client(base_url=f"{server.url}/admin/realms/glue/organizations", headers=headers)


@pytest.fixture(scope="module")
def prepared(keycloak_installed):
    """The realm is imported and Java's classes are archived: once a machine, it takes a minute."""
    result = CliRunner().invoke(app, ["prepare", "--realm-folder", str(REALM_FOLDER)])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def own(prepared, tmp_path_factory):
    """A server beside ``keycloak``, in a home of its own, with a secret of its own."""
    values = {"GLUE_KEYCLOAK__SERVICE_CLIENT_SECRET": "service-secret-1", "GLUE_PUBLIC_URL": "http://localhost:1"}
    with start(realm_folder=REALM_FOLDER, values=values, home=tmp_path_factory.mktemp("home") / "0") as server:
        yield server


@pytest.mark.slow
def test_two_at_once_do_not_meet(own, keycloak):
    assert own.service_client_secret == "service-secret-1" != keycloak.service_client_secret
    with organizations(own) as ours, organizations(keycloak) as theirs:
        assert ours.post("", json={"name": "Acme", "alias": "acme"}).status_code == 201
        assert "acme" not in [row["alias"] for row in theirs.get("").json()]
    foreign = httpx.post(
        f"{keycloak.issuer}/protocol/openid-connect/token",
        data={"grant_type": "client_credentials", "client_id": "glue-service", "client_secret": "service-secret-1"},
    )
    assert foreign.status_code == 401


@pytest.mark.slow
def test_prepared_start_uses_the_archive_of_classes(own):
    assert class_archive().stat().st_size > 50_000_000
    if Path("/proc/self").exists():
        assert f"AOTCache={class_archive()}".encode() in Path(f"/proc/{own.pid}/cmdline").read_bytes()
    files = list(distribution_folder().parent.glob("realm-*/imported.json"))
    assert files
    for file in files:
        assert file.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_home_keeps_its_data_and_serves_one_at_a_time(own):
    home = Path(own.home)
    with organizations(own) as ours:
        assert ours.post("", json={"name": "Heron", "alias": "heron"}).status_code == 201
    with pytest.raises(Unavailable, match="may be already in use"):
        start(realm_folder=REALM_FOLDER, home=home)
    own.stop()
    assert own.process.popen.poll() is not None
    with start(realm_folder=REALM_FOLDER, home=home) as again, organizations(again) as ours:
        assert again.service_client_secret == "service-secret-1"
        assert "heron" in [row["alias"] for row in ours.get("").json()]
        assert home.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells who listens where")
def test_everything_listens_on_loopback_only(keycloak):
    ports = {int(url.rpartition(":")[2]) for url in (keycloak.url, keycloak.management_url)}
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = {
        local.rpartition(":")[0] for _, local, _, state, *_ in lines if state == "0A" and int(local.rpartition(":")[2], 16) in ports
    }
    assert listening
    assert listening <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_health_and_metrics_answer(keycloak):
    assert httpx.get(f"{keycloak.management_url}/health/ready").json()["status"] == "UP"
    assert "jvm_memory" in httpx.get(f"{keycloak.management_url}/metrics").text


def test_taken_port_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Unavailable, match="Address already in use"):
        start(realm_folder=REALM_FOLDER, port=taken.getsockname()[1])


@pytest.mark.slow
def test_realm_that_keycloak_refuses_is_told_with_its_reason(tmp_path):
    (tmp_path / "themes").mkdir()
    (tmp_path / "x-realm.json").write_text(json.dumps({"realm": "x", "clients": [{"clientId": "a", "defaultClientScopes": 7}]}))
    with pytest.raises(ConfigInvalid, match="did not import"):
        start(realm_folder=tmp_path)


@pytest.mark.slow
def test_command_prints_one_line_and_stops_on_a_signal():
    words = [sys.executable, "-m", "glue", "keycloak", "start", "--json", "--realm-folder", str(REALM_FOLDER)]
    environment = os.environ | {"GLUE_KEYCLOAK__API_CLIENT_SECRET": "given-api-secret"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest, told = process.communicate(timeout=60)
    assert (rest, process.returncode) == ("", 0)
    assert told.endswith("Stopped.\n")
    assert facts["api_client_secret"] == "given-api-secret"
    assert {"url", "realm", "issuer", "admin_client_id", "admin_client_secret", "management_url", "pid"} <= facts.keys()
    assert not Path(facts["home"]).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(facts["pid"], 0)
