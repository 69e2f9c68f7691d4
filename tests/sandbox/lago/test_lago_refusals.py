"""Refusals in the real one's words, each against a catalogue that has one of everything."""

import pytest

ZERO = "00000000-0000-4000-8000-000000000000"
GAP = [
    {"from_value": 0, "to_value": 10, "per_unit_amount": "1", "flat_amount": "0"},
    {"from_value": 20, "to_value": None, "per_unit_amount": "1", "flat_amount": "0"},
]
PLAN = {"name": "x", "code": "x", "interval": "monthly", "amount_cents": 1, "amount_currency": "EUR", "pay_in_advance": False}
METRIC = {"name": "x", "code": "x", "aggregation_type": "sum_agg", "field_name": "n"}
COUPON = {"name": "x", "code": "x", "coupon_type": "percentage", "percentage_rate": "1", "frequency": "once", "expiration": "no_expiration"}
WALLET = {"external_customer_id": "c", "rate_amount": "1", "currency": "EUR"}
SUBSCRIPTION = {"external_customer_id": "c", "external_id": "new", "plan_code": "p"}
EVENT = {"transaction_id": "new", "external_subscription_id": "s", "code": "calls"}


def charged(**charge):
    return {"plan": {**PLAN, "charges": [{"charge_model": "standard", "properties": {"amount": "1"}, **charge}]}}


def details(**named):
    return (422, {name: [reason] if isinstance(reason, str) else reason for name, reason in named.items()})


