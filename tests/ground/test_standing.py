from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from glue.catalog.files import load_tiers
from glue.rules.facts import Invoice, Observed, Subscription
from glue.rules.standing import Standing, decide_standing, due_instant

PRO = load_tiers(Path()).get("pro")
START = datetime(2026, 11, 1, 9, tzinfo=UTC)
ROW = Subscription(
    lago_id="row-1", external_id="sub-x", customer_external_id="x", plan_code="pro_usd_monthly_1", status="active", started_at=START, ending_at=None,
    terminated_at=None, canceled_at=None, trial_ended_at=None, previous_plan_code=None, next_plan_code=None, downgrade_plan_date=None, created_at=START,
)  # fmt: skip
INVOICE = Invoice(
    lago_id="inv-1", number="C-1", kind="subscription", status="finalized", payment_status="pending", payment_overdue=False, currency="USD",
    total_cents=2900, total_due_cents=2900, issuing_date=date(2026, 12, 1), payment_due_date=date(2026, 12, 15), customer_external_id="x",
)  # fmt: skip


def standing(now, *invoices, row=ROW, **more):
    return decide_standing(Observed(at=now, subscriptions=(row,) if row else (), invoices=invoices), PRO, now=now, **more)


def test_without_a_subscription_a_tenant_is_pending():
    assert standing(START, row=None).standing == Standing.PENDING


def test_the_trial_ends_after_fourteen_days_to_the_second():
    assert standing(START + timedelta(days=14, seconds=-1)).standing == Standing.TRIALING
    assert standing(START + timedelta(days=14)).standing == Standing.ACTIVE


def test_a_trial_that_lago_ended_is_over():
    assert standing(START + timedelta(days=2), row=replace(ROW, trial_ended_at=START + timedelta(days=1))).standing == Standing.ACTIVE


def test_an_open_invoice_is_no_debt_until_its_due_day_is_over():
    assert standing(datetime(2026, 12, 15, 23, 59, tzinfo=UTC), INVOICE).standing == Standing.ACTIVE
    assert standing(datetime(2026, 12, 16, tzinfo=UTC), INVOICE).standing == Standing.PAST_DUE


def test_grace_ends_in_suspension_and_payment_restores():
    late = due_instant(INVOICE) + timedelta(days=PRO.grace_days)
    assert standing(late - timedelta(seconds=1), INVOICE).grace_ends_at == late
    assert standing(late, INVOICE).standing == Standing.SUSPENDED
    assert "C-1" in standing(late, INVOICE).reason
    assert standing(late, replace(INVOICE, payment_status="succeeded")).standing == Standing.ACTIVE


@pytest.mark.parametrize("change", [{"kind": "credit"}, {"status": "voided"}, {"total_cents": 0}, {"status": "draft"}])
def test_what_is_no_subscription_debt_suspends_nobody(change):
    assert standing(datetime(2027, 6, 1, tzinfo=UTC), replace(INVOICE, **change)).standing == Standing.ACTIVE


def test_the_oldest_debt_counts():
    older = replace(INVOICE, number="C-0", payment_due_date=date(2026, 11, 15))
    assert "C-0" in standing(datetime(2026, 12, 1, tzinfo=UTC), INVOICE, older).reason


def test_a_block_suspends_whatever_was_paid():
    found = standing(START, blocked="Asked for by the customer.")
    assert (found.standing, found.reason) == (Standing.SUSPENDED, "Asked for by the customer.")


def test_an_ended_subscription_is_canceled_and_erased_is_forever():
    ended = replace(ROW, status="terminated")
    assert standing(START, row=ended).standing == Standing.CANCELED
    assert standing(START, row=ended, erased=True).standing == Standing.ERASED


def test_the_next_change_is_announced():
    assert standing(START).changes_at == START + timedelta(days=14)
    assert standing(datetime(2026, 12, 2, tzinfo=UTC), INVOICE).changes_at == due_instant(INVOICE)


@pytest.mark.parametrize(("standing_", "may"), [(Standing.TRIALING, True), (Standing.ACTIVE, True), (Standing.PAST_DUE, True), (Standing.SUSPENDED, False), (Standing.CANCELED, False), (Standing.PENDING, False), (Standing.ERASED, False)])  # fmt: skip
def test_who_may_use_what_was_bought(standing_, may):
    assert standing_.may_use is may
