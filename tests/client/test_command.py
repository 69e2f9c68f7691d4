"""The ``coditect`` command: exit codes and what it prints."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

import glue.client.command as command
from glue.client.client import Client

from .conftest import sign


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch, service):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(command, "Client", partial(Client, transport=service))


@pytest.fixture
def run(capsys):
    def run(*arguments):
        code = command.run(arguments)
        printed = capsys.readouterr()
        # Other tests' servers may say something on the same stream.
        answer = next((line for line in printed.out.splitlines() if line.startswith("{")), "")
        return code, json.loads(answer) if answer else printed.out + printed.err

    return run


@pytest.fixture
def activated(run, key, monkeypatch):
    monkeypatch.setenv("CODITECT_LICENSE_KEY", key)
    code, report = run("activate", "--url", "http://glue.test", "--json")
    assert code == 0
    monkeypatch.delenv("CODITECT_LICENSE_KEY")
    return report


def test_activation_stores_a_file_that_status_reads_without_network(run, activated, service):
    service.down = ["cut"] * 10
    code, report = run("status", "--json")
    assert code == 0
    assert report["active"] is True
    assert report["kind"] == "machine"
    code, text = run("status")
    assert re.search(r"active\s+True", text)


def test_settings_are_readable_by_their_owner_only(activated):
    assert command.config_file().stat().st_mode & 0o777 == 0o600
    assert json.loads(command.config_file().read_text())["license_key"]


def test_before_activation_everything_says_what_to_do(run):
    assert run("status")[0] == 1
    code, text = run("check")
    assert code == 2
    assert "coditect activate" in text
    code, report = run("doctor", "--json")
    assert code == 1
    assert "coditect activate" in report["settings"]["problem"]
    assert report["usage"] == {"waiting": 0}


def test_check_answers_by_its_exit_code(run, activated):
    assert run("check", "credits", "--json")[0] == 0
    code, report = run("check", "credits", "--units", "51", "--json")
    assert (code, report["error"]) == (3, "limit_reached")
    assert run("check", "--feature", "exports")[0] == 0
    code, text = run("check", "--feature", "own_models")
    assert (code, text) == (3, "Not allowed: not_included.\n")


def test_a_full_plan_refuses_and_a_freed_place_lets_in(run, key, service):
    service.places = 0
    code, report = run("activate", "--url", "http://glue.test", "--key", key, "--json")
    assert (code, report["error"]) == (3, "limit_reached")
    assert not command.config_file().exists()


def test_a_service_that_is_away_has_its_own_code(run, activated, service):
    service.down = ["cut"] * 3
    assert run("check", "credits")[0] == 4


def test_deactivation_frees_the_place(run, activated, service):
    assert service.machines
    assert run("deactivate")[0] == 0
    assert not service.machines
    assert run("status")[0] == 1


def test_a_forged_file_is_found(run, activated):
    text = command.license_file().read_text().splitlines()
    command.license_file().write_text("\n".join([text[0], text[1][::-1], *text[2:]]))
    assert run("status")[0] == 1
    code, report = run("doctor", "--json")
    assert code == 1
    assert "problem" in report["file"]
    assert report["connection"] == {"standing": "active"}


def test_doctor_is_content_when_all_is_well_and_sees_what_is_not(run, activated):
    code, report = run("doctor", "--json")
    assert (code, report["failed"]) == (0, False)
    command.config_file().chmod(0o644)
    assert "chmod 600" in run("doctor", "--json")[1]["settings"]["problem"]


def test_wrong_use_exits_with_two():
    with pytest.raises(SystemExit) as caught:
        command.run(["explode"])
    assert caught.value.code == 2


def test_the_client_needs_little():
    import subprocess
    import sys

    script = "import sys, glue.client, glue.client.command; print(sorted({name.split('.')[0] for name in sys.modules}))"
    modules = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    for absent in ("typer", "pydantic", "sqlalchemy", "fastapi", "orjson"):
        assert f"'{absent}'" not in modules


@pytest.mark.parametrize(("hours_old", "renewed"), [(0.4, False), (0.6, True), (2, True)])
@pytest.mark.parametrize("words", [("check", "credits"), ("doctor",)])
def test_file_is_renewed_by_whoever_talks_to_the_service_when_half_its_time_is_over(run, activated, words, hours_old, renewed):
    now = datetime.now(UTC)
    issued = now - timedelta(hours=hours_old)
    facts = {"id": "m1", "attributes": {"fingerprint": activated["fingerprint"]}}
    old = sign("machine", facts, issued=issued, expires=issued + timedelta(hours=1))
    command.license_file().write_text(old)
    run(*words, "--json")
    assert (command.license_file().read_text() != old) is renewed
    assert command.license_file().stat().st_mode & 0o777 == 0o600


def test_file_that_cannot_be_renewed_stays(run, activated, service):
    now = datetime.now(UTC)
    facts = {"id": "m1", "attributes": {"fingerprint": activated["fingerprint"]}}
    old = sign("machine", facts, issued=now - timedelta(hours=1), expires=now + timedelta(minutes=1))
    command.license_file().write_text(old)
    service.down = ["cut"] * 10
    assert run("check", "credits")[0] == 4
    assert run("status")[0] == 0
    assert command.license_file().read_text() == old
