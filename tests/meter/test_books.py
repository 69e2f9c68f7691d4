"""The rules of limits and holds, for any order of requests and any passing of time."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glue.errors import Conflict, GlueError, LimitReached
from glue.meter.books import MOST_OPEN_HOLDS, Books, Fact
from glue.meter.meters import MeterKind
from glue.meter.requests import Consume, Record, ReleaseHold, RenewHold, SettleHold, TakeHold
from glue.meter.terms import Cap, Terms
from glue.meter.units import ONE

from .conftest import NOON

KIND = MeterKind("credits")
LIMIT = 20 * ONE
TERMS = Terms("alice", KIND, "2026-11-01", LIMIT, (Cap("2026-11-01", LIMIT),), None, NOON)
SECOND = 1_000_000

units = st.integers(1, 12 * ONE)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("consume"), units),
        st.tuples(st.just("usage"), units),
        st.tuples(st.just("hold"), units, st.integers(1, 30)),
        st.tuples(st.just("settle"), st.integers(0, 5), st.integers(0, 14 * ONE), st.booleans()),
        st.tuples(st.just("release"), st.integers(0, 5)),
        st.tuples(st.just("renew"), st.integers(0, 5), st.integers(1, 30)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
    ),
    max_size=40,
)


class Shop:
    """Books that live on from one transaction to the next, as the store keeps them."""

    def __init__(self):
        self.books = Books(0)
        self.hold_ids = []

    def perform(self, request):
        books = self.books
        opened = [hold for hold in books.holds.values() if hold.is_open(books.now)]
        books.held = {("alice", "credits"): (sum(hold.units for hold in opened), len(opened))}
        try:
            return request.perform(books)
        except GlueError:
            return None

    def fact(self, amount):
        return Fact(KIND, amount, self.books.now, "2026-11-01")

    def step(self, step):
        match step:
            case ("consume", amount):
                self.perform(Consume(terms=TERMS, fact=self.fact(amount)))
            case ("usage", amount):
                assert self.perform(Record(terms=TERMS, facts=[(TERMS, self.fact(amount))])) is not None
            case ("hold", amount, seconds):
                body = self.perform(TakeHold(terms=TERMS, units=amount, expires_at=self.books.now + seconds * SECOND))
                if body is not None:
                    self.hold_ids.append(body["id"])
            case ("settle", number, amount, close) if number < len(self.hold_ids):
                self.perform(SettleHold(terms=TERMS, hold_id=self.hold_ids[number], fact=self.fact(amount), close=close))
            case ("release", number) if number < len(self.hold_ids):
                self.perform(ReleaseHold(terms=TERMS, hold_id=self.hold_ids[number]))
            case ("renew", number, seconds) if number < len(self.hold_ids):
                self.perform(RenewHold(terms=TERMS, hold_id=self.hold_ids[number], expires_at=self.books.now + seconds * SECOND))
            case ("wait", seconds):
                self.books.now += seconds * SECOND

    @property
    def used(self):
        return self.books.counters.get(("alice", "credits", "2026-11-01"), 0)

    @property
    def open_units(self):
        return sum(hold.units for hold in self.books.holds.values() if hold.is_open(self.books.now))


@given(steps)
@settings(max_examples=150, deadline=None)
def test_promised_and_used_never_exceed_the_limit_but_by_flagged_facts(sequence):
    shop = Shop()
    for step in sequence:
        promised_before = shop.used + shop.open_units
        shop.step(step)
        if step[0] in {"consume", "hold", "renew"} and shop.used + shop.open_units > promised_before:
            assert shop.used + shop.open_units <= LIMIT
    flagged = sum(fact.units for _, fact, _, flag in shop.books.journal if flag)
    assert shop.used - flagged <= LIMIT


@given(steps)
@settings(max_examples=150, deadline=None)
def test_every_fact_is_counted_once_everywhere(sequence):
    shop = Shop()
    for step in sequence:
        shop.step(step)
    journalled = sum(fact.units for _, fact, _, _ in shop.books.journal)
    assert journalled == shop.used
    assert journalled == sum(fold.units for fold in shop.books.folds.values())
    assert len(shop.books.journal) == sum(fold.events for fold in shop.books.folds.values())
    assert sum(fact.units for _, fact, _, _ in shop.books.journal if fact.hold_id) == 0  # the shop names no hold


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=30))
def test_a_key_is_answered_alike_and_counted_once(asks):
    shop = Shop()
    answers = {}
    for key, amount in asks:
        request = Consume(terms=TERMS, key=key, digest=str(amount), fact=shop.fact(amount * ONE))
        known = answers.get(key)
        try:
            body = request.perform(shop.books)
        except Conflict:
            assert known is not None
            assert known[0] != amount
        except LimitReached:
            assert known is None
        else:
            assert known in {None, (amount, str(body))}
            answers[key] = amount, str(body)
    assert shop.used == sum(amount for amount, _ in answers.values()) * ONE


def test_a_refusal_is_not_kept_so_that_it_may_be_asked_again():
    shop = Shop()
    request = Consume(terms=TERMS, key="job-1", digest="d", fact=shop.fact(21 * ONE))
    assert shop.perform(request) is None
    larger = replace(TERMS, caps=(Cap("2026-11-01", 30 * ONE),))
    assert shop.perform(Consume(terms=larger, key="job-1", digest="d", fact=shop.fact(21 * ONE))) is not None


def test_maxima_and_latest_values_are_no_sums():
    from .cast import METERS

    books = Books(0)
    for code, expected in (("seats", 5 * ONE), ("disk", 2 * ONE)):
        kind = METERS.get(code)
        terms = replace(TERMS, kind=kind, caps=())
        for amount in (3, 5, 2):
            books.record(terms, Fact(kind, amount * ONE, 0, "2026-11-01"))
        assert books.used(terms) == expected
        assert books.folds["alice", code, "2026-11-01", "{}"].units == expected


def test_totals_that_could_not_be_counted_are_refused():
    shop = Shop()
    shop.books.counters["alice", "credits", "2026-11-01"] = 2**62 - ONE
    assert shop.perform(Record(terms=TERMS, facts=[(TERMS, shop.fact(ONE))])) is not None
    assert shop.perform(Record(terms=TERMS, facts=[(TERMS, shop.fact(1))])) is None


def test_the_number_of_open_holds_is_bounded():
    shop = Shop()
    shop.books.held["alice", "credits"] = (0, MOST_OPEN_HOLDS)
    with pytest.raises(LimitReached, match="Too many holds"):
        TakeHold(terms=TERMS, units=ONE, expires_at=SECOND).perform(shop.books)
