"""The operator's commands, as typed, against the sandboxes."""

import json
import logging
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from glue.catalog.apply import apply_plan, plan_files
from glue.cli import build
from glue.ops import schema
from glue.wiring import services
from tests.converge.test_on_sandboxes import Stack

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(monkeypatch, tmp_path, sandbox_clock, lago_settings, keygen_settings, identity_settings, mail_settings):
    values = {
        "PUBLIC_URL": "http://localhost:8300",
        "SECRET_KEYS": json.dumps(["a-key-of-this-test-only"]),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'glue.db'}",
        "CONFIG_DIR": str(ROOT),
        "CLOCK_FILE": str(sandbox_clock),
    }
    parts = {"KEYCLOAK": identity_settings, "LAGO": lago_settings, "KEYGEN": keygen_settings, "MAIL": mail_settings}
    for part, settings in parts.items():
        for name in settings.model_fields_set:
            value = getattr(settings, name)
            if isinstance(value, list):
                value = json.dumps([one.get_secret_value() for one in value])
            values[f"{part}__{name.upper()}"] = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
    for name, value in values.items():
        monkeypatch.setenv(f"GLUE_{name}", value)
    # As the command line has it: logs are no output.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def tenant(environment, identity_settings):
    service = services()
    catalog = service.systems()
    plan = plan_files(ROOT, catalog)
    apply_plan(plan, catalog, digest=plan.digest)
    schema.upgrade(service.database)
    stack = Stack(service.database, service.clock, service.upstreams, identity_settings)
    tenant = stack.settled("pro")
    yield tenant
    service.close()
    service.database.close()


def _run(*words, code=0):
    result = CliRunner().invoke(build(list(words)), list(words))
    assert result.exit_code == code, result.output + str(result.exception)
    return result.stdout


def _json(*words, code=0):
    return json.loads(_run(*words, "--json", code=code))


def test_customers_are_listed_and_shown(tenant):
    assert [row["tenant"] for row in _json("tenants", "list")] == [tenant]
    assert _json("tenants", "list", "--standing", "suspended") == []
    shown = _json("tenants", "show", tenant)
    assert (shown["tier"], shown["standing"]) == ("pro", "trialing")
    assert shown["timeline"][-1]["text"] == "Registered for pro."
    assert "Ada's school" in _run("tenants", "show", tenant)


def test_drift_is_proven_found_and_decided(tenant):
    assert "one story" in _run("drift", "check")
    license_id = _json("licenses", "show", tenant)["id"]
    service = services()
    service.keygen.update_license(license_id, suspended=True)
    assert _json("drift", "check", code=1)["differing"] == [{"tenant": tenant, "fields": ["license.suspended"]}]
    _run("tenants", "converge", tenant)
    assert "looked at" in _run("inbox", "drain")
    assert [line["field"] for line in _json("drift", "show")] == ["license.suspended"]
    _run("drift", "repair", tenant, "--field", "license.suspended")
    _run("inbox", "drain")
    assert _json("drift", "show") == []
    assert _json("licenses", "show", tenant)["suspended"] is False
    service.close()


def test_suspend_and_resume(tenant):
    _run("tenants", "suspend", tenant, "--reason", "Abuse was reported.")
    _run("inbox", "drain")
    assert _json("licenses", "show", tenant)["suspended"] is True
    _run("tenants", "resume", tenant)
    _run("inbox", "drain")
    assert _json("licenses", "show", tenant)["suspended"] is False


def test_grants(tenant):
    _run("tenants", "grant", tenant, "--machines", "9", "--limit", "api_calls=unlimited", "--feature", "own_models=on")
    _run("inbox", "drain")
    assert _json("licenses", "show", tenant)["most_machines"] == 9
    _run("tenants", "grant", tenant, "--limit", "nonsense=5", code=2)
    _run("tenants", "grant", tenant, "--feature", "exports=maybe", code=2)
    _run("tenants", "grant", tenant, "--seats", "-1", code=2)


def test_machines_and_license_file(tenant, tmp_path):
    _run("machines", "activate", "fingerprint-1", "--name", "laptop", "--tenant", tenant)
    _run("machines", "activate", "fingerprint-2", "--tenant", tenant)
    _run("machines", "activate", "fingerprint-3", "--tenant", tenant, code=3)
    assert len(_json("machines", "list", "--tenant", tenant)) == 2
    _run("licenses", "file", tenant, "--to", str(tmp_path / "machine.lic"), "--fingerprint", "fingerprint-1")
    assert "MACHINE FILE" in (tmp_path / "machine.lic").read_text()
    _run("machines", "remove", "laptop", "--tenant", "Ada's school")
    assert len(_json("machines", "list", "--tenant", tenant)) == 1


