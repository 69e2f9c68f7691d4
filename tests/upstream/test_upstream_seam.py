"""The breaker, the redaction and the strict readers, by themselves."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from glue.errors import BadInput, ConfigInvalid
from glue.settings import KeygenSettings
from glue.upstream.calling import Breaker, Calls
from glue.upstream.keycloak.calls import checked_id as keycloak_id
from glue.upstream.keygen import Keygen
from glue.upstream.keygen.calls import checked_id as keygen_id
from glue.upstream.lago.calls import checked_code
from glue.upstream.lago.calls import checked_id as lago_id
from glue.upstream.reading import day, decimal, instant, iso, known_instant, text, whole


def open_breaker() -> tuple[Breaker, list[float]]:
    now = [100.0]
    breaker = Breaker(time=lambda: now[0])
    for _ in range(5):
        breaker.record(answered=False)
    return breaker, now


def test_breaker_lets_one_probe_through_after_five_seconds() -> None:
    breaker, now = open_breaker()
    assert breaker.seconds_to_wait() == 5
    now[0] += 5
    assert breaker.seconds_to_wait() == 0
    assert breaker.seconds_to_wait() == 5


def test_a_good_probe_closes_the_breaker_and_a_bad_one_does_not() -> None:
    breaker, now = open_breaker()
    now[0] += 5
    assert breaker.seconds_to_wait() == 0
    breaker.record(answered=False)
    assert breaker.seconds_to_wait() == 5
    now[0] += 5
    assert breaker.seconds_to_wait() == 0
    breaker.record(answered=True)
    assert breaker.seconds_to_wait() == 0


def test_four_failures_and_a_success_start_the_count_anew() -> None:
    breaker = Breaker()
    for answered in [False] * 4 + [True] + [False] * 4:
        breaker.record(answered=answered)
    assert breaker.seconds_to_wait() == 0


def test_a_mistake_of_our_own_is_not_dressed_up_as_theirs() -> None:
    calls = Calls("test", lambda _: None)
    with pytest.raises(ZeroDivisionError):
        calls.run("divide", lambda: 1 // 0)


@pytest.mark.parametrize(
    ("told", "gone"),
    [
        ('{"client_secret":"abc"}', "abc"),
        ('{"hmac_key": "abc\\"def"}', "def"),
        ('{"licenseKey":"AAA-BBB"}', "AAA"),
        ('{"token":"cut in the mid', "mid"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig", "eyJzdWIi"),
        ("mail to ada.lovelace@example.test", "ada"),
        ("the password is hunter2hunter2", "hunter2"),
    ],
)
def test_redaction_takes_secrets_and_addresses_out(told: str, gone: str) -> None:
    assert gone not in Calls("test", lambda _: None, secrets=("hunter2hunter2",)).redact(told)


def test_redaction_keeps_what_explains_and_cuts_what_is_long() -> None:
    calls = Calls("test", lambda _: None)
    told = '{"code":"validation_errors","error_details":{"currency":["currencies_does_not_match"]}}'
    assert calls.redact(told) == told
    assert len(calls.redact("x" * 5000)) == 301


@pytest.mark.parametrize("check", [lago_id, keygen_id, keycloak_id])
@pytest.mark.parametrize("value", ["", "x.dev", "a/b", "a b", "ä", "x?y", "../x", "a%2Eb"])
def test_ids_that_reach_elsewhere_are_not_sent(check: object, value: str) -> None:
    with pytest.raises(BadInput):
        check(value)  # type: ignore[operator]


def test_codes_may_hold_dots_but_no_way_out() -> None:
    assert checked_code("v1.calls") == "v1.calls"
    assert checked_code("a/b") == "a%2Fb"
    for bad in ("", ".", ".."):
        with pytest.raises(BadInput):
            checked_code(bad)


def test_keygen_without_any_login_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigInvalid):
        Keygen(KeygenSettings(url="http://127.0.0.1:1", host="a.b.c", account_id="x"))


def test_instants_come_back_in_utc() -> None:
    assert instant("2026-11-22T21:50:01.432Z") == datetime(2026, 11, 22, 21, 50, 1, 432000, UTC)
    assert instant("2026-11-22T22:50:01+01:00") == datetime(2026, 11, 22, 21, 50, 1, tzinfo=UTC)
    assert known_instant("2026-11-22T21:50:01").tzinfo is UTC
    assert instant(None) is None
    assert str(day("2026-11-22T21:50:01Z")) == "2026-11-22"
    with pytest.raises(ValueError, match="missing"):
        known_instant(None)


def test_instants_are_sent_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    assert iso(datetime(2026, 1, 1, 1, 0, tzinfo=east)) == "2025-12-31T23:00:00Z"
    assert iso(datetime(2026, 1, 1, 1, 0, 0, 5000, tzinfo=UTC)) == "2026-01-01T01:00:00.005Z"
    assert iso(None) is None


def test_money_and_units_lose_nothing_on_the_way() -> None:
    assert whole(1200) == 1200
    assert decimal("0.000002") == Decimal("0.000002")
    assert decimal(3) == 3
    assert text(None) == ""
    for bad in (12.5, "12", True, None):
        with pytest.raises(ValueError, match="whole"):
            whole(bad)
    for bad in (0.1, "many", "NaN", "Infinity"):
        with pytest.raises(ValueError, match="number"):
            decimal(bad)
    with pytest.raises(TypeError):
        text(5)
