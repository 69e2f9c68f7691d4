from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from glue.meter.periods import carry_quota, period_end, period_of_fact, place, quota_day
from glue.rules.standing import Standing

from .cast import DECEMBER, NOVEMBER, snapshot_of

FIRST = datetime(2026, 12, 1, tzinfo=UTC)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def seen(period, confirmed_at, **changes):
    return snapshot_of("alice", period=period, confirmed_at=at(confirmed_at), **changes)


@pytest.mark.parametrize("end", ["2026-12-01T00:00:00", "2026-11-30T23:59:59", "2026-11-30T23:59:59.999000"])
def test_period_ends_at_midnight_however_it_is_written(end):
    assert period_end(replace(NOVEMBER, ends_at=at(end))) == FIRST


def test_limits_start_again_at_the_end_of_the_period_even_before_convergence_saw_it():
    period = replace(NOVEMBER, quota_from=date(2026, 11, 1))
    assert quota_day(period, at("2026-11-30T23:59:59.999999")) == date(2026, 11, 1)
    assert quota_day(period, FIRST) == date(2026, 12, 1)


def test_upgrade_in_mid_period_keeps_counting_and_a_new_period_does_not():
    november = replace(NOVEMBER, quota_from=date(2026, 11, 1))
    upgraded = replace(NOVEMBER, started_at=at("2026-11-15T10:00:00"), subscription_started_at=at("2026-11-15T10:00:00.117"))
    assert carry_quota(upgraded, november) == date(2026, 11, 1)
    assert carry_quota(DECEMBER, november) == date(2026, 12, 1)
    swapped = replace(DECEMBER, started_at=at("2026-12-01T00:10:02"))
    assert carry_quota(swapped, november) == date(2026, 12, 1)
    assert carry_quota(NOVEMBER, None) == date(2026, 11, 1)


@pytest.mark.parametrize(
    ("occurred", "now", "period"),
    [
        ("2026-11-24T11:00:00", "2026-11-24T12:00:00", "2026-11-01"),
        ("2026-10-28T11:00:00", "2026-11-24T12:00:00", "2026-11-01"),  # October is invoiced: counts where it is billed
        ("2026-11-30T23:59:59", "2026-12-01T00:05:00", "2026-11-30"),  # November is still open
        ("2026-11-30T23:59:59", "2026-12-01T00:09:00", "2026-12-01"),  # too close to its invoice
        ("2026-12-01T00:00:00", "2026-12-01T00:05:00", "2026-12-01"),
    ],
)
def test_a_fact_counts_in_the_period_it_is_billed_in(occurred, now, period):
    assert period_of_fact(NOVEMBER, occurred_at=at(occurred), now=at(now)) == period


def test_without_a_period_a_fact_counts_in_none():
    assert period_of_fact(None, occurred_at=FIRST, now=FIRST) == ""


def test_usage_of_the_open_period_keeps_its_own_time():
    placed = place("2026-11-01", at("2026-11-24T11:59:00"), now=at("2026-11-24T12:00:00"), snapshot=seen(NOVEMBER, "2026-11-24T12:00:00"))
    assert placed.at == at("2026-11-24T11:59:00")


def test_last_usage_of_a_period_goes_into_it_until_shortly_before_its_invoice():
    last = at("2026-11-30T23:59:58")
    for confirmed, period in (("2026-11-30T23:55:00", NOVEMBER), ("2026-12-01T00:02:00", DECEMBER)):
        snapshot = seen(period, confirmed)
        for fold in ("2026-11-01", "2026-11-30"):
            assert place(fold, last, now=at("2026-12-01T00:07:59"), snapshot=snapshot).at == last
            assert place(fold, last, now=at("2026-12-01T00:08:00"), snapshot=snapshot).at is None


