from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from glue.errors import BadInput, ConfigInvalid, NotAllowed, Unavailable
from glue.meter.meters import Aggregation, read_meters
from glue.meter.terms import terms_of
from glue.rules.snapshot import MeterGrant
from glue.rules.standing import Standing
from glue.rules.tiers import BlindAllowance

from .cast import METERS, snapshot_of
from .conftest import NOON

CREDITS = METERS.get("credits")


def credits_of(grant, *, after_minutes=0, **changes):
    snapshot = snapshot_of("alice", meters={"credits": grant}, **changes)
    return terms_of(snapshot, CREDITS, now=NOON + timedelta(minutes=after_minutes))


def test_a_hard_limit_is_a_cap_and_a_soft_one_is_not():
    assert [cap.limit for cap in credits_of(MeterGrant(50, hard=True)).caps] == [50_000_000]
    soft = credits_of(MeterGrant(50, hard=False))
    assert soft.caps == ()
    assert soft.limit == 50_000_000


def test_what_the_plan_lacks_is_refused():
    terms = terms_of(snapshot_of("alice"), METERS.get("seats"), now=NOON)
    assert terms.refusal == "not_included"
    assert isinstance(terms.refused(), NotAllowed)


@pytest.mark.parametrize("standing", [Standing.PENDING, Standing.SUSPENDED, Standing.CANCELED, Standing.ERASED])
def test_bad_standing_refuses_with_its_name(standing):
    assert credits_of(MeterGrant(50, hard=True), standing=standing).refusal == standing.value


@pytest.mark.parametrize("standing", [Standing.TRIALING, Standing.ACTIVE, Standing.PAST_DUE])
def test_good_standing_allows(standing):
    assert credits_of(MeterGrant(50, hard=True), standing=standing).refusal == ""


def test_terms_hold_until_they_could_change():
    assert credits_of(MeterGrant(50, hard=True)).valid_until == NOON + timedelta(minutes=10)


def test_blind_without_a_word_denies_for_a_while():
    terms = credits_of(MeterGrant(50, hard=True, blind="deny"), after_minutes=10)
    assert terms.refusal == "blind"
    assert isinstance(terms.refused(), Unavailable)


def test_blind_may_allow_within_the_known_limit():
    terms = credits_of(MeterGrant(50, hard=True, blind="allow"), after_minutes=30)
    assert terms.refusal == ""
    assert len(terms.caps) == 1


def test_blind_allowance_is_a_second_cap_for_its_minutes():
    grant = MeterGrant(50, hard=True, blind=BlindAllowance(units=5, minutes=15))
    assert len(credits_of(grant, after_minutes=9).caps) == 1
    inside = credits_of(grant, after_minutes=20)
    assert [cap.limit for cap in inside.caps] == [50_000_000, 5_000_000]
    assert inside.valid_until == NOON + timedelta(minutes=25)
    assert credits_of(grant, after_minutes=25).refusal == "blind"


def test_blind_allowance_counts_apart_in_each_spell():
    grant = MeterGrant(50, hard=True, blind=BlindAllowance(units=5, minutes=15))
    first = credits_of(grant, after_minutes=11)
    later = terms_of(
        snapshot_of("alice", meters={"credits": grant}, confirmed_at=NOON + timedelta(hours=1)),
        CREDITS,
        now=NOON + timedelta(hours=1, minutes=11),
    )
    assert first.caps[1].period != later.caps[1].period


def test_prepaid_counts_from_the_oldest_period_without_invoice():
    snapshot = snapshot_of("alice", prepaid_balance_cents=1000, unbilled_since=NOON - timedelta(days=40))
    prepaid = terms_of(snapshot, CREDITS, now=NOON).prepaid
    assert prepaid is not None
    assert prepaid.since == "2026-10-15"
    assert prepaid.cents("credits", 3_000_000) == Decimal(150)


def test_terms_without_a_period_still_tell_the_standing():
    terms = terms_of(replace(snapshot_of("alice"), period=None), CREDITS, now=NOON)
    assert terms.period == ""
    assert terms.resets_at is None


def test_meters_come_from_declared_metrics():
    meters = read_meters(
        [
            {"code": "calls", "aggregation_type": "sum_agg", "field_name": "units", "filters": [{"key": "model", "values": ["a"]}]},
            {"code": "seats", "aggregation_type": "max_agg", "field_name": "people"},
        ]
    )
    assert meters.get("calls").priced_dimensions == {"model"}
    assert meters.get("seats").aggregation is Aggregation.MAX
    assert meters.get("seats").field_name == "people"
    with pytest.raises(BadInput, match="no such meter"):
        meters.get("unknown")


@pytest.mark.parametrize("aggregation", ["count_agg", "unique_count_agg", "weighted_sum_agg", None])
def test_a_metric_that_cannot_be_rolled_up_is_refused(aggregation):
    with pytest.raises(ConfigInvalid, match="calls"):
        read_meters([{"code": "calls", "aggregation_type": aggregation}])
