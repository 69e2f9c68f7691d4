"""What each subject does when it is used as intended."""

import httpx
import pytest


def put(lago, path, **root):
    answer = lago.api.put(path, json=root)
    assert answer.status_code == 200, answer.text
    return answer.json()


def charge(metric, amount="1", **more):
    return {"billable_metric_id": metric, "charge_model": "standard", "properties": {"amount": amount}, **more}


def one_off(lago, **more):
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR", "net_payment_term": 7})
    lago.post("/add_ons", add_on={"name": "Setup", "code": "setup", "amount_cents": 5000, "amount_currency": "EUR"})
    fees = [{"add_on_code": "setup", "units": "2"}]
    return lago.post("/invoices", invoice={"external_customer_id": "c", "currency": "EUR", "fees": fees, **more})["invoice"]


def test_customers_keep_absent_keys_and_clear_nulls(lago):
    lago.post("/customers", customer={"external_id": "c", "name": "Ada", "email": "a@example.com,b@example.com", "country": "FR"})
    kept = lago.post("/customers", customer={"external_id": "c", "name": None, "shipping_address": {"city": "Lyon"}})["customer"]
    assert (kept["name"], kept["country"], kept["shipping_address"]["city"]) == (None, "FR", "Lyon")
    assert lago.get("/customers?search_term=exam")["meta"]["total_count"] == 1


def test_customer_metadata_is_a_full_set(lago):
    first = lago.post("/customers", customer={"external_id": "c", "metadata": [{"key": "a", "value": "1", "display_in_invoice": True}]})
    (entry,) = first["customer"]["metadata"]
    again = [{"id": entry["lago_id"], "key": "a", "value": "2"}, {"key": "b", "value": "3"}]
    second = lago.post("/customers", customer={"external_id": "c", "metadata": again})["customer"]["metadata"]
    assert [row["value"] for row in second] == ["2", "3"]
    assert second[0]["lago_id"] == entry["lago_id"]


def test_a_deleted_customer_is_gone_and_its_id_free(lago):
    first = lago.post("/customers", customer={"external_id": "c"})["customer"]
    lago.plan("p", 3100)
    lago.subscribe("s", "p", external_customer_id="c")
    lago.api.delete("/customers/c").raise_for_status()
    assert lago.api.get("/customers/c").status_code == 404
    assert lago.api.get("/subscriptions/s").status_code == 404
    assert lago.post("/customers", customer={"external_id": "c"})["customer"]["lago_id"] != first["lago_id"]
    assert len(lago.get("/invoices?external_customer_id=c")["invoices"]) == 1


def test_a_portal_link_is_given(lago):
    lago.post("/customers", customer={"external_id": "c"})
    assert "/customer-portal/" in lago.get("/customers/c/portal_url")["customer"]["portal_url"]


