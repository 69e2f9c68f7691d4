"""What single calls answer: refusals, coercions, lists, ids with dots."""

import pytest


def refusal(answer):
    body = answer.json()
    return answer.status_code, body.get("error_details") or body.get("code") or body["error"]


def test_a_wrong_key_is_unauthorized(lago):
    assert lago.api.get("/customers", headers={"Authorization": "Bearer wrong"}).json() == {"status": 401, "error": "Unauthorized"}


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "/customers", {"customer": {}}, (400, "BadRequest: param is missing or the value is empty or invalid: customer")),
        ("POST", "/customers", {"customer": {"external_id": ""}}, (422, {"external_id": ["value_is_mandatory"]})),
        ("POST", "/customers", {"customer": {"external_id": "x", "country": "ZZ"}}, (422, {"country": ["not_a_valid_country_code"]})),
        ("GET", "/nothing", None, (404, "resource_not_found")),
        ("GET", "/customers/absent", None, (404, "customer_not_found")),
        ("POST", "/subscriptions", {"subscription": {"external_id": "x"}}, (404, "plan_not_found")),
        ("GET", "/customers/absent/current_usage", None, (404, "resource_not_found")),
        ("POST", "/events/batch", {"events": []}, (422, {"events": ["no_events"]})),
        ("GET", "/analytics/mrr", None, (403, "feature_unavailable")),
        ("GET", "/analytics/usage", None, (500, "Internal Server Error")),
        ("GET", "/coupons?per_page=0", None, (500, "Internal Server Error")),
        ("POST", "/plans", {"plan": {"name": "p", "code": "p", "fixed_charges": [{}]}}, (501, "not_in_sandbox")),
        ("GET", "/plans/p/fixed_charges", None, (501, "not_in_sandbox")),
        ("POST", "/webhook_endpoints", {"webhook_endpoint": {"webhook_url": "ftp://x"}}, (422, {"webhook_url": ["url_is_invalid"]})),
        ("POST", "/wallets", {"wallet": {"external_customer_id": "absent"}}, (422, {"customer": ["customer_not_found"]})),
        ("POST", "/invoices", {"invoice": {"external_customer_id": "absent"}}, (404, "customer_not_found")),
    ],
)
def test_a_call_is_refused(lago, method, path, body, expected):
    assert refusal(lago.api.request(method, path, json=body)) == expected


@pytest.mark.parametrize(
    "raw", [b"{bad", b'\xef\xbb\xbf{"customer":{}}', b'{"customer":{"name":"\xe9"}}', b'{"a":' * 150 + b"1" + b"}" * 150]
)
def test_bytes_that_are_no_json_get_an_empty_400(lago, raw):
    answer = lago.api.post("/customers", content=raw, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.content) == (400, b"")


def test_a_dot_in_a_path_hits_the_shorter_id(lago):
    for name in ("x", "x.dev"):
        lago.post("/customers", customer={"external_id": name})
    assert lago.get("/customers/x.dev")["customer"]["external_id"] == "x"
    assert lago.get("/customers/x%2Edev")["customer"]["external_id"] == "x.dev"
    assert lago.api.get("/customers/x.dev/subscriptions").status_code == 404
    lago.metric("a.b")
    assert lago.get("/billable_metrics/a.b")["billable_metric"]["code"] == "a.b"


def test_lists_are_paged_without_a_largest_page(lago):
    for number in range(5):
        lago.post("/customers", customer={"external_id": f"c{number}"})
    page = lago.get("/customers?per_page=2&page=2")
    assert [row["external_id"] for row in page["customers"]] == ["c2", "c1"]
    assert page["meta"] == {"current_page": 2, "next_page": 3, "prev_page": 1, "total_pages": 3, "total_count": 5}
    assert len(lago.get("/customers?per_page=1000")["customers"]) == 5
    assert lago.get("/coupons")["meta"]["current_page"] == 0


def test_what_the_open_edition_drops_is_dropped_without_a_word(lago):
    plan = lago.plan("p", 1, minimum_commitment={"amount_cents": 1}, usage_thresholds=[{"amount_cents": 1}])
    assert plan["usage_thresholds"] == []
    customer = lago.post("/customers", customer={"external_id": "c", "timezone": "Europe/Paris"})["customer"]
    assert customer["timezone"] is None


def test_a_plan_in_use_ignores_changes_of_its_shape(lago):
    plan = lago.plan("p", 1000)
    lago.subscribe("c", "p")
    changed = lago.api.put("/plans/p", json={"plan": {"interval": "yearly", "amount_cents": 2000, "name": "new"}}).json()["plan"]
    assert (changed["interval"], changed["amount_cents"], changed["name"], plan["lago_id"]) == ("monthly", 2000, "new", changed["lago_id"])