def test_key_is_never_printed_and_can_be_replaced(tenant):
    service = services()
    before = _json("licenses", "show", tenant)["id"]
    assert service.keygen.find_license(before).key not in _run("licenses", "show", tenant)
    _run("licenses", "reissue", tenant)
    _run("inbox", "drain")
    assert _json("licenses", "show", tenant)["id"] != before
    assert service.keygen.find_license(before).suspended
    service.close()


def test_export_and_inbox_and_unknown_customers(tenant, tmp_path):
    _run("tenants", "export", tenant, "--to", str(tmp_path / "all.zip"))
    assert (tmp_path / "all.zip").read_bytes()[:2] == b"PK"
    assert _json("inbox", "list") == {"total": 0, "deliveries": []}
    assert _json("inbox", "unclear") == []
    _run("inbox", "replay", "1", code=1)
    _run("inbox", "send-again", "nothing", code=1)
    _run("inbox", "list", "--since", "yesterday", code=2)
    _run("tenants", "show", "nobody we know", code=1)
    _run("tenants", "show", "t00000000000000", code=1)
    assert "Confirmed for 0" in _run("drift", "confirm")


def test_customer_is_named_as_people_name_it(tenant):
    assert _json("tenants", "show", "ada's SCHOOL")["tenant_id"] == tenant
    license_id = _json("licenses", "list", "--tenant", "Ada's school")[0]["id"]
    assert _json("licenses", "show", license_id)["id"] == license_id
    assert _json("tenants", "list", "--plan", "pro", "--standing", "trialing")[0]["tenant"] == tenant


def test_revoked_license_stays_so_until_somebody_decides(tenant):
    _run("licenses", "revoke", tenant)
    _run("inbox", "drain")
    assert _json("licenses", "show", tenant)["suspended"] is True
    assert [line["field"] for line in _json("drift", "show", tenant)] == ["license.suspended"]
    _run("drift", "repair")
    _run("inbox", "drain")
    assert _json("licenses", "show", tenant)["suspended"] is True, "a repair decides nothing by itself"
    _run("drift", "repair", "--field", "license.suspended", code=2)
    _run("drift", "repair", tenant, "--field", "license.suspended")
    _run("inbox", "drain")
    assert _json("licenses", "show", tenant)["suspended"] is False


def test_operator_invites_changes_cancels_and_erases(tenant):
    _run("tenants", "invite", tenant, "--email", "grace@example.com", "--role", "billing")
    _run("tenants", "invite", tenant, "--email", "grace@example.com", code=3)
    _run("tenants", "change-plan", tenant, "--plan", "Team")
    _run("inbox", "drain")
    assert _json("tenants", "show", tenant)["tier"] == "team"
    _run("tenants", "change-plan", tenant, "--plan", "golden", code=2)
    _run("tenants", "erase", tenant, "--confirm", "Ada's school", code=3)
    _run("tenants", "cancel", tenant, "--now")
    _run("inbox", "drain")
    _run("tenants", "erase", tenant, "--confirm", "another", code=2)
    _run("tenants", "erase", tenant, "--confirm", "Ada's school")
    _run("inbox", "drain")
    _run("tenants", "show", tenant, code=1)


def test_usage_is_shown_and_sent_again(tenant):
    _run("tenants", "converge", tenant)
    _run("inbox", "drain")
    service = services()
    service.meter.record_usage(tenant, "api_calls", 7, key="k", occurred_at=service.clock.now())
    assert service.meter.flush_now(tenant)
    day = f"{service.clock.now():%Y-%m-%d}"
    shown = _json("usage", "show", tenant, "--since", day)
    assert ("api_calls", 7.0) in [(row["meter"], float(row["units"])) for row in shown["days"]]
    assert "events go out again" in _run("usage", "replay", tenant, "--since", day)
    assert service.meter.flush_now(tenant), "Lago has it already, and says so"
    assert service.meter.compare_with_lago(tenant) == []
    service.meter.stop()
    service.close()


def test_backup_is_restored_and_everybody_looked_at(tenant, tmp_path):
    _run("tenants", "change-plan", tenant, "--plan", "team")
    file = tmp_path / "b.tar.gz"
    assert "stores/glue.db" in _json("backup", "--to", str(file))["files"]
    _run("inbox", "drain")
    assert _json("tenants", "show", tenant)["tier"] == "team"
    assert "1 customers" in _run("restore", str(file), "--yes")
    assert _json("tenants", "show", tenant)["tier"] == "pro", "as it was when the backup was made"
    _run("inbox", "drain")
    assert _json("tenants", "show", tenant)["tier"] == "team", "what Lago says now is found"
    _run("restore", str(tmp_path / "missing"), "--yes", code=2)
