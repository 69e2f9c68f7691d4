"""What time brings, a clock shared with others, what a restart keeps."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keygen_driver import HOOKS, Keygen, Receiver, running

DAY = timedelta(days=1)


def names(keygen: Keygen, receiver: Receiver, path: str) -> list[str]:
    keygen.control("/clock")
    return [hook.event for hook in receiver.under(path)]


def test_license_warns_each_day_then_expires_once(fresh_keygen: Keygen, receiver: Receiver) -> None:
    path = "/expiry/200"
    events = ["license.expiring-soon", "license.expired"]
    fresh_keygen.made("webhook-endpoints", {"url": receiver.url(path), "subscriptions": events})
    license_row = fresh_keygen.license(expiry=(fresh_keygen.now() + 5 * DAY).isoformat())
    fresh_keygen.advance(days=1)
    assert names(fresh_keygen, receiver, path) == []
    fresh_keygen.advance(days=3)
    assert names(fresh_keygen, receiver, path) == ["license.expiring-soon"] * 2
    fresh_keygen.advance(days=30)
    assert sorted(names(fresh_keygen, receiver, path)) == ["license.expired", *["license.expiring-soon"] * 3]
    assert fresh_keygen.attributes(f"/licenses/{license_row['id']}")["status"] == "EXPIRED"
    [expired] = fresh_keygen.call("GET", "/webhook-events?events[]=license.expired").json()["data"]
    late = datetime.fromisoformat(expired["attributes"]["created"]) - datetime.fromisoformat(license_row["attributes"]["expiry"])
    assert timedelta(0) <= late <= timedelta(minutes=11)


def test_license_expired_long_ago_makes_no_event(fresh_keygen: Keygen) -> None:
    fresh_keygen.made("webhook-endpoints", {"url": f"https://{HOOKS}/x", "subscriptions": ["license.expired"]})
    fresh_keygen.license(expiry=(fresh_keygen.now() - 2 * DAY).isoformat())
    fresh_keygen.advance(days=2)
    assert fresh_keygen.call("GET", "/webhook-events").json()["data"] == []


def test_check_in_falls_due_and_is_made_good(fresh_keygen: Keygen) -> None:
    license_row = fresh_keygen.license(fresh_keygen.policy(requireCheckIn=True, checkInInterval="day", checkInIntervalCount=1))
    fresh_keygen.control("/keygen/age", {"args": ["overdue", license_row["id"]]})
    assert fresh_keygen.validate(license_row)["meta"]["code"] == "OVERDUE"
    assert fresh_keygen.call("POST", f"/licenses/{license_row['id']}/actions/check-in").status_code == 200
    assert fresh_keygen.validate(license_row)["meta"]["code"] == "VALID"


def test_idle_license_is_inactive_until_validated(fresh_keygen: Keygen) -> None:
    license_row = fresh_keygen.license()
    fresh_keygen.control("/keygen/age", {"args": ["idle", license_row["id"]]})
    path = f"/licenses/{license_row['id']}"
    assert fresh_keygen.attributes(path)["status"] == "INACTIVE"
    fresh_keygen.validate(license_row)
    assert fresh_keygen.attributes(path)["status"] == "ACTIVE"


def test_clock_moved_by_another_is_caught_up_with_by_itself(tmp_path: Path, receiver: Receiver) -> None:
    clock = tmp_path / "offset"
    with running("--clock", str(clock), "--trust", str(receiver.authority), "--resolve", f"{HOOKS}=127.0.0.1") as keygen:
        keygen.made("webhook-endpoints", {"url": receiver.url("/shared/200"), "subscriptions": ["license.expired"]})
        keygen.license(expiry=(datetime.now(UTC) + DAY).isoformat())
        clock.write_text(repr((DAY + timedelta(hours=1)).total_seconds()))
        deadline = time.monotonic() + 5
        while not receiver.under("/shared") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [hook.event for hook in receiver.under("/shared")] == ["license.expired"]


def test_restart_keeps_records_keys_and_tokens_and_reset_only_the_account(tmp_path: Path) -> None:
    with running("--state", str(tmp_path)) as keygen:
        license_row, token, account = keygen.license(), keygen.admin, keygen.account_id
        key = keygen.public_key.public_bytes_raw()
    with running("--state", str(tmp_path)) as keygen:
        assert (keygen.account_id, keygen.public_key.public_bytes_raw()) == (account, key)
        assert keygen.call("GET", f"/licenses/{license_row['id']}", auth=token).status_code == 200
        keygen.control("/reset")
        assert keygen.call("GET", "/me", auth=token).status_code == 401
        keygen.login()
        assert keygen.call("GET", "/licenses").json()["data"] == []
        assert keygen.public_key.public_bytes_raw() == key


def test_year_as_a_duration_counts_calendar_months(fresh_keygen: Keygen) -> None:
    fresh_keygen.control("/clock", {"now": "2027-01-31T12:00:00Z"})
    license_row = fresh_keygen.license(fresh_keygen.policy(duration=2_629_746))
    assert license_row["attributes"]["expiry"].startswith("2027-02-28T12:00:0")