def test_one_duplicate_refuses_a_whole_batch(lago):
    event = {"external_subscription_id": "s", "code": "m"}
    lago.post("/events", event={**event, "transaction_id": "one"})
    answer = lago.api.post("/events/batch", json={"events": [{**event, "transaction_id": name} for name in ("new", "one")]})
    assert refusal(answer) == (422, {"1": {"transaction_id": ["value_already_exist"]}})
    assert lago.api.get("/events/new").status_code == 404


def test_entitlements_are_overridden_until_an_upgrade(lago):
    privileges = [
        {"code": "max", "value_type": "integer"},
        {"code": "tier", "value_type": "select", "config": {"select_options": ["gold"]}},
    ]
    lago.post("/features", feature={"code": "seats", "privileges": privileges})
    for code, amount in (("low", 1000), ("high", 2000)):
        lago.plan(code, amount)
        lago.post(f"/plans/{code}/entitlements", entitlements={"seats": {"max": 10}})
    lago.subscribe("c", "low")
    patched = lago.api.patch("/subscriptions/c/entitlements", json={"entitlements": {"seats": {"max": "50"}}}).json()["entitlements"]
    assert patched[0]["privileges"][0]["value"] == 50
    wrong = lago.api.patch("/subscriptions/c/entitlements", json={"entitlements": {"seats": {"tier": "tin"}}})
    assert refusal(wrong) == (422, {"tier_privilege_value": ["value_not_in_select_options"]})
    lago.subscribe("c", "high")
    assert lago.get("/subscriptions/c/entitlements")["entitlements"][0]["overrides"] == {}


def test_deleting_a_feature_takes_it_from_plans_and_subscriptions(lago):
    lago.post("/features", feature={"code": "seats", "privileges": [{"code": "max", "value_type": "integer"}]})
    lago.plan("p", 0)
    lago.post("/plans/p/entitlements", entitlements={"seats": {"max": 1}})
    lago.subscribe("c", "p")
    lago.api.delete("/features/seats/privileges/max").raise_for_status()
    assert lago.get("/subscriptions/c/entitlements")["entitlements"][0]["privileges"] == []
    lago.api.delete("/features/seats").raise_for_status()
    assert lago.get("/subscriptions/c/entitlements")["entitlements"] == []


def test_deleting_a_metric_takes_its_charges_along(lago):
    metric = lago.metric("calls")
    lago.plan("p", 0, charges=[{"billable_metric_id": metric, "charge_model": "standard", "properties": {"amount": "1"}}])
    lago.api.delete("/billable_metrics/calls").raise_for_status()
    assert lago.get("/plans/p")["plan"]["charges"] == []


def test_catalogue_entries_can_be_changed_and_removed(lago):
    lago.post("/taxes", tax={"name": "VAT", "code": "vat", "rate": "20"})
    lago.post("/add_ons", add_on={"name": "Setup", "code": "setup", "amount_cents": "100", "amount_currency": "EUR", "tax_codes": ["vat"]})
    coupon = {"name": "ten", "code": "ten", "coupon_type": "fixed_amount", "amount_cents": 1, "amount_currency": "EUR", "frequency": "once"}
    lago.post("/coupons", coupon={**coupon, "expiration": "no_expiration"})
    for path, root in (("/taxes/vat", "tax"), ("/add_ons/setup", "add_on"), ("/coupons/ten", "coupon")):
        assert lago.api.put(path, json={root: {"name": "new"}}).json()[root]["name"] == "new"
        assert lago.get(path)[root]["name"] == "new"
        assert lago.api.delete(path).json()[root]["code"] == path.rsplit("/", 1)[1]
        assert lago.api.get(path).status_code == 404


def test_a_coupon_can_be_taken_back(lago):
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR"})
    coupon = {
        "name": "ten",
        "code": "ten",
        "coupon_type": "fixed_amount",
        "amount_cents": 500,
        "amount_currency": "EUR",
        "frequency": "forever",
    }
    lago.post("/coupons", coupon={**coupon, "expiration": "no_expiration"})
    applied = lago.post("/applied_coupons", applied_coupon={"external_customer_id": "c", "coupon_code": "ten"})["applied_coupon"]
    lago.api.delete(f"/customers/c/applied_coupons/{applied['lago_id']}").raise_for_status()
    (listed,) = lago.get("/applied_coupons?external_customer_id=c")["applied_coupons"]
    assert listed["status"] == "terminated"


def test_gross_revenue_sums_finalized_invoices(lago):
    lago.plan("adv", 3100, advance=True)
    lago.subscribe("c", "adv")
    (month,) = lago.get("/analytics/gross_revenue")["gross_revenues"]
    assert (month["amount_cents"], month["invoices_count"]) == (1700.0, 1.0)
