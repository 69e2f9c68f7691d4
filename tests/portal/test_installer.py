"""The installer against the running service: on a machine that has nothing of ours, killed at each step, refused, removed."""

import json
import os
import secrets
import stat
import subprocess
import sys
import time

import pytest

from glue.actions.machines import read_license
from glue.client import command, genuine
from glue.client.places import data_folder, launcher
from glue.client.spool import Kept, Spool
from portal.installer import Installer
from tests.installer.clean_machine import WORKS, CleanMachine

pytestmark = pytest.mark.skipif(not WORKS, reason="bubblewrap does not work on this machine")


def license_of(person):
    return read_license(person.portal.services.actions, person.tenant)


@pytest.fixture
def machine(tmp_path):
    return CleanMachine(tmp_path, machine_id=secrets.token_hex(16))


@pytest.fixture
def line(portal):
    return f"curl -fsSL {portal.url}/install.sh | sh -s -- --yes --json"


def test_killed_at_each_step_it_finishes_with_one_machine(paula, machine, line):
    before = len(license_of(paula).machines)
    key = license_of(paula).license.key
    for step in range(1, 7):
        asked = {"CODITECT_LICENSE_KEY": key} if step < 4 else {}  # later it is known
        assert f"[{step}/6]" in machine.run_until(f"[{step}/6]", line, **asked)
        assert len(license_of(paula).machines) <= before + 1
    code, printed, said = machine.run(line)
    assert code == 0, said
    report = json.loads(printed)
    assert [one.fingerprint for one in license_of(paula).machines].count(report["fingerprint"]) == 1
    assert len(license_of(paula).machines) == before + 1
    assert all(one.last_seen_at for one in license_of(paula).machines if one.fingerprint == report["fingerprint"])
    assert "PATH" in report["to_do"]
    settings = machine.home / ".config/coditect/config.json"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert not (machine.home / ".local/state/coditect/installer").exists()

    code, status = machine.coditect("status", network=False)
    assert (code, status["active"], status["kind"]) == (0, True, "machine")
    assert machine.coditect("check api_calls")[0] == 0
    assert machine.coditect("doctor")[0] == 0

    assert machine.coditect("uninstall") == (0, {"removed": True, "place_freed": True, "usage_not_told": 0})
    assert len(license_of(paula).machines) == before
    assert [str(path) for path in machine.home.rglob("*") if "coditect" in path.name] == []


def test_killed_at_any_moment_it_leaves_nothing_that_stops_the_next_run(paula, machine, line):
    before = len(license_of(paula).machines)
    key = license_of(paula).license.key
    for milliseconds in (100, 250, 500, 800):
        with machine.start(line, CODITECT_LICENSE_KEY=key) as process:
            time.sleep(milliseconds / 1000)
            process.kill()
            process.communicate()
    code, _, said = machine.run(line, CODITECT_LICENSE_KEY=key)
    assert code == 0, said
    assert len(license_of(paula).machines) == before + 1
    for milliseconds in (150, 300):
        with machine.start("~/.local/bin/coditect uninstall") as process:
            time.sleep(milliseconds / 1000)
            process.kill()
            process.communicate()
    code, _, said = machine.run(f"{line.replace('-- --yes', '-- uninstall --yes')}")
    assert code == 0, said
    assert len(license_of(paula).machines) == before
    assert [str(path) for path in machine.home.rglob("*") if "coditect" in path.name] == []


def test_two_at_once_end_with_one_machine(paula, machine, line):
    before = len(license_of(paula).machines)
    key = license_of(paula).license.key
    with machine.start(line, CODITECT_LICENSE_KEY=key) as one, machine.start(line, CODITECT_LICENSE_KEY=key) as other:
        said = [process.communicate(timeout=60)[1] for process in (one, other)]
    assert {one.returncode, other.returncode} <= {0, 1, 4, 5}, said
    code, _, said = machine.run(line, CODITECT_LICENSE_KEY=key)
    assert code == 0, said
    assert len(license_of(paula).machines) == before + 1
    assert machine.coditect("check api_calls")[0] == 0
    assert machine.coditect("uninstall")[1]["place_freed"] is True
    assert [str(path) for path in machine.home.rglob("*") if "coditect" in path.name] == []


def test_a_full_plan_refuses_until_a_place_is_freed(charlie, machine, line):
    first = CleanMachine(machine.folder / "first", machine_id=secrets.token_hex(16))
    key = license_of(charlie).license.key
    assert first.run(line, CODITECT_LICENSE_KEY=key)[0] == 0
    code, printed, _ = machine.run(line, CODITECT_LICENSE_KEY=key)
    assert (code, json.loads(printed)["error"]) == (3, "limit_reached")
    assert first.coditect("uninstall")[1]["place_freed"] is True
    assert machine.run(line)[0] == 0
    assert machine.coditect("deactivate")[0] == 0
    assert license_of(charlie).machines == ()