CATALOGUE = [
    ("POST", "/billable_metrics", {"billable_metric": {**METRIC, "code": "calls"}}, details(code="value_already_exist")),
    ("POST", "/billable_metrics", {"billable_metric": {**METRIC, "field_name": None}}, details(field_name="value_is_mandatory")),
    (
        "POST",
        "/billable_metrics",
        {"billable_metric": {**METRIC, "aggregation_type": "median"}},
        details(aggregation_type="value_is_invalid"),
    ),
    ("POST", "/billable_metrics", {"billable_metric": {**METRIC, "aggregation_type": "custom_agg"}}, (403, "feature_unavailable")),
    (
        "POST",
        "/billable_metrics",
        {"billable_metric": {**METRIC, "aggregation_type": "max_agg", "recurring": True}},
        details(recurring="not_compatible_with_aggregation_type"),
    ),
    ("POST", "/billable_metrics", {"billable_metric": {**METRIC, "filters": [{"key": "a"}]}}, details(values="value_is_mandatory")),
    ("PUT", "/billable_metrics/absent", {"billable_metric": {"name": "x"}}, (404, "billable_metric_not_found")),
    ("POST", "/features", {"feature": {"name": "x"}}, details(code="value_is_mandatory")),
    ("POST", "/features", {"feature": {"code": "seats"}}, details(code="value_already_exist")),
    ("POST", "/features", {"feature": {"code": "x", "privileges": [{"name": "a"}]}}, details(**{"privilege.code": "value_is_mandatory"})),
    (
        "POST",
        "/features",
        {"feature": {"code": "x", "privileges": [{"code": "a"}] * 2}},
        details(**{"privilege.code": "value_is_duplicated"}),
    ),
    ("DELETE", "/features/seats/privileges/absent", None, (404, "privilege_not_found")),
    ("POST", "/plans", {"plan": {"name": "x"}}, (422, None)),
    ("POST", "/plans", {"plan": {**PLAN, "code": "p"}}, details(code="value_already_exist")),
    ("POST", "/plans", {"plan": {**PLAN, "tax_codes": ["absent"]}}, (404, "tax_not_found")),
    ("POST", "/plans", charged(billable_metric_id=ZERO), (404, "billable_metrics_not_found")),
    ("POST", "/plans", charged(charge_model="flat"), details(charge_model="value_is_invalid")),
    ("POST", "/plans", charged(charge_model="graduated_percentage"), details(charge_model="graduated_percentage_requires_premium_license")),
    ("POST", "/plans", charged(properties={"amount": 0.25}), details(properties="invalid_amount")),
    ("POST", "/plans", charged(properties={"amount": "-1"}), details(properties="invalid_amount")),
    (
        "POST",
        "/plans",
        charged(charge_model="graduated", properties={"graduated_ranges": GAP}),
        details(properties="invalid_graduated_ranges"),
    ),
    ("POST", "/plans", charged(charge_model="volume", properties={"volume_ranges": []}), details(properties="missing_volume_ranges")),
    ("POST", "/plans", charged(charge_model="percentage", properties={"rate": 1}), details(properties="invalid_rate")),
    ("POST", "/plans", charged(charge_model="package", properties={"amount": "1"}), details(properties="invalid_package_size")),
    ("POST", "/plans", charged(prorated=True), details(prorated="invalid_billable_metric_or_charge_model")),
    ("GET", "/plans/p/charges/absent", None, (404, "charge_not_found")),
    ("GET", "/plans/p/entitlements/absent", None, (404, "entitlement_not_found")),
    ("PATCH", "/plans/p/entitlements", {"entitlements": {"seats": {"max": 1.5}}}, details(max_privilege_value="value_is_invalid")),
    ("PATCH", "/plans/p/entitlements", {"entitlements": {"seats": {"max": None}}}, details(**{"privilege.value": "value_is_mandatory"})),
    ("PATCH", "/plans/p/entitlements", {"entitlements": {"seats": {"absent": 1}}}, (404, "privilege_not_found")),
    ("PATCH", "/plans/p/entitlements", {"entitlements": []}, (500, "Internal Server Error")),
    ("PATCH", "/subscriptions/s/entitlements", {"entitlements": {"absent": {}}}, (404, "feature_not_found")),
    ("DELETE", "/subscriptions/s/entitlements/absent", None, (404, "feature_not_found")),
    ("DELETE", "/subscriptions/s/entitlements/seats/privileges/absent", None, (404, "privilege_not_found")),
    ("POST", "/coupons", {"coupon": {**COUPON, "frequency": "daily"}}, details(frequency="value_is_invalid")),
    ("POST", "/coupons", {"coupon": {**COUPON, "applies_to": {"plan_codes": ["p"]}}}, (501, "not_in_sandbox")),
    ("POST", "/applied_coupons", {"applied_coupon": {"external_customer_id": "c", "coupon_code": "absent"}}, (404, "coupon_not_found")),
    ("POST", "/taxes", {"tax": {"name": "x"}}, details(code="value_is_mandatory")),
    ("POST", "/taxes", {"tax": {"name": "x", "code": "vat"}}, details(code="value_already_exist")),
]
PEOPLE = [
    ("POST", "/customers", {"customer": {"external_id": "x", "currency": "ABC"}}, details(currency="value_is_invalid")),
    ("POST", "/customers", {"customer": {"external_id": "x", "email": "no email"}}, details(email="invalid_email_format")),
    ("POST", "/customers", {"customer": {"external_id": "x", "name": "n" * 300}}, details(name="value_is_too_long")),
    ("POST", "/customers", {"customer": {"external_id": "x", "net_payment_term": -1}}, details(net_payment_term="value_is_out_of_range")),
    ("POST", "/customers", {"customer": {"external_id": "x", "customer_type": "robot"}}, details(customer_type="value_is_invalid")),
    ("POST", "/customers", {"customer": {"external_id": "x", "metadata": [{"key": "k"}] * 6}}, details(metadata="invalid_count")),
    ("POST", "/customers", {"customer": {"external_id": "x", "metadata": [{"key": "k" * 30}]}}, details(key="value_is_too_long")),
    ("POST", "/customers", {"customer": {"external_id": "n\0n"}}, (500, "Internal Server Error")),
    ("POST", "/customers", {"customer": {"external_id": "c", "currency": "USD"}}, details(currency="currencies_does_not_match")),
    (
        "POST",
        "/customers",
        {"customer": {"external_id": "x", "billing_configuration": {"payment_provider": "stripe", "payment_provider_code": "absent"}}},
        details(base="payment_provider_not_found"),
    ),
    ("GET", "/customers/c/projected_usage", None, (403, "projected_usage_not_enabled")),
    ("GET", "/customers/%00", None, (500, "Internal Server Error")),
    ("POST", "/subscriptions", {"subscription": {**SUBSCRIPTION, "plan_overrides": {"amount_cents": 1}}}, (403, "feature_unavailable")),
    ("POST", "/subscriptions", {"subscription": {**SUBSCRIPTION, "activation_rules": [{}]}}, (501, "not_in_sandbox")),
    ("POST", "/subscriptions", {"subscription": {**SUBSCRIPTION, "external_id": None}}, details(external_id="value_is_mandatory")),
    ("POST", "/subscriptions", {"subscription": {**SUBSCRIPTION, "billing_time": "lunar"}}, details(billing_time="value_is_invalid")),
    ("POST", "/subscriptions", {"subscription": {**SUBSCRIPTION, "subscription_at": "soon"}}, details(subscription_at="invalid_date")),
    ("POST", "/subscriptions", {"subscription": {**SUBSCRIPTION, "ending_at": "2020-01-01"}}, details(ending_at="invalid_date")),
    (
        "POST",
        "/subscriptions",
        {"subscription": {**SUBSCRIPTION, "external_id": "s", "external_customer_id": "other"}},
        details(external_id="value_already_exist"),
    ),
    ("PUT", "/subscriptions/s", {"subscription": {"plan_overrides": {"amount_cents": 1}}}, (403, "feature_unavailable")),
    ("DELETE", "/subscriptions/s?on_termination_credit_note=never", None, details(on_termination_credit_note="invalid_value")),
    ("DELETE", "/subscriptions/s?on_termination_invoice=never", None, details(on_termination_invoice="invalid_value")),
    ("DELETE", "/subscriptions/s?on_termination_credit_note=refund", None, (501, "not_in_sandbox")),
    ("GET", "/customers/c/current_usage?external_subscription_id=absent", None, (405, "no_active_subscription")),
    ("GET", "/customers/c/current_usage?external_subscription_id=s&full_usage=true", None, (405, "full_usage_not_allowed")),
    ("GET", "/customers/c/past_usage", None, details(external_subscription_id="value_is_mandatory")),
    (
        "POST",
        "/subscriptions/s/alerts",
        {"alert": {"code": "a", "alert_type": "lifetime_usage_amount"}},
        details(alert_type="feature_not_available"),
    ),
    ("POST", "/subscriptions/s/alerts", {"alert": {"code": "a", "alert_type": "bogus"}}, details(alert_type="invalid_type")),
    (
        "POST",
        "/subscriptions/s/alerts",
        {"alert": {"code": "a", "alert_type": "current_usage_amount"}},
        details(thresholds="value_is_mandatory"),
    ),
    ("GET", "/subscriptions/s/alerts/absent", None, (404, "alert_not_found")),
]
MONEY = [
    ("POST", "/events", {"event": {**EVENT, "timestamp": "2027-01-01T00:00:00Z"}}, details(timestamp="invalid_format")),
    ("POST", "/events", {"event": {**EVENT, "transaction_id": None, "code": None}}, (422, None)),
    ("POST", "/events", {"event": {**EVENT, "properties": {"a": "x\0y"}}}, (500, "Internal Server Error")),
    ("POST", "/events/batch", {"events": [EVENT] * 101}, details(events="too_many_events")),
    ("POST", "/events/batch", {"events": "x"}, details(events="no_events")),
    ("POST", "/events/estimate_fees", {"event": EVENT}, details(code="does_not_match_an_instant_charge")),
    ("GET", "/events?timestamp_from=bad", None, details(timestamp_from="invalid_date")),
    ("POST", "/invoices", {"invoice": {"external_customer_id": "c", "fees": []}}, (404, "fees_not_found")),
    ("POST", "/invoices", {"invoice": {"external_customer_id": "c", "fees": [{"add_on_code": "absent"}]}}, (404, "add_on_not_found")),
    (
        "POST",
        "/invoices",
        {"invoice": {"external_customer_id": "c", "fees": [{"add_on_code": "setup", "unit_amount_cents": -1}]}},
        details(amount_cents="value_is_out_of_range"),
    ),
    ("GET", f"/invoices/{ZERO}", None, (404, "invoice_not_found")),
    ("POST", "/invoices/preview", {"plan_code": "p"}, (403, "feature_unavailable")),
    ("POST", "/payments", {"payment": {"invoice_id": ZERO}}, (404, "invoice_not_found")),
    ("POST", "/credit_notes", {"credit_note": {"invoice_id": ZERO}}, (404, "invoice_not_found")),
    ("GET", f"/credit_notes/{ZERO}", None, (404, "credit_note_not_found")),
    ("GET", f"/payment_receipts/{ZERO}", None, (404, "invoice_not_found")),
    ("POST", "/wallets", {"wallet": {**WALLET, "rate_amount": "0"}}, details(rate_amount="value_is_out_of_range")),
    ("POST", "/wallets", {"wallet": {**WALLET, "rate_amount": "abc"}}, details(rate_amount="is not a number")),
    ("POST", "/wallets", {"wallet": {**WALLET, "currency": "USD"}}, details(currency="currencies_does_not_match")),
    ("POST", "/wallets", {"wallet": {**WALLET, "code": "main"}}, details(code="value_already_exist")),
    ("POST", "/wallets", {"wallet": {**WALLET, "expiration_at": "2020-01-01"}}, details(expiration_at="invalid_date")),
    ("POST", "/wallets", {"wallet": {**WALLET, "recurring_transaction_rules": [{}]}}, (500, "Internal Server Error")),
    (
        "POST",
        "/wallets",
        {"wallet": {**WALLET, "granted_credits": 5}},
        details(granted_credits=["invalid_granted_credits", "invalid_amount"]),
    ),
    ("POST", "/wallet_transactions", {"wallet_transaction": {"wallet_id": ZERO}}, details(wallet_id="wallet_not_found")),
    ("GET", f"/wallets/{ZERO}", None, (404, "wallet_not_found")),
    ("GET", f"/wallet_transactions/{ZERO}", None, (404, "wallet_transaction_not_found")),
    ("GET", "/wallets?external_customer_id=absent", None, (404, "customer_not_found")),
    (
        "POST",
        "/webhook_endpoints",
        {"webhook_endpoint": {"signature_algo": "hmac"}},
        details(webhook_url=["value_is_mandatory", "url_is_invalid"]),
    ),
    (
        "POST",
        "/webhook_endpoints",
        {"webhook_endpoint": {"webhook_url": "http://x", "signature_algo": "sha1"}},
        (500, "Internal Server Error"),
    ),
    (
        "POST",
        "/webhook_endpoints",
        {"webhook_endpoint": {"webhook_url": "http://x", "event_types": ["a.b"]}},
        details(event_types='contains invalid types: ["a.b"]'),
    ),
    ("GET", f"/webhook_endpoints/{ZERO}", None, (404, "webhook_endpoint_not_found")),
]


