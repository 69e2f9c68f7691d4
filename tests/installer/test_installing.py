"""Installing from a carried bundle, in this process: no service, no network."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glue.client import command, fingerprint, genuine
from glue.client.places import config_file, launcher, license_file
from portal.installer import Installer
from tests.client.conftest import PUBLIC_KEY, sign

from .test_bundle import KEY

NOW = datetime.now(UTC)


@pytest.fixture
def install(tmp_path, monkeypatch, capsys):
    """Install with a file of the machine ``of``; exit code and answer."""
    for name in ("CONFIG", "STATE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CODITECT_LICENSE_KEY", raising=False)
    installer = Installer(KEY, url="http://127.0.0.1:9")

    def install(of=None, *words, ends=NOW + timedelta(days=1), signer=None):
        if of is not None:
            facts = {"id": "m1", "attributes": {"fingerprint": of}}
            certificate = sign("machine", facts, issued=NOW, expires=ends, **({"signer": signer} if signer else {}))
            (tmp_path / "carried").write_bytes(installer.offline(certificate=certificate, license_public_key=PUBLIC_KEY))
            assert genuine.main([str(tmp_path), installer.public_key, "", str(tmp_path / "carried")]) == 0
        else:
            (tmp_path / "bundle").mkdir(exist_ok=True)
        code = command.run(["install", "--bundle", str(tmp_path / "bundle"), "--yes", "--json", *words])
        answers = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        return code, json.loads(answers[-1])

    return install


def test_a_carried_file_of_this_machine_installs(install):
    code, report = install(fingerprint())
    assert code == 0
    assert report["fingerprint"] == fingerprint()
    assert launcher().stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in (config_file(), license_file())} == {0o600}
    assert command.run(["status", "--json"]) == 0
    assert command.run(["uninstall", "--json"]) == 0
    assert not config_file().parent.exists()
    assert not launcher().exists()


@pytest.mark.parametrize(
    "file",
    [
        {"of": "f" * 64},
        {"of": fingerprint(), "ends": NOW - timedelta(hours=1)},
        {"of": fingerprint(), "signer": Ed25519PrivateKey.generate()},
    ],
    ids=["of another machine", "over", "forged"],
)
def test_a_carried_file_that_proves_nothing_is_refused_with_a_link(install, file):
    code, answer = install(**file)
    assert (code, answer["error"]) == (3, "license_file")
    assert "http://127.0.0.1:9/licenses" in answer["detail"]
    assert fingerprint() in answer["detail"]
    assert not config_file().exists()


def test_without_a_key_it_says_what_to_give(install):
    code, answer = install(None, "--url", "http://127.0.0.1:9")
    assert code == 2
    assert "CODITECT_LICENSE_KEY" in answer["detail"]


def test_a_service_that_is_away_has_its_own_code(install):
    code, answer = install(None, "--url", "http://127.0.0.1:9", "--key", "any-key")
    assert (code, answer["error"]) == (4, "unreachable")
    assert not config_file().exists()