def test_nothing_is_stamped_into_the_gap_before_the_invoice():
    in_gap = at("2026-12-01T00:03:00")
    assert place("2026-12-01", in_gap, now=at("2026-12-01T00:05:00"), snapshot=seen(DECEMBER, "2026-12-01T00:04:00")).at is None
    # Confirmed in the gap: the row may have been swapped since.
    assert place("2026-12-01", in_gap, now=at("2026-12-01T00:12:00"), snapshot=seen(DECEMBER, "2026-12-01T00:11:00")).at is None
    placed = place("2026-12-01", in_gap, now=at("2026-12-01T00:13:00"), snapshot=seen(DECEMBER, "2026-12-01T00:12:00"))
    assert placed.at == at("2026-12-01T00:10:00")


def test_a_waiting_downgrade_holds_usage_until_its_row_is_there_or_an_hour_has_passed():
    waiting = seen(replace(DECEMBER, downgrade_waiting=True), "2026-12-01T00:12:00")
    assert place("2026-12-01", FIRST, now=at("2026-12-01T00:12:00"), snapshot=waiting).at is None
    assert place("2026-12-01", FIRST, now=at("2026-12-01T01:00:00"), snapshot=waiting).at == at("2026-12-01T00:10:00")
    swapped = seen(replace(DECEMBER, subscription_started_at=at("2026-12-01T00:10:02.4")), "2026-12-01T00:12:00")
    assert place("2026-12-01", FIRST, now=at("2026-12-01T00:12:00"), snapshot=swapped).at == at("2026-12-01T00:10:03")


def test_a_customer_who_began_minutes_after_midnight_is_metered_at_once():
    began = at("2026-12-01T00:01:57.3")
    new = replace(DECEMBER, started_at=began, subscription_started_at=began, downgrade_waiting=True)
    now = at("2026-12-01T00:02:01")
    assert place("2026-12-01", now, now=now, snapshot=seen(new, "2026-12-01T00:01:59")).at == now
    assert place("2026-12-01", began, now=now, snapshot=seen(new, "2026-12-01T00:01:59")).at == at("2026-12-01T00:01:58")


def test_late_usage_moves_into_the_open_period_and_never_before_the_row():
    upgraded = replace(
        NOVEMBER, started_at=at("2026-11-15T10:00:00"), subscription_started_at=at("2026-11-15T10:00:00.117"), quota_from=date(2026, 11, 1)
    )
    snapshot = seen(upgraded, "2026-11-15T10:05:00")
    assert place("2026-11-01", at("2026-11-15T09:59:59"), now=at("2026-11-15T10:06:00"), snapshot=snapshot).at == at("2026-11-15T10:00:01")
    assert place(
        "2026-10-01", at("2026-10-30T10:00:00"), now=at("2026-11-24T12:00:00"), snapshot=seen(NOVEMBER, "2026-11-24T12:00:00")
    ).at == at("2026-11-01T00:10:00")


def test_without_a_subscription_usage_waits_or_is_stranded():
    now = at("2026-11-24T12:00:00")
    assert place("", now, now=now, snapshot=None).at is None
    assert place("", now, now=now, snapshot=seen(None, "2026-11-24T12:00:00", standing=Standing.PENDING)).at is None
    assert place("", now, now=now, snapshot=seen(None, "2026-11-24T12:00:00", standing=Standing.CANCELED)).stranded


def test_placed_time_never_lies_where_lago_would_lose_it():
    """Every minute around a period's end, with snapshots of every age: nothing falls before the row or into the gap."""
    for minute in range(-30, 90):
        now = FIRST + timedelta(minutes=minute)
        for age in (1, 5, 12, 40):
            confirmed = now - timedelta(minutes=age)
            period = DECEMBER if confirmed >= FIRST else NOVEMBER
            snapshot = replace(snapshot_of("alice"), period=period, confirmed_at=confirmed)
            for fold, latest in (("2026-11-01", FIRST - timedelta(seconds=5)), ("2026-12-01", FIRST + timedelta(minutes=1))):
                if latest > now:
                    continue
                placed = place(fold, latest, now=now, snapshot=snapshot).at
                if placed is None:
                    continue
                assert not FIRST <= placed < FIRST + timedelta(minutes=10)
                assert placed >= FIRST or now < FIRST + timedelta(minutes=8)