def test_at_a_terminal_it_asks_for_the_key_without_showing_it(portal, charlie, tmp_path):
    key = license_of(charlie).license.key
    environ = {"HOME": str(tmp_path / "a home"), "PATH": "/usr/bin:/bin", "CODITECT_PYTHON": sys.executable}
    (tmp_path / "a home").mkdir()
    spawn = f"import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(['sh', '-c', 'curl -fsSL {portal.url}/install.sh | sh'])))"
    with subprocess.Popen([sys.executable, "-c", spawn], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        shown = ""
        while "License key" not in shown:
            shown += os.read(process.stdout.fileno(), 1000).decode()
        os.write(process.stdin.fileno(), f"{key}\n".encode())
        shown += process.stdout.read().decode()
    assert process.returncode == 0, shown
    assert "[6/6]" in shown
    assert key not in shown
    freed = subprocess.run([tmp_path / "a home/.local/bin/coditect", "uninstall"], env=environ, capture_output=True, text=True, check=False)
    assert freed.returncode == 0, freed.stderr


def test_a_machine_without_an_id_of_its_own_is_the_same_one_again(paula, tmp_path, line):
    machine = CleanMachine(tmp_path)
    key = license_of(paula).license.key
    machine.run_until("[3/6]", line, CODITECT_LICENSE_KEY=key)
    held = len(license_of(paula).machines)
    assert machine.run(line)[0] == 0
    assert len(license_of(paula).machines) == held
    assert machine.coditect("uninstall")[0] == 0


def test_a_refused_license_is_told_in_words_with_a_link_and_leaves_nothing_behind(portal, machine, line):
    code, printed, _ = machine.run(f"{line} --key no-such-key")
    answer = json.loads(printed)
    assert (code, answer["error"]) == (3, "unauthenticated")
    assert "There is no such license." in answer["detail"]
    assert f"{portal.url}/licenses" in answer["detail"]
    assert not (machine.home / ".config").exists()
    assert not (machine.home / ".local/bin").exists()


def test_without_a_key_and_a_terminal_it_says_what_to_give(machine, line):
    code, printed, _ = machine.run(line)
    assert code == 2
    assert "CODITECT_LICENSE_KEY" in json.loads(printed)["detail"]


def test_a_carried_bundle_installs_without_network(paula, machine):
    answer = paula.get("/licenses/offline")
    assert answer.status_code == 200, answer.text
    (machine.home / "coditect-offline.tar.gz").write_bytes(answer.content)
    code, printed, said = machine.run(
        "tar xzOf coditect-offline.tar.gz install.sh | sh -s -- --offline coditect-offline.tar.gz --json", network=False
    )
    assert code == 0, said
    assert json.loads(printed)["good_until"]
    assert machine.coditect("status", network=False)[1]["active"] is True
    code, report = machine.coditect("doctor", network=False)
    assert (code, report["connection"]) == (0, {"offline": True})
    assert machine.coditect("uninstall", network=False)[1]["removed"] is True


def test_a_file_of_another_machine_is_refused(paula, machine, line):
    other = CleanMachine(machine.folder / "other", machine_id=secrets.token_hex(16))
    code, printed, said = other.run(line, CODITECT_LICENSE_KEY=license_of(paula).license.key)
    assert code == 0, said
    (machine.home / "bundle.tar.gz").write_bytes(paula.get(f"/licenses/offline?machine={json.loads(printed)['fingerprint']}").content)
    code, printed, _ = machine.run("tar xzOf bundle.tar.gz install.sh | sh -s -- --offline bundle.tar.gz --json", network=False)
    assert code == 3
    assert "another machine" in json.loads(printed)["detail"]
    assert other.coditect("uninstall")[0] == 0


def test_the_page_shows_the_lines_and_old_versions_are_not_answered(portal, alice):
    page = alice.open("/licenses")
    assert f"curl -fsSL {portal.url}/install.sh | sh" in page.text
    assert f"irm {portal.url}/install.ps1 | iex" in page.text
    assert alice.get("/install/0.0.0-0/coditect.tar.gz").status_code == 404
    assert alice.get("/install/key.pem").text.startswith("-----BEGIN PUBLIC KEY-----")


@pytest.fixture
def here(paula, tmp_path, monkeypatch, capsys):
    """The installer's Python part in this process: exit code and answer. The bundle is opened as the scripts open it."""
    for name in ("CONFIG", "STATE", "DATA"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    installer = Installer(paula.portal.services.settings.installer_key.get_secret_value(), url=paula.portal.url)
    for name, content in installer.files().items():
        (tmp_path / name).write_bytes(content)
    assert genuine.main([str(tmp_path), installer.public_key, installer.bundle.sha256]) == 0
    monkeypatch.setenv("CODITECT_LICENSE_KEY", license_of(paula).license.key)

    def run(*words):
        if words[0] == "install":
            words = (*words, "--url", paula.portal.url, "--bundle", str(tmp_path / "bundle"))
        code = command.run([*words, "--yes", "--json"])
        # The service runs in this process too, and says on the same stream what it does.
        return code, next(json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{"))

    yield run
    run("uninstall")


def test_a_key_that_nobody_knows_installs_nothing(here, tmp_path):
    code, answer = here("install", "--key", "no-such-key")
    assert (code, answer["error"]) == (3, "unauthenticated")
    assert not (tmp_path / "home").exists()


def test_a_foreign_command_of_that_name_stays_and_a_damaged_environment_is_built_again(here):
    launcher().parent.mkdir(parents=True)
    launcher().write_text("echo mine")
    code, answer = here("install")
    assert (code, answer["error"]) == (2, "wrong_use")
    assert launcher().read_text() == "echo mine"
    launcher().unlink()
    assert here("install")[0] == 0
    broken = next(data_folder().rglob("glue/client/command.py"))
    broken.write_text("syntax error")
    assert here("install")[0] == 0
    assert broken.read_text() != "syntax error"
    assert here("uninstall") == (0, {"removed": True, "place_freed": True, "usage_not_told": 0})


def test_what_was_used_and_not_told_survives_an_uninstall(here, paula):
    assert here("install")[0] == 0
    machines = len(license_of(paula).machines)
    Spool().keep(Kept("/v1/usage", [], "a-key"))
    assert here("uninstall", "--keep-place") == (0, {"removed": True, "place_freed": False, "usage_not_told": 1})
    assert len(Spool().waiting()) == 1
    assert len(license_of(paula).machines) == machines
    assert here("install")[0] == 0
