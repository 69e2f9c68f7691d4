"""Months of billing over HTTP on the virtual clock."""

from datetime import datetime

import pytest


def unix(text):
    return datetime.fromisoformat(text).timestamp()


def totals(lago, external_id):
    return [(row["issuing_date"], row["fees_amount_cents"], row["total_amount_cents"]) for row in lago.invoices(external_id)]


def test_a_plan_in_advance_bills_the_rest_of_the_month_at_once_then_each_first_at_ten_past_midnight(lago):
    lago.plan(
        "adv",
        3100,
        advance=True,
        charges=[{"billable_metric_id": lago.metric("calls"), "charge_model": "standard", "properties": {"amount": "0.5"}}],
    )
    lago.subscribe("c", "adv")
    lago.use("c", "calls", 6.5, transaction_id="t", at=unix("2027-01-15T13:00:00Z"))
    lago.go("2027-02-01T00:09:00Z")
    assert totals(lago, "c") == [("2027-01-15", 1700, 1700)]
    lago.go("2027-02-01T00:11:00Z")
    assert totals(lago, "c") == [("2027-01-15", 1700, 1700), ("2027-02-01", 3425, 3425)]


def test_subscriptions_of_one_customer_share_an_invoice(lago):
    lago.plan("arr", 1000)
    lago.subscribe("c", "arr")
    lago.subscribe("second", "arr", external_customer_id="c")
    lago.go("2027-02-01T01:00:00Z")
    (invoice,) = lago.invoices("c")
    assert {row["external_id"] for row in invoice["subscriptions"]} == {"c", "second"}
    assert invoice["fees_amount_cents"] == 2 * 548


def test_an_upgrade_credits_the_old_plan_and_keeps_the_external_id(lago):
    lago.plan("low", 3100, advance=True)
    lago.plan("high", 6200, advance=True)
    first = lago.subscribe("c", "low")
    lago.go("2027-02-15T10:00:00Z")
    second = lago.subscribe("c", "high")
    assert second["external_id"] == first["external_id"]
    assert second["lago_id"] != first["lago_id"]
    assert second["previous_plan_code"] == "low"
    assert totals(lago, "c")[-1] == ("2027-02-15", 3100, 1550)
    (note,) = lago.get("/credit_notes?external_customer_id=c")["credit_notes"]
    assert (note["total_amount_cents"], note["balance_amount_cents"], note["credit_status"]) == (1550, 0, "consumed")


def test_a_downgrade_waits_for_the_period_and_another_upgrade_drops_it(lago):
    lago.plan("high", 6200, advance=True)
    lago.plan("low", 3100, advance=True)
    lago.subscribe("c", "high")
    current = lago.subscribe("c", "low")
    assert (current["plan_code"], current["next_plan_code"], current["downgrade_plan_date"]) == ("high", "low", "2027-02-01")
    lago.go("2027-02-01T00:11:00Z")
    row = lago.get("/subscriptions/c")["subscription"]
    assert (row["plan_code"], row["started_at"][:16]) == ("low", "2027-02-01T00:10")


def test_ending_in_mid_month_in_arrears_counts_the_last_day(lago):
    lago.plan("arr", 3100)
    lago.subscribe("c", "arr")
    lago.go("2027-02-15T10:00:00Z")
    lago.api.delete("/subscriptions/c").raise_for_status()
    assert totals(lago, "c")[-1] == ("2027-02-15", 1661, 1661)
    assert lago.api.get("/subscriptions/c").json()["code"] == "subscription_not_found"
    assert lago.get("/subscriptions/c?status=terminated")["subscription"]["status"] == "terminated"


@pytest.mark.parametrize(("at", "fees"), [("2027-02-01T00:02:00Z", 1700), ("2027-02-01T02:00:00Z", 111)])
def test_ending_before_the_billing_job_bills_nothing_for_the_day(lago, at, fees):
    lago.plan("arr", 3100)
    lago.subscribe("c", "arr")
    lago.go(at)
    lago.api.delete("/subscriptions/c").raise_for_status()
    assert lago.invoices("c")[-1]["fees_amount_cents"] == fees


