"""What Lago's adapter promises, whatever answers it. Test modules give the fixtures ``lago`` and ``settings``."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from waiting import wait_until

from glue.errors import BadInput, UpstreamConflict, UpstreamNotFound, UpstreamRefused
from glue.rules.facts import Address, Subscription
from glue.upstream.lago import Lago, UsageEvent


@dataclass(frozen=True)
class Catalog:
    """A meter (a sum of ``units`` at 2 cents), a feature, and a free, a cheap and a dear plan in USD."""

    meter: str
    feature: str
    free: str
    cheap: str
    dear: str


@dataclass(frozen=True)
class Tenant:
    customer: str
    subscription: str


def fresh(prefix: str) -> str:
    return f"{prefix}{secrets.token_hex(6)}"


class LagoContract:
    @pytest.fixture(scope="module")
    @staticmethod
    def catalog(lago: Lago) -> Catalog:
        return make_catalog(lago)

    @pytest.fixture
    def tenant(self, lago: Lago, catalog: Catalog) -> Tenant:
        return make_tenant(lago, plan=catalog.cheap)

    def test_the_organization_has_an_identity(self, lago: Lago) -> None:
        assert lago.organization_id() == lago.organization_id() != ""

    # --- customers

    def test_customer_is_made_changed_and_cleared_field_by_field(self, lago: Lago) -> None:
        external_id = fresh("t")
        assert lago.find_customer(external_id) is None
        address = Address(line1="1 High St", line2="Flat 2", zipcode="75001", city="Paris", state="IdF", country="FR")
        made = lago.upsert_customer(
            external_id,
            name="Acme",
            email="pay@acme.test",
            currency="USD",
            legal_name="Acme SAS",
            tax_id="FR1",
            address=address,
            net_payment_term_days=14,
            metadata={"tier": "pro"},
        )
        assert lago.find_customer(external_id) == made
        assert (made.name, made.email, made.currency, made.legal_name, made.tax_id) == ("Acme", "pay@acme.test", "USD", "Acme SAS", "FR1")
        assert (made.address, made.net_payment_term_days, made.metadata) == (address, 14, {"tier": "pro"})
        changed = lago.upsert_customer(external_id, email=None, legal_name="", metadata={})
        assert (changed.lago_id, changed.name, changed.address) == (made.lago_id, "Acme", address)
        assert (changed.email, changed.legal_name, changed.metadata) == ("", "", {})

    def test_unknown_fields_of_a_customer_are_our_mistake(self, lago: Lago) -> None:
        with pytest.raises(TypeError):
            lago.upsert_customer(fresh("t"), nmae="Acme")

    def test_ids_that_reach_another_customer_are_never_sent(self, lago: Lago) -> None:
        for action in (lago.find_customer, lago.entitlements, lago.terminate_subscription, lago.subscriptions_of, lago.checkout_url):
            with pytest.raises(BadInput):
                action("acme.dev")

    def test_customers_are_listed_page_by_page(self, lago: Lago) -> None:
        ids = {fresh("t") for _ in range(3)}
        for one in ids:
            lago.upsert_customer(one, name=one)
        page_number: int | None = 1
        listed: list[str] = []
        while page_number is not None:
            page = lago.list_customers(page=page_number, per_page=2)
            assert page.total is not None
            listed += [one.external_id for one in page.items]
            page_number = page.next_page
        assert ids <= set(listed)
        assert len(listed) == page.total

    # --- subscriptions

    def test_subscription_starts_and_repeating_changes_nothing(self, lago: Lago, catalog: Catalog, tenant: Tenant) -> None:
        (row,) = lago.subscriptions_of(tenant.customer)
        again = lago.create_subscription(customer=tenant.customer, external_id=tenant.subscription, plan_code=catalog.cheap)
        assert again.lago_id == row.lago_id
        assert (row.external_id, row.customer_external_id, row.plan_code) == (tenant.subscription, tenant.customer, catalog.cheap)
        assert row.status == "active"
        assert row.started_at is not None
        assert row.period_started_at is not None
        assert row.period_ends_at is not None
        assert row.period_started_at <= row.started_at + timedelta(seconds=1)
        assert row.period_ends_at > row.started_at
        assert lago.subscriptions_of(fresh("t")) == ()

    def test_unknown_plan_is_not_found(self, lago: Lago, tenant: Tenant) -> None:
        with pytest.raises(UpstreamNotFound):
            lago.create_subscription(customer=tenant.customer, external_id=fresh("sub-"), plan_code="absent")

    def test_upgrade_makes_a_new_row_under_the_same_id(self, lago: Lago, catalog: Catalog, tenant: Tenant) -> None:
        before = active(lago, tenant)
        upgraded = lago.create_subscription(customer=tenant.customer, external_id=tenant.subscription, plan_code=catalog.dear)
        rows = {row.status: row for row in lago.subscriptions_of(tenant.customer)}
        assert rows.keys() == {"active", "terminated"}
        assert rows["active"].lago_id == upgraded.lago_id != before.lago_id
        assert (rows["active"].plan_code, rows["active"].previous_plan_code) == (catalog.dear, catalog.cheap)
        assert rows["terminated"].terminated_at is not None

    def test_downgrade_waits_and_can_be_called_off(self, lago: Lago, catalog: Catalog, tenant: Tenant) -> None:
        lago.create_subscription(customer=tenant.customer, external_id=tenant.subscription, plan_code=catalog.free)
        rows = {row.status: row for row in lago.subscriptions_of(tenant.customer)}
        assert rows.keys() == {"active", "pending"}
        assert (rows["active"].next_plan_code, rows["pending"].plan_code) == (catalog.free, catalog.free)
        assert rows["active"].downgrade_plan_date is not None
        lago.terminate_subscription(tenant.subscription, status="pending")
        lago.terminate_subscription(tenant.subscription, status="pending")
        assert active(lago, tenant).next_plan_code is None

    def test_end_is_set_and_cleared(self, lago: Lago, tenant: Tenant) -> None:
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=40)
        lago.set_subscription_end(tenant.subscription, end)
        assert active(lago, tenant).ending_at == end
        lago.set_subscription_end(tenant.subscription, None)
        assert active(lago, tenant).ending_at is None
        with pytest.raises(UpstreamRefused):
            lago.set_subscription_end(tenant.subscription, end - timedelta(days=60))

    def test_terminated_subscription_stays_listed_and_terminating_again_is_fine(self, lago: Lago, tenant: Tenant) -> None:
        lago.terminate_subscription(tenant.subscription)
        lago.terminate_subscription(tenant.subscription)
        (row,) = lago.subscriptions_of(tenant.customer)
        assert row.status == "terminated"
        assert row.terminated_at is not None
        assert lago.list_subscriptions(external_customer_id=tenant.customer, statuses=("active",)).items == ()

    def test_all_subscriptions_are_listed(self, lago: Lago, tenant: Tenant) -> None:
        page = lago.list_subscriptions(per_page=1000)
        assert tenant.subscription in {row.external_id for row in page.items}

    def test_twenty_starts_at_once_make_one_row(self, lago: Lago, catalog: Catalog) -> None:
        customer, subscription = fresh("t"), fresh("sub-")
        lago.upsert_customer(customer, name="Race", currency="USD")

        def start(_: int) -> str:
            return lago.create_subscription(customer=customer, external_id=subscription, plan_code=catalog.cheap).lago_id

        with ThreadPoolExecutor(20) as pool:
            assert len(set(pool.map(start, range(20)))) == 1

    # --- entitlements

    def test_entitlements_are_the_plans_with_overrides(self, lago: Lago, catalog: Catalog, tenant: Tenant) -> None:
        assert lago.plan_entitlements(catalog.cheap) == {catalog.feature: {"max": 10, "enabled": True}}
        assert lago.entitlements(tenant.subscription) == {catalog.feature: {"max": 10, "enabled": True}}
        lago.override_entitlements(tenant.subscription, {catalog.feature: {"max": 50}})
        assert lago.entitlements(tenant.subscription) == {catalog.feature: {"max": 50, "enabled": True}}
        assert lago.entitlement_overrides(tenant.subscription) == {catalog.feature: {"max": 50}}
        lago.reset_entitlements(tenant.subscription, frozenset({catalog.feature}))
        assert lago.entitlements(tenant.subscription) == {catalog.feature: {"max": 10, "enabled": True}}
        assert lago.entitlement_overrides(tenant.subscription) == {}
        lago.override_entitlements(tenant.subscription, {catalog.feature: {"max": 50}})
        lago.create_subscription(customer=tenant.customer, external_id=tenant.subscription, plan_code=catalog.dear)
        assert lago.entitlements(tenant.subscription) == {catalog.feature: {"max": 99, "enabled": True}}
        with pytest.raises(UpstreamNotFound):
            lago.entitlements(fresh("sub-"))

    # --- usage

    def test_events_are_taken_once_and_counted(self, lago: Lago, catalog: Catalog, tenant: Tenant) -> None:
        events = [usage(catalog, tenant, units=units) for units in ("1.5", "2", "0.25")]
        first = lago.send_events(events)
        assert (first.accepted, first.duplicates, first.refused) == (3, (), {})
        more = usage(catalog, tenant, units="10")
        second = lago.send_events([events[0], more, events[2]])
        assert (second.accepted, second.refused) == (1, {})
        assert set(second.duplicates) == {events[0].transaction_id, events[2].transaction_id}
        assert lago.find_event(more.transaction_id)
        assert not lago.find_event(fresh("e"))
        wait_until(lambda: (found := lago.current_usage(tenant.customer, tenant.subscription)) and found.charges[0].events_count == 4)
        now = lago.current_usage(tenant.customer, tenant.subscription)
        assert now is not None
        (charge,) = now.charges
        assert (charge.meter, charge.units, charge.amount_cents) == (catalog.meter, Decimal("13.75"), 28)
        assert (now.currency, now.amount_cents) == ("USD", 28)
        assert now.from_at <= datetime.now(UTC) + timedelta(days=400)
        assert now.to_at > now.from_at

    def test_an_event_of_the_wrong_kind_does_not_hold_up_the_others(self, lago: Lago, catalog: Catalog, tenant: Tenant) -> None:
        good, bad = usage(catalog, tenant, units="1"), UsageEvent(fresh("e"), "", tenant.subscription, datetime.now(UTC), {})
        result = lago.send_events([bad, good])
        assert result.accepted + len(result.refused) == 2
        assert good.transaction_id not in result.refused
        assert lago.find_event(good.transaction_id)

    def test_batches_and_times_that_lago_would_spoil_are_not_sent(self, lago: Lago, catalog: Catalog, tenant: Tenant) -> None:
        one = usage(catalog, tenant, units="1")
        with pytest.raises(BadInput):
            lago.send_events([one, one])
        with pytest.raises(BadInput):
            lago.send_events([usage(catalog, tenant, units="1") for _ in range(101)])
        with pytest.raises(BadInput):
            lago.send_events([UsageEvent(fresh("e"), catalog.meter, tenant.subscription, datetime(1970, 1, 2, tzinfo=UTC), {})])
        assert lago.send_events([]).accepted == 0

    def test_no_active_subscription_has_no_usage(self, lago: Lago, tenant: Tenant) -> None:
        lago.terminate_subscription(tenant.subscription)
        assert lago.current_usage(tenant.customer, tenant.subscription) is None
        assert lago.current_usage(fresh("t"), fresh("sub-")) is None

    # --- invoices

    def test_invoice_in_advance_is_listed_read_and_paid(self, lago: Lago, catalog: Catalog, tenant: Tenant) -> None:
        lago.create_subscription(customer=tenant.customer, external_id=tenant.subscription, plan_code=catalog.dear)
        wait_until(lambda: any(one.total_cents for one in lago.invoices_of(tenant.customer)))
        invoice = next(one for one in lago.invoices_of(tenant.customer) if one.total_cents)
        assert (invoice.kind, invoice.status, invoice.payment_status, invoice.currency) == ("subscription", "finalized", "pending", "USD")
        assert invoice.customer_external_id == tenant.customer
        assert (invoice.payment_due_date - invoice.issuing_date).days == 14
        assert invoice.is_open
        assert invoice.lines == ()
        read = lago.get_invoice(invoice.lago_id)
        line = next(line for line in read.lines if line.kind == "subscription" and line.amount_cents)
        assert (line.code, line.subscription_external_id) == (catalog.dear, tenant.subscription)
        parts = sum(one.amount_cents for one in read.lines) - sum(one.cents for one in read.reductions) + read.taxes_cents
        assert parts == read.total_cents
        assert lago.payment_url(invoice.lago_id) is None
        assert lago.checkout_url(tenant.customer) is None
        pending = lago.list_invoices(external_customer_id=tenant.customer, payment_statuses=("pending",))
        assert invoice.lago_id in {one.lago_id for one in pending.items}
        lago.mark_invoice_paid(invoice.lago_id)
        lago.mark_invoice_paid(invoice.lago_id)
        assert not lago.get_invoice(invoice.lago_id).is_open
        paid = lago.list_invoices(external_customer_id=tenant.customer, payment_statuses=("pending", "failed"), overdue=False)
        assert invoice.lago_id not in {one.lago_id for one in paid.items}
        assert lago.list_invoices(external_customer_id=tenant.customer, overdue=True).items == ()

    def test_unknown_invoice_is_not_found(self, lago: Lago) -> None:
        for action in (lago.get_invoice, lago.mark_invoice_paid, lago.invoice_pdf_url, lago.payment_url):
            with pytest.raises(UpstreamNotFound):
                action("00000000-0000-4000-8000-000000000000")

    def test_pdf_may_take_its_time(self, lago: Lago, catalog: Catalog, tenant: Tenant) -> None:
        invoice = one_off(lago, tenant, make_add_on(lago), description="Setup")
        url = lago.invoice_pdf_url(invoice)
        assert url is None or url.startswith("http")

    def test_one_off_invoice_is_made_once_for_a_description(self, lago: Lago, tenant: Tenant) -> None:
        add_on = make_add_on(lago)
        first = one_off(lago, tenant, add_on, description="Late usage of May, row 7")
        again = one_off(lago, tenant, add_on, description="Late usage of May, row 7")
        other = one_off(lago, tenant, add_on, description="Late usage of May, row 8")
        assert first == again != other
        invoice = lago.get_invoice(first)
        (line,) = invoice.lines
        assert (invoice.kind, line.code, line.units, line.unit_price, line.amount_cents) == ("one_off", add_on, 2, Decimal("1.5"), 300)
        assert lago.find_one_off_invoice(tenant.customer, "something else") is None

    # --- wallets and coupons

    def test_wallet_is_opened_once_and_topped_up_once_for_a_marker(self, lago: Lago, tenant: Tenant) -> None:
        assert lago.wallets_of(tenant.customer) == ()

        def open_wallet() -> str:
            return lago.create_wallet(
                tenant.customer,
                code="main",
                name="Credits",
                currency="USD",
                rate=Decimal("0.5"),
                paid_credits=Decimal(0),
                granted_credits=Decimal(10),
            ).lago_id

        wallet = open_wallet()
        assert open_wallet() == wallet
        for _ in range(2):
            lago.top_up_wallet(wallet, paid_credits=Decimal(0), granted_credits=Decimal("2.5"), marker="effect-1")
        assert lago.find_top_up(wallet, "effect-1")
        assert not lago.find_top_up(wallet, "effect-2")
        wait_until(lambda: lago.wallets_of(tenant.customer)[0].credits_balance == Decimal("12.5"))
        (found,) = lago.wallets_of(tenant.customer)
        assert (found.code, found.name, found.status, found.currency, found.rate) == ("main", "Credits", "active", "USD", Decimal("0.5"))
        assert found.balance_cents == 625
        with pytest.raises(BadInput):
            lago.top_up_wallet(wallet, paid_credits=Decimal(1), granted_credits=Decimal(0), marker="")

    def test_coupon_is_applied_once(self, lago: Lago, tenant: Tenant) -> None:
        code = fresh("c")
        new = {"code": code, "name": "Twenty", "coupon_type": "percentage", "percentage_rate": "20", "frequency": "once"}
        lago.create_object("coupons", {**new, "expiration": "no_expiration", "reusable": True})
        lago.apply_coupon(tenant.customer, code)
        lago.apply_coupon(tenant.customer, code)
        with pytest.raises(UpstreamNotFound):
            lago.apply_coupon(tenant.customer, "absent")

    # --- what files declare

    @pytest.mark.parametrize(
        ("kind", "body", "change"),
        [
            ("billable_metrics", {"name": "Calls", "aggregation_type": "count_agg"}, {"name": "All calls"}),
            ("features", {"name": "Seats", "privileges": [{"code": "max", "value_type": "integer"}]}, {"name": "All seats"}),
            (
                "plans",
                {
                    "name": "Pro",
                    "interval": "monthly",
                    "amount_cents": 100,
                    "amount_currency": "USD",
                    "pay_in_advance": True,
                    "charges": [],
                },
                {"name": "Pro 2", "amount_cents": 200},
            ),
            ("taxes", {"name": "VAT", "rate": 20}, {"rate": 21.5}),
            ("add_ons", {"name": "Setup", "amount_cents": 100, "amount_currency": "USD"}, {"amount_cents": 200}),
            (
                "coupons",
                {"name": "Ten", "coupon_type": "percentage", "percentage_rate": "10", "frequency": "once", "expiration": "no_expiration"},
                {"name": "Ten off"},
            ),
        ],
    )
    def test_declared_objects_are_made_listed_and_changed(
        self, lago: Lago, kind: str, body: dict[str, object], change: dict[str, object]
    ) -> None:
        code = fresh("d")
        made = lago.create_object(kind, {"code": code, **body})
        assert made["code"] == code
        assert code in {one["code"] for one in lago.list_objects(kind)}
        with pytest.raises(UpstreamConflict):
            lago.create_object(kind, {"code": code, **body})
        changed = lago.update_object(kind, code, change if kind != "plans" else {**body, **change})
        for field, value in change.items():
            assert float(changed[field]) == value if isinstance(value, float) else changed[field] == value
        with pytest.raises(UpstreamNotFound):
            lago.update_object(kind, "absent", change if kind != "plans" else {**body, **change})

    def test_lists_go_beyond_one_page(self, lago: Lago) -> None:
        codes = {fresh("d") for _ in range(3)}
        for code in codes:
            lago.create_object("taxes", {"code": code, "name": code, "rate": 1})
        assert codes <= {one["code"] for one in lago.list_objects("taxes")}

    def test_webhook_endpoint_is_ensured(self, lago: Lago) -> None:
        url = f"http://127.0.0.1:9/{fresh('hook')}"
        for algorithm in ("jwt", "hmac", "hmac"):
            lago.ensure_webhook_endpoint(url, algorithm=algorithm)
        assert "BEGIN PUBLIC KEY" in lago.webhook_public_key()


def make_catalog(lago: Lago) -> Catalog:
    mark = secrets.token_hex(4)
    meter, feature = f"calls_{mark}", f"seats_{mark}"
    metric = lago.create_object("billable_metrics", {"code": meter, "name": "Calls", "aggregation_type": "sum_agg", "field_name": "units"})
    privileges = [{"code": "max", "value_type": "integer"}, {"code": "enabled", "value_type": "boolean"}]
    lago.create_object("features", {"code": feature, "name": "Seats", "privileges": privileges})
    plans = {"free": (0, False, 1), "cheap": (1000, False, 10), "dear": (9000, True, 99)}
    for name, (amount_cents, in_advance, most) in plans.items():
        charge = {"billable_metric_id": metric["lago_id"], "code": meter, "charge_model": "standard", "properties": {"amount": "0.02"}}
        plan = {"code": f"{name}_{mark}", "name": name, "interval": "monthly", "amount_cents": amount_cents, "amount_currency": "USD"}
        lago.create_object("plans", {**plan, "pay_in_advance": in_advance, "charges": [charge]})
        lago.set_plan_entitlements(f"{name}_{mark}", {feature: {"max": most, "enabled": True}})
    return Catalog(meter, feature, *(f"{name}_{mark}" for name in plans))


def make_tenant(lago: Lago, *, plan: str) -> Tenant:
    tenant = Tenant(fresh("t"), fresh("sub-t"))
    lago.upsert_customer(tenant.customer, name="Acme", currency="USD", net_payment_term_days=14)
    lago.create_subscription(customer=tenant.customer, external_id=tenant.subscription, plan_code=plan, name="Acme")
    return tenant


def active(lago: Lago, tenant: Tenant) -> Subscription:
    (row,) = lago.list_subscriptions(external_customer_id=tenant.customer, statuses=("active",)).items
    return row


def usage(catalog: Catalog, tenant: Tenant, *, units: str) -> UsageEvent:
    return UsageEvent(fresh("e"), catalog.meter, tenant.subscription, datetime.now(UTC), {"units": units})


def make_add_on(lago: Lago) -> str:
    code = fresh("a")
    lago.create_object("add_ons", {"code": code, "name": "Setup", "amount_cents": 100, "amount_currency": "USD"})
    return code


def one_off(lago: Lago, tenant: Tenant, add_on: str, *, description: str) -> str:
    return lago.create_one_off_invoice(
        tenant.customer, currency="USD", add_on_code=add_on, units=Decimal(2), unit_amount_cents=150, description=description
    ).lago_id