@pytest.fixture(scope="module")
def stocked(shared_lago):
    """One of everything; refused calls leave it as it is."""
    lago = shared_lago
    lago.control.post("/reset").raise_for_status()
    lago.go("2027-01-15T12:00:00Z")
    charge = {"billable_metric_id": lago.metric("calls"), "charge_model": "standard", "properties": {"amount": "1"}}
    lago.post("/features", feature={"code": "seats", "privileges": [{"code": "max", "value_type": "integer"}]})
    lago.plan("p", 1000, charges=[charge])
    lago.post("/plans/p/entitlements", entitlements={"seats": {"max": 1}})
    lago.post("/taxes", tax={"name": "VAT", "code": "vat", "rate": "20"})
    lago.post("/add_ons", add_on={"name": "Setup", "code": "setup", "amount_cents": 100, "amount_currency": "EUR"})
    for name in ("c", "other"):
        lago.post("/customers", customer={"external_id": name, "currency": "EUR"})
    lago.subscribe("s", "p", external_customer_id="c")
    lago.post("/wallets", wallet={**WALLET, "name": "main", "code": "main"})
    return lago


@pytest.mark.parametrize(("method", "path", "body", "expected"), CATALOGUE + PEOPLE + MONEY)
def test_a_call_is_refused(stocked, method, path, body, expected):
    if body and path == "/plans" and "charges" in body["plan"]:
        (charge,) = body["plan"]["charges"]
        metric = stocked.get("/billable_metrics/calls")["billable_metric"]["lago_id"]
        body = {"plan": {**body["plan"], "charges": [{"billable_metric_id": metric, **charge}]}}
    answer = stocked.api.request(method, path, json=body)
    shown = answer.json()
    status, reason = expected
    assert answer.status_code == status, answer.text
    assert reason is None or (shown.get("error_details") or shown.get("code") or shown["error"]) == reason