def test_late_usage_is_taken_and_never_billed(lago):
    metric = lago.metric("calls")
    lago.plan("arr", 0, charges=[{"billable_metric_id": metric, "charge_model": "standard", "properties": {"amount": "1"}}])
    lago.subscribe("c", "arr")
    lago.go("2027-02-10T00:00:00Z")
    lago.use("c", "calls", 5, transaction_id="late", at=unix("2027-01-20T00:00:00Z"))
    lago.go("2027-03-02T00:00:00Z")
    assert [row["fees_amount_cents"] for row in lago.invoices("c")] == [0, 0]


def test_usage_older_than_its_subscription_is_stored_and_not_counted(lago):
    metric = lago.metric("calls")
    lago.plan("arr", 0, charges=[{"billable_metric_id": metric, "charge_model": "standard", "properties": {"amount": "1"}}])
    lago.subscribe("c", "arr")
    lago.use("c", "calls", 5, transaction_id="early", at=unix("2027-01-15T11:59:00Z"))
    lago.use("c", "calls", 2, transaction_id="now")
    usage = lago.get("/customers/c/current_usage?external_subscription_id=c")["customer_usage"]
    assert (usage["amount_cents"], usage["charges_usage"][0]["events_count"]) == (200, 1)


def test_a_trial_bills_from_its_last_day_on(lago):
    lago.plan("trial", 3100, advance=True, trial_period=14)
    lago.subscribe("c", "trial")
    assert totals(lago, "c") == []
    lago.go("2027-01-29T13:00:00Z")
    assert totals(lago, "c") == [("2027-01-29", 300, 300)]
    assert lago.get("/subscriptions/c")["subscription"]["trial_ended_at"] == "2027-01-29T12:00:00Z"


def test_a_backdated_start_bills_nothing_for_the_past(lago):
    lago.plan("adv", 3100, advance=True)
    lago.subscribe("c", "adv", subscription_at="2026-12-10T00:00:00Z")
    assert totals(lago, "c") == []
    lago.go("2027-02-01T01:00:00Z")
    assert totals(lago, "c") == [("2027-02-01", 3100, 3100)]


def test_a_scheduled_start_waits_and_can_be_called_off(lago):
    lago.plan("adv", 3100, advance=True)
    for name in ("stays", "goes"):
        lago.subscribe(name, "adv", subscription_at="2027-02-20T00:00:00Z")
    answer = lago.api.delete("/subscriptions/goes?status=pending").json()["subscription"]
    assert answer["status"] == "canceled"
    lago.go("2027-02-20T00:10:00Z")
    assert totals(lago, "stays") == [("2027-02-20", 996, 996)]
    assert lago.api.get("/subscriptions/goes").status_code == 404


def test_ending_at_ends_on_that_day_and_alerts_before(lago, receiver):
    lago.post(
        "/webhook_endpoints", webhook_endpoint={"webhook_url": receiver.url("endings"), "event_types": ["subscription.termination_alert"]}
    )
    lago.plan("arr", 3100)
    lago.subscribe("c", "arr", ending_at="2027-03-10T18:00:00Z")
    lago.go("2027-03-10T00:06:00Z")
    assert lago.get("/subscriptions/c?status=terminated")["subscription"]["terminated_at"][:16] == "2027-03-10T00:05"
    assert len(receiver.wait("endings", 2)) == 2


@pytest.mark.parametrize(("term", "overdue_from"), [(0, "2027-01-16T00:25:30Z"), (14, "2027-01-30T00:25:30Z")])
def test_an_invoice_is_overdue_the_day_after_it_is_due(lago, term, overdue_from):
    lago.post("/customers", customer={"external_id": "c", "net_payment_term": term, "currency": "EUR"})
    lago.plan("adv", 3100, advance=True)
    lago.subscribe("c", "adv")
    lago.go(overdue_from.replace("25:30", "24:00"))
    assert [row["payment_overdue"] for row in lago.invoices("c")] == [False]
    lago.go(overdue_from)
    (invoice,) = lago.invoices("c")
    assert invoice["payment_overdue"] is True
    lago.api.put(f"/invoices/{invoice['lago_id']}", json={"invoice": {"payment_status": "succeeded"}}).raise_for_status()
    assert [row["payment_overdue"] for row in lago.invoices("c")] == [False]