def test_form_bodies_are_read(lago):
    answer = lago.api.post(
        "/customers", content="customer[external_id]=form", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.json()["customer"]["external_id"] == "form"
    plain = lago.api.post("/customers", content='{"customer":{"external_id":"x"}}', headers={"Content-Type": "text/plain"})
    assert plain.status_code == 400


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/ready", 200), ("/", 404), ("/api/v2/customers", 404)])
def test_what_lies_beside_the_api(lago, path, status):
    assert httpx.get(lago.facts["url"] + path).status_code == status


def test_heads_and_options(lago):
    assert lago.api.head("/customers").status_code == 200
    assert lago.api.options("/customers").status_code == 404
    assert lago.api.get("/customers?search_term=%ff").status_code == 400
    assert "LS0t" in lago.api.get("/webhooks/public_key").text


def test_a_plan_update_replaces_its_charges_by_id(lago):
    metric = lago.metric("calls")
    plan = lago.plan("p", 1000, charges=[charge(metric, code="a"), charge(metric, code="b")])
    kept = plan["charges"][0]
    sent = [{**charge(metric, "2"), "id": kept["lago_id"]}, charge(metric, "3")]
    changed = put(lago, "/plans/p", plan={"charges": sent})["plan"]["charges"]
    assert [(row["code"], row["properties"]["amount"]) for row in changed] == [("a", "2"), ("calls", "3")]
    assert changed[0]["lago_id"] == kept["lago_id"]
    assert put(lago, "/plans/p", plan={"name": "renamed"})["plan"]["charges"] == changed


def test_single_charges_are_added_changed_and_removed(lago):
    metric = lago.metric("calls")
    lago.plan("p", 1000)
    lago.post("/plans/p/charges", charge=charge(metric, code="x"))
    assert put(lago, "/plans/p/charges/x", charge={"properties": {"amount": "3"}})["charge"]["properties"]["amount"] == "3"
    assert lago.get("/plans/p/charges/x")["charge"]["code"] == "x"
    lago.api.delete("/plans/p/charges/x").raise_for_status()
    assert lago.get("/plans/p/charges")["charges"] == []


def test_an_unused_plan_can_change_everything(lago):
    lago.plan("p", 1000)
    changed = put(lago, "/plans/p", plan={"code": "q", "interval": "yearly", "amount_currency": "USD", "trial_period": 3})["plan"]
    assert (changed["code"], changed["interval"], changed["amount_currency"], changed["trial_period"]) == ("q", "yearly", "USD", 3.0)
    assert lago.api.get("/plans/p").status_code == 404
    lago.plan("p", 1)
    assert lago.api.put("/plans/p", json={"plan": {"code": "q"}}).status_code == 422


def test_plan_metadata_is_set_merged_and_removed(lago):
    lago.plan("p", 1, metadata={"k": "v"})
    assert lago.post("/plans/p/metadata", metadata={"a": "1"})["metadata"] == {"a": "1"}
    assert lago.api.patch("/plans/p/metadata", json={"metadata": {"b": "2"}}).json()["metadata"] == {"a": "1", "b": "2"}
    assert lago.api.delete("/plans/p/metadata/a").json()["metadata"] == {"b": "2"}


def test_features_merge_and_options_only_grow(lago):
    tier = {"code": "tier", "value_type": "select", "config": {"select_options": ["gold"]}}
    lago.post("/features", feature={"code": "seats", "privileges": [tier]})
    sent = [{"code": "tier", "name": "Tier", "config": {"select_options": ["tin"]}}, {"code": "max", "value_type": "integer"}]
    feature = put(lago, "/features/seats", feature={"name": "Seats", "privileges": sent})["feature"]
    tier = next(row for row in feature["privileges"] if row["code"] == "tier")
    assert (tier["name"], tier["config"]["select_options"], len(feature["privileges"])) == ("Tier", ["gold", "tin"], 2)
    assert lago.get("/features?search_term=sea")["features"] == [feature]
    assert lago.get("/features/seats")["feature"] == feature


def test_plan_entitlements_are_replaced_merged_and_removed(lago):
    privileges = [{"code": "max", "value_type": "integer"}, {"code": "sso", "value_type": "boolean"}, {"code": "note"}]
    lago.post("/features", feature={"code": "seats", "privileges": privileges})
    lago.plan("p", 1)
    base = "/plans/p/entitlements"
    lago.post(base, entitlements={"seats": {"max": "10", "sso": "true", "note": 5}})
    merged = lago.api.patch(base, json={"entitlements": {"seats": {"max": 20}}}).json()["entitlements"]
    assert [row["value"] for row in merged[0]["privileges"]] == [20, True, "5"]
    lago.api.delete(f"{base}/seats/privileges/sso").raise_for_status()
    assert [row["code"] for row in lago.get(f"{base}/seats")["entitlement"]["privileges"]] == ["max", "note"]
    lago.api.delete(f"{base}/seats").raise_for_status()
    assert lago.get(base)["entitlements"] == []


def test_a_subscription_loses_and_regains_what_its_plan_gives(lago):
    privileges = [{"code": "max", "value_type": "integer"}, {"code": "sso", "value_type": "boolean"}]
    lago.post("/features", feature={"code": "seats", "privileges": privileges})
    lago.plan("p", 1)
    lago.post("/plans/p/entitlements", entitlements={"seats": {"max": 1, "sso": False}})
    lago.subscribe("c", "p")
    base = "/subscriptions/c/entitlements"
    lago.api.delete(f"{base}/seats/privileges/sso").raise_for_status()
    assert [row["code"] for row in lago.get(base)["entitlements"][0]["privileges"]] == ["max"]
    lago.api.delete(f"{base}/seats").raise_for_status()
    assert lago.get(base)["entitlements"] == []
    back = lago.api.patch(base, json={"entitlements": {"seats": {}}}).json()["entitlements"]
    assert [row["code"] for row in back[0]["privileges"]] == ["max", "sso"]


def test_usage_is_split_by_filters(lago):
    metric = lago.metric("tokens", filters=[{"key": "model", "values": ["small", "large"]}])
    part = {"invoice_display_name": "large", "properties": {"amount": "1"}, "values": {"model": ["large"]}}
    lago.plan("p", 0, charges=[charge(metric, "0.1", filters=[part])])
    lago.subscribe("c", "p")
    for number, model in enumerate(("large", "small", None)):
        properties = {"n": 10, **({"model": model} if model else {})}
        lago.post(
            "/events", event={"transaction_id": f"t{number}", "external_subscription_id": "c", "code": "tokens", "properties": properties}
        )
    usage = lago.get("/customers/c/current_usage?external_subscription_id=c&filter_by_metric_code=tokens")["customer_usage"]
    (used,) = usage["charges_usage"]
    assert [(row["units"], row["amount_cents"]) for row in used["filters"]] == [("10.0", 1000), ("20.0", 200)]
    assert (
        lago.get("/customers/c/current_usage?external_subscription_id=c&filter_by_charge_code=absent")["customer_usage"]["amount_cents"]
        == 0
    )
    lago.api.delete("/subscriptions/c").raise_for_status()
    (past,) = lago.get("/customers/c/past_usage?external_subscription_id=c")["usage_periods"]
    assert past["charges_usage"][0]["amount_cents"] == 1200


def test_a_dynamic_charge_costs_what_its_events_say(lago):
    lago.plan("p", 0, charges=[{"billable_metric_id": lago.metric("calls"), "charge_model": "dynamic"}])
    lago.subscribe("c", "p")
    event = {"transaction_id": "t", "external_subscription_id": "c", "code": "calls", "properties": {"n": 2}}
    lago.post("/events", event={**event, "precise_total_amount_cents": "12.5"})
    assert lago.get("/customers/c/current_usage?external_subscription_id=c")["customer_usage"]["amount_cents"] == 13


def test_lifetime_usage_is_kept_and_never_computed(lago):
    lago.plan("p", 0)
    lago.subscribe("c", "p")
    set_usage = put(lago, "/subscriptions/c/lifetime_usage", lifetime_usage={"external_historical_usage_amount_cents": 500})
    read = lago.get("/subscriptions/c/lifetime_usage")["lifetime_usage"]
    assert set_usage["lifetime_usage"]["lago_id"] == read["lago_id"]
    assert (read["external_historical_usage_amount_cents"], read["current_usage_amount_cents"]) == (500, 0)


def test_events_are_listed_by_subscription_code_and_time(lago):
    for number in range(3):
        at = 1800000000 + number
        body = {"transaction_id": f"t{number}", "external_subscription_id": "s", "code": "a", "timestamp": at}
        lago.post("/events", event=body)
    assert [row["transaction_id"] for row in lago.get("/events?external_subscription_id=s&code=a")["events"]] == ["t2", "t1", "t0"]
    assert lago.get("/events?code=a&timestamp_from=2027-01-15T08:00:01Z&timestamp_to=2027-01-15T08:00:01Z")["meta"]["total_count"] == 1
    assert lago.get("/events/t1")["event"]["code"] == "a"


def test_subscriptions_are_renamed_and_listed_by_status(lago):
    lago.plan("p", 1000)
    lago.subscribe("c", "p")
    lago.subscribe("later", "p", external_customer_id="c", subscription_at="2027-03-01T00:00:00Z")
    assert put(lago, "/subscriptions/c", subscription={"name": "new", "ending_at": "2027-06-01"})["subscription"]["name"] == "new"
    moved = put(lago, "/subscriptions/later?status=pending", subscription={"subscription_at": "2027-04-01T00:00:00Z"})
    assert moved["subscription"]["subscription_at"] == "2027-04-01T00:00:00Z"
    assert [row["external_id"] for row in lago.get("/subscriptions?external_customer_id=c")["subscriptions"]] == ["c"]
    assert lago.get("/customers/c/subscriptions?status[]=pending")["meta"]["total_count"] == 1
    assert lago.get("/subscriptions?plan_code=p&status[]=active&status[]=pending")["meta"]["total_count"] == 2
    lago.plan("q", 2000)
    assert lago.subscribe("later", "q", external_customer_id="c")["plan_code"] == "q"


def test_a_second_downgrade_takes_the_place_of_the_first(lago):
    for code, amount in (("high", 3000), ("mid", 2000), ("low", 1000)):
        lago.plan(code, amount)
    lago.subscribe("c", "high")
    lago.subscribe("c", "mid")
    assert lago.subscribe("c", "low")["next_plan_code"] == "low"
    assert lago.subscribe("c", "high")["next_plan_code"] == "low"  # asking for the current plan drops nothing
    lago.api.delete("/subscriptions/c?status=pending").raise_for_status()
    assert lago.get("/subscriptions/c")["subscription"]["next_plan_code"] is None


def test_alerts_are_kept_and_never_fire(lago):
    lago.plan("p", 0)
    lago.metric("calls")
    lago.subscribe("c", "p")
    base = "/subscriptions/c/alerts"
    alert = {"code": "a", "name": "A", "alert_type": "current_usage_amount", "thresholds": [{"value": "100"}]}
    lago.post(base, alert=alert)
    lago.post(base, alert={**alert, "code": "m", "alert_type": "billable_metric_current_usage_amount", "billable_metric_code": "calls"})
    assert lago.api.post(base, json={"alert": alert}).json()["error_details"] == {"code": ["value_already_exist"]}
    assert lago.api.post(base, json={"alert": {**alert, "code": "b"}}).json()["error_details"] == {"base": ["alert_already_exists"]}
    assert put(lago, f"{base}/a", alert={"name": "B", "thresholds": [{"value": "1"}]})["alert"]["name"] == "B"
    assert lago.get(f"{base}/a")["alert"]["last_processed_at"] is None
    assert lago.api.delete(f"{base}/a").json()["alert"]["thresholds"] == []
    assert lago.get(base)["meta"]["total_count"] == 1
    assert lago.api.delete(base).content == b""


def test_a_one_off_invoice_is_voided_once(lago):
    invoice = one_off(lago)
    assert (invoice["invoice_type"], invoice["total_amount_cents"], invoice["payment_due_date"]) == ("one_off", 10000, "2027-01-22")
    path = f"/invoices/{invoice['lago_id']}"
    assert lago.post(f"{path}/void")["invoice"]["total_due_amount_cents"] == 0
    assert lago.api.post(f"{path}/void").json()["code"] == "not_voidable"
    assert lago.api.delete(path).json()["code"] == "not_deletable"
    assert lago.get("/invoices?status=voided")["meta"]["total_count"] == 1


def test_an_invoice_takes_metadata_and_a_lost_dispute(lago):
    path = f"/invoices/{one_off(lago)['lago_id']}"
    (entry,) = put(lago, path, invoice={"metadata": [{"key": "po", "value": 42}]})["invoice"]["metadata"]
    (kept,) = put(lago, path, invoice={"metadata": [{"id": entry["lago_id"], "key": "po", "value": "43"}]})["invoice"]["metadata"]
    assert (kept["lago_id"], kept["value"]) == (entry["lago_id"], "43")
    assert lago.post(f"{path}/lose_dispute")["invoice"]["payment_dispute_lost_at"] is not None


@pytest.mark.parametrize(
    ("method", "tail", "expected"),
    [
        ("POST", "download", 200),
        ("POST", "retry_payment", 200),
        ("PUT", "finalize", 404),
        ("PUT", "refresh", 403),
        ("POST", "retry", 405),
        ("POST", "resend_email", 403),
        ("POST", "payment_url", 422),
    ],
)
def test_what_else_an_invoice_is_asked(lago, method, tail, expected):
    assert lago.api.request(method, f"/invoices/{one_off(lago)['lago_id']}/{tail}").status_code == expected


def test_paid_calls_know_their_invoice_first(lago):
    invoice = one_off(lago)
    assert lago.api.post("/payments", json={"payment": {"invoice_id": invoice["lago_id"]}}).status_code == 403
    assert lago.api.post("/credit_notes/estimate", json={"credit_note": {"invoice_id": invoice["lago_id"]}}).status_code == 403
    assert lago.get("/customers/c/invoices?issuing_date_from=2027-01-01&issuing_date_to=2027-01-31")["meta"]["total_count"] == 1


def test_wallet_credits_are_granted_voided_and_counted(lago):
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR"})
    wallet = lago.post("/wallets", wallet={"external_customer_id": "c", "rate_amount": "1", "name": "My wallet"})["wallet"]
    assert wallet["code"] == "my_wallet"
    body = {"wallet_id": wallet["lago_id"]}
    more = {"name": "top-up", "metadata": [{"key": "k", "value": "v"}]}
    (granted,) = lago.post("/wallet_transactions", wallet_transaction={**body, "granted_credits": "5", **more})["wallet_transactions"]
    assert lago.get(f"/wallet_transactions/{granted['lago_id']}")["wallet_transaction"]["name"] == "top-up"
    lago.post("/wallet_transactions", wallet_transaction={**body, "voided_credits": "2"})
    shown = lago.get("/customers/c/wallets/my_wallet")["wallet"]
    assert (shown["credits_balance"], shown["consumed_credits"]) == ("3.0", "2.0")
    too_much = lago.api.post("/wallet_transactions", json={"wallet_transaction": {**body, "voided_credits": "9"}})
    assert too_much.json()["error_details"] == {"voided_credits": ["insufficient_credits"]}
    assert lago.get(f"/wallets/{wallet['lago_id']}/wallet_transactions?transaction_type=outbound")["meta"]["total_count"] == 1


def test_a_wallet_is_changed_and_ended(lago):
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR"})
    wallet = lago.post("/wallets", wallet={"external_customer_id": "c", "rate_amount": "1"})["wallet"]
    path = f"/wallets/{wallet['lago_id']}"
    assert put(lago, path, wallet={"name": "new", "priority": 2, "expiration_at": "2027-12-31"})["wallet"]["priority"] == 2
    for _ in range(2):
        assert lago.api.delete(path).json()["wallet"]["status"] == "terminated"
    late = lago.api.post("/wallet_transactions", json={"wallet_transaction": {"wallet_id": wallet["lago_id"], "granted_credits": "1"}})
    assert late.json()["error_details"] == {"wallet_id": ["wallet_is_terminated"]}


def test_a_customer_has_six_wallets_at_most(lago):
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR"})
    for number in range(6):
        lago.post("/wallets", wallet={"external_customer_id": "c", "rate_amount": "1", "code": f"w{number}"})
    seventh = lago.api.post("/wallets", json={"wallet": {"external_customer_id": "c", "rate_amount": "1", "code": "w7"}})
    assert seventh.json()["error_details"] == {"customer": ["wallet_limit_reached"]}


def test_usage_counts_against_a_wallet_only_when_its_balance_moves(lago):
    lago.plan("p", 0, charges=[charge(lago.metric("calls"))])
    lago.subscribe("c", "p")
    wallet = lago.post("/wallets", wallet={"external_customer_id": "c", "rate_amount": "1", "granted_credits": "10"})["wallet"]
    lago.use("c", "calls", 4, transaction_id="t")
    path = f"/wallets/{wallet['lago_id']}"
    assert lago.get(path)["wallet"]["ongoing_balance_cents"] == 1000
    lago.post("/wallet_transactions", wallet_transaction={"wallet_id": wallet["lago_id"], "granted_credits": "1"})
    assert lago.get(path)["wallet"]["ongoing_balance_cents"] == 700


def test_credit_notes_carry_taxes_and_their_share_of_coupons(lago):
    lago.post("/taxes", tax={"name": "City", "code": "city", "rate": "5.5"})
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR", "tax_codes": ["city"]})
    coupon = {"name": "third", "code": "third", "coupon_type": "percentage", "percentage_rate": "33.33", "frequency": "forever"}
    lago.post("/coupons", coupon={**coupon, "expiration": "no_expiration"})
    lago.post("/applied_coupons", applied_coupon={"external_customer_id": "c", "coupon_code": "third"})
    lago.plan("adv", 3100, advance=True)
    lago.subscribe("c", "adv")
    lago.go("2027-04-16T10:00:00Z")
    lago.api.delete("/subscriptions/c").raise_for_status()
    (note,) = lago.get("/credit_notes?external_customer_id=c")["credit_notes"]
    assert (note["total_amount_cents"], note["coupons_adjustment_amount_cents"], note["taxes_amount_cents"]) == (1018, 482, 53)
    assert lago.get(f"/credit_notes/{note['lago_id']}")["credit_note"]["number"] == note["number"]


def test_endpoints_are_changed_listed_and_limited(lago):
    made = [
        lago.post("/webhook_endpoints", webhook_endpoint={"webhook_url": f"http://127.0.0.1:9/{n}"})["webhook_endpoint"] for n in range(10)
    ]
    path = f"/webhook_endpoints/{made[0]['lago_id']}"
    changed = put(
        lago,
        path,
        webhook_endpoint={"name": "n", "signature_algo": "hmac", "event_types": ["plan.created"], "webhook_url": "http://127.0.0.1:9/x"},
    )
    assert changed["webhook_endpoint"]["event_types"] == ["plan.created"]
    assert lago.api.put(path, json={"webhook_endpoint": {"webhook_url": "http://127.0.0.1:9/1"}}).status_code == 422
    assert lago.get("/webhook_endpoints?per_page=2")["meta"]["total_pages"] == 5
    eleventh = lago.api.post("/webhook_endpoints", json={"webhook_endpoint": {"webhook_url": "http://127.0.0.1:9/new"}})
    assert eleventh.json()["error_details"] == {"base": ["Maximum number of webhook endpoints was reached"]}
    lago.api.delete(path).raise_for_status()
    assert lago.api.get(path).status_code == 404


def test_the_organization_can_be_given_a_webhook_url(lago):
    answer = put(lago, "/organizations", organization={"webhook_url": "http://127.0.0.1:9/o"})["organization"]
    assert answer["lago_id"] == lago.facts["organization_id"]
    assert lago.get("/webhook_endpoints")["webhook_endpoints"][0]["signature_algo"] == "jwt"


def test_a_metric_in_use_keeps_its_shape(lago):
    lago.plan("p", 0, charges=[charge(lago.metric("calls"))])
    changed = put(lago, "/billable_metrics/calls", billable_metric={"name": "Calls", "aggregation_type": "max_agg"})["billable_metric"]
    assert (changed["name"], changed["aggregation_type"]) == ("Calls", "sum_agg")
    lago.metric("free")
    assert (
        put(lago, "/billable_metrics/free", billable_metric={"aggregation_type": "max_agg"})["billable_metric"]["aggregation_type"]
        == "max_agg"
    )
    assert lago.get("/billable_metrics")["meta"]["total_count"] == 2


def test_coupons_end_and_applied_ones_go_on(lago):
    coupon = {"name": "x", "code": "x", "coupon_type": "percentage", "percentage_rate": "50", "frequency": "forever"}
    lago.post("/coupons", coupon={**coupon, "expiration": "time_limit", "expiration_at": "2027-01-20T00:00:00Z"})
    lago.post("/customers", customer={"external_id": "c", "currency": "EUR"})
    lago.post("/applied_coupons", applied_coupon={"external_customer_id": "c", "coupon_code": "x"})
    lago.plan("adv", 3100, advance=True)
    lago.subscribe("c", "adv")
    lago.go("2027-02-01T01:00:00Z")
    assert [row["total_amount_cents"] for row in lago.invoices("c")] == [850, 1550]
    (applied,) = lago.get("/applied_coupons?external_customer_id=c&status=active")["applied_coupons"]
    assert (applied["coupon_status"], len(applied["credits"])) == ("terminated", 2)
    late = lago.api.post("/applied_coupons", json={"applied_coupon": {"external_customer_id": "c", "coupon_code": "x"}})
    assert late.status_code == 404