def test_coupons_then_taxes_then_credit_notes_then_wallets(lago):
    lago.post("/taxes", tax={"name": "VAT", "code": "vat", "rate": "20"})
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR", "tax_codes": ["vat"]})
    coupon = {
        "name": "ten",
        "code": "ten",
        "coupon_type": "percentage",
        "percentage_rate": "10",
        "frequency": "once",
        "expiration": "no_expiration",
    }
    lago.post("/coupons", coupon=coupon)
    lago.post("/applied_coupons", applied_coupon={"external_customer_id": "c", "coupon_code": "ten"})
    lago.post("/wallets", wallet={"external_customer_id": "c", "rate_amount": "1", "currency": "EUR", "granted_credits": "5"})
    lago.plan("adv", 3100, advance=True)
    lago.subscribe("c", "adv")
    (invoice,) = lago.invoices("c")
    amounts = [invoice[f"{name}_amount_cents"] for name in ("fees", "coupons", "taxes", "prepaid_credit", "total")]
    assert amounts == [1700, 170, 306, 500, 1336]


def test_a_paid_top_up_gives_nothing_until_its_invoice_is_paid(lago):
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR"})
    wallet = lago.post("/wallets", wallet={"external_customer_id": "c", "rate_amount": "1", "currency": "EUR", "paid_credits": "10"})[
        "wallet"
    ]
    assert wallet["balance_cents"] == 0
    (invoice,) = lago.invoices("c")
    assert invoice["invoice_type"] == "credit"
    lago.api.put(f"/invoices/{invoice['lago_id']}", json={"invoice": {"payment_status": "succeeded"}}).raise_for_status()
    assert lago.get(f"/wallets/{wallet['lago_id']}")["wallet"]["balance_cents"] == 1000


def test_an_expired_wallet_pays_nothing(lago):
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR"})
    wallet = {
        "external_customer_id": "c",
        "rate_amount": "1",
        "currency": "EUR",
        "granted_credits": "5",
        "expiration_at": "2027-01-20T00:00:00Z",
    }
    lago.post("/wallets", wallet=wallet)
    lago.plan("arr", 3100)
    lago.subscribe("c", "arr")
    lago.go("2027-02-01T01:00:00Z")
    (invoice,) = lago.invoices("c")
    assert (invoice["total_amount_cents"], invoice["prepaid_credit_amount_cents"]) == (1700, 0)


def test_a_charge_in_advance_bills_every_event_and_dates_it_by_the_event(lago):
    charge = {"billable_metric_id": lago.metric("calls"), "charge_model": "standard", "properties": {"amount": "1"}, "pay_in_advance": True}
    lago.plan("arr", 0, charges=[charge])
    lago.subscribe("c", "arr")
    lago.go("2027-01-20T12:00:00Z")
    lago.use("c", "calls", 3, transaction_id="one", at=unix("2027-01-18T00:00:00Z"))
    lago.use("c", "calls", 2, transaction_id="two")
    assert totals(lago, "c") == [("2027-01-18", 300, 300), ("2027-01-20", 200, 200)]
    assert {fee["event_transaction_id"] for fee in lago.get("/fees?external_customer_id=c")["fees"]} == {"one", "two"}


def test_deleting_a_plan_ends_its_subscriptions(lago):
    lago.plan("arr", 3100)
    lago.subscribe("c", "arr")
    assert lago.api.delete("/plans/arr").json()["plan"]["pending_deletion"] is True
    assert lago.api.get("/subscriptions/c").status_code == 404
    assert totals(lago, "c") == [("2027-01-15", 100, 100)]


def test_a_price_changed_in_mid_period_applies_to_all_of_it_in_arrears_only(lago):
    lago.plan("adv", 3100, advance=True)
    lago.plan("arr", 3100)
    lago.subscribe("a", "adv")
    lago.subscribe("b", "arr")
    for code in ("adv", "arr"):
        lago.api.put(f"/plans/{code}", json={"plan": {"amount_cents": 6200}}).raise_for_status()
    lago.go("2027-02-01T01:00:00Z")
    assert [row["fees_amount_cents"] for row in lago.invoices("a")] == [1700, 6200]
    assert [row["fees_amount_cents"] for row in lago.invoices("b")] == [3400]
