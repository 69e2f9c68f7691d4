import calendar
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from glue.clock import Clock
from glue.errors import UpstreamNotFound
from glue.rules.facts import CurrentUsage, Customer, Entitlements, Invoice, Subscription, Wallet
from glue.upstream.calling import Page
from glue.upstream.lago.subscriptions import ALL_STATUSES
from tests.fakes.faults import Faults


class FakeLago:
    """Months are calendar months. Prices decide up and down; ``tick`` does what Lago's clock would do."""

    def __init__(self, clock: Clock, *, prices: dict[str, int], entitlements: dict[str, Entitlements] | None = None) -> None:
        self.clock = clock
        self.prices = prices
        self.plan_grants = entitlements or {}
        self.faults = Faults("lago")
        self.customers: dict[str, Customer] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.overrides: dict[str, dict[str, dict]] = {}
        self.invoices: dict[str, Invoice] = {}
        self.invoice_lines: dict[str, str] = {}
        self.top_ups: set[tuple[str, str]] = set()
        self.objects: dict[str, list[dict]] = {}
        self.coupons: list[tuple[str, str]] = []
        self.provider = False
        self.identity = "lago-1"
        self.wallets: dict[str, list[Wallet]] = {}
        self._count = 0

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"

    def organization_id(self) -> str:
        self.faults.enter("organization_id")
        return self.identity

    # customers

    def find_customer(self, external_id: str) -> Customer | None:
        self.faults.enter("find_customer")
        return self.customers.get(external_id)

    def upsert_customer(self, external_id: str, **fields) -> Customer:
        self.faults.enter("upsert_customer")
        known = self.customers.get(external_id) or Customer(external_id, self._id("cus"), "", "", None)
        if not self.faults.ignores("upsert_customer"):
            self.customers[external_id] = replace(known, **fields)
        self.faults.leave("upsert_customer")
        return self.customers[external_id]

    def list_customers(self, *, page: int = 1, per_page: int = 1000) -> Page[Customer]:
        self.faults.enter("list_customers")
        return _page(list(self.customers.values()), page, per_page)

    # subscriptions

    def list_subscriptions(self, *, external_customer_id=None, statuses=ALL_STATUSES, page=1, per_page=1000) -> Page[Subscription]:
        self.faults.enter("list_subscriptions")
        rows = [self._with_period(row) for row in self.subscriptions.values() if row.status in statuses]
        return _page([row for row in rows if external_customer_id in {None, row.customer_external_id}], page, per_page)

    def subscriptions_of(self, external_customer_id: str) -> tuple[Subscription, ...]:
        self.faults.enter("subscriptions_of")
        rows = [self._with_period(row) for row in self.subscriptions.values()]
        return tuple(row for row in rows if row.customer_external_id == external_customer_id)

    def create_subscription(self, *, customer: str, external_id: str, plan_code: str, name: str = "", ending_at=None) -> Subscription:
        self.faults.enter("create_subscription")
        if customer not in self.customers:
            self.customers[customer] = Customer(customer, self._id("cus"), "", "", None)
        active = self._active(external_id)
        now = self.clock.now()
        if active is None:
            made = self._row(customer, external_id, plan_code, "active", started_at=now, ending_at=ending_at)
        elif active.plan_code == plan_code:
            made = active
        elif self.prices[plan_code] >= self.prices[active.plan_code]:
            self._drop_pending(external_id)
            self._end(active, now, next_plan=plan_code)
            made = self._row(customer, external_id, plan_code, "active", started_at=now, previous=active.plan_code)
        else:
            self._drop_pending(external_id)
            made = self._row(customer, external_id, plan_code, "pending", previous=active.plan_code)
            day = (self._with_period(active).period_ends_at + timedelta(seconds=1)).date()
            self.subscriptions[active.lago_id] = replace(active, next_plan_code=plan_code, downgrade_plan_date=day)
        self.faults.leave("create_subscription")
        return made

    def set_subscription_end(self, external_id: str, ending_at: datetime | None) -> None:
        self.faults.enter("set_subscription_end")
        active = self._active(external_id)
        if active is None:
            raise UpstreamNotFound("subscription_not_found", upstream="lago", operation="set_subscription_end", codes=())
        self.subscriptions[active.lago_id] = replace(active, ending_at=ending_at)
        self.faults.leave("set_subscription_end")

    def terminate_subscription(self, external_id: str, *, status: str = "active") -> None:
        self.faults.enter("terminate_subscription")
        if status == "pending":
            self._drop_pending(external_id)
        elif active := self._active(external_id):
            self._end(active, self.clock.now())
        self.faults.leave("terminate_subscription")

    def _active(self, external_id: str) -> Subscription | None:
        return next((row for row in self.subscriptions.values() if row.external_id == external_id and row.status == "active"), None)

    def _row(self, customer, external_id, plan_code, status, *, started_at=None, ending_at=None, previous=None) -> Subscription:
        row = Subscription(
            lago_id=self._id("sub"), external_id=external_id, customer_external_id=customer, plan_code=plan_code, status=status,
            started_at=started_at, ending_at=ending_at, terminated_at=None, canceled_at=None, trial_ended_at=None,
            previous_plan_code=previous, next_plan_code=None, downgrade_plan_date=None, created_at=self.clock.now(),
        )  # fmt: skip
        self.subscriptions[row.lago_id] = row
        return row

    def _end(self, row: Subscription, at: datetime, *, next_plan: str | None = None) -> None:
        self.subscriptions[row.lago_id] = replace(row, status="terminated", terminated_at=at, next_plan_code=next_plan)

    def _drop_pending(self, external_id: str) -> None:
        for key, row in list(self.subscriptions.items()):
            if row.external_id == external_id and row.status == "pending":
                self.subscriptions[key] = replace(row, status="canceled", canceled_at=self.clock.now())
            elif row.external_id == external_id and row.status == "active":
                self.subscriptions[key] = replace(row, next_plan_code=None, downgrade_plan_date=None)

    def _with_period(self, row: Subscription) -> Subscription:
        if row.status != "active":
            return row
        now = self.clock.now()
        first = datetime.combine(now.date().replace(day=1), time(), tzinfo=UTC)
        end = first + timedelta(days=calendar.monthrange(now.year, now.month)[1]) - timedelta(milliseconds=1)
        return replace(row, period_started_at=max(first, row.started_at), period_ends_at=end)

    def tick(self) -> None:
        """Ends that have come, downgrades whose period is over, overdue flags."""
        now = self.clock.now()
        for row in list(self.subscriptions.values()):
            if row.status == "active" and row.ending_at and now >= row.ending_at:
                self._end(row, now)
            elif row.status == "active" and row.downgrade_plan_date and now.date() >= row.downgrade_plan_date:
                waiting = next(one for one in self.subscriptions.values() if one.external_id == row.external_id and one.status == "pending")
                self._end(row, now)
                self.subscriptions[waiting.lago_id] = replace(waiting, status="active", started_at=now)
        for key, invoice in self.invoices.items():
            if invoice.is_open and now.date() > invoice.payment_due_date:
                self.invoices[key] = replace(invoice, payment_overdue=True)

    # entitlements

    def entitlements(self, subscription_external_id: str) -> Entitlements:
        self.faults.enter("entitlements")
        active = self._active(subscription_external_id)
        if active is None:
            raise UpstreamNotFound("none", upstream="lago", operation="entitlements", codes=())
        merged = {feature: dict(values) for feature, values in self.plan_grants.get(active.plan_code, {}).items()}
        for feature, values in self.overrides.get(active.lago_id, {}).items():
            merged.setdefault(feature, {}).update(values)
        return merged

    def override_entitlements(self, subscription_external_id: str, overrides: Entitlements) -> None:
        self.faults.enter("override_entitlements")
        active = self._active(subscription_external_id)
        for feature, values in overrides.items():
            self.overrides.setdefault(active.lago_id, {}).setdefault(feature, {}).update(values)

    # invoices

    def bill(self, customer: str, *, cents: int = 2900, due_in_days: int = 14, kind: str = "subscription") -> Invoice:
        today = self.clock.now().date()
        number = f"INV-{len(self.invoices) + 1}"
        invoice = Invoice(
            lago_id=self._id("inv"), number=number, kind=kind, status="finalized", payment_status="pending", payment_overdue=False,
            currency="USD", total_cents=cents, total_due_cents=cents, issuing_date=today,
            payment_due_date=today + timedelta(days=due_in_days), customer_external_id=customer,
        )  # fmt: skip
        self.invoices[invoice.lago_id] = invoice
        return invoice

    def list_invoices(self, *, external_customer_id=None, page=1, per_page=100, payment_statuses=(), overdue=None) -> Page[Invoice]:
        self.faults.enter("list_invoices")
        rows = [one for one in self.invoices.values() if external_customer_id in {None, one.customer_external_id}]
        rows = [
            one
            for one in rows
            if (not payment_statuses or one.payment_status in payment_statuses) and overdue in {None, one.payment_overdue}
        ]
        return _page(rows, page, per_page)

    def invoices_of(self, external_customer_id: str) -> tuple[Invoice, ...]:
        self.faults.enter("invoices_of")
        return tuple(one for one in self.invoices.values() if one.customer_external_id == external_customer_id)

    def get_invoice(self, lago_id: str) -> Invoice:
        self.faults.enter("get_invoice")
        if lago_id not in self.invoices:
            raise UpstreamNotFound("none", upstream="lago", operation="get_invoice", codes=())
        return self.invoices[lago_id]

    def mark_invoice_paid(self, lago_id: str) -> None:
        self.faults.enter("mark_invoice_paid")
        self.invoices[lago_id] = replace(self.invoices[lago_id], payment_status="succeeded", payment_overdue=False)
        self.faults.leave("mark_invoice_paid")

    def payment_url(self, lago_id: str) -> str | None:
        return f"https://pay.example.test/{lago_id}" if self.provider else None

    def create_one_off_invoice(
        self, external_customer_id, *, currency, add_on_code, units: Decimal, unit_amount_cents, description
    ) -> Invoice:
        self.faults.enter("create_one_off_invoice")
        invoice = self.find_one_off_invoice(external_customer_id, description) or self.bill(
            external_customer_id, cents=int(units * unit_amount_cents), kind="one_off"
        )
        self.invoice_lines[invoice.lago_id] = description
        self.faults.leave("create_one_off_invoice")
        return invoice

    def find_one_off_invoice(self, external_customer_id: str, description: str) -> Invoice | None:
        rows = self.invoices_of(external_customer_id)
        return next((one for one in rows if self.invoice_lines.get(one.lago_id) == description), None)

    def top_up_wallet(self, lago_id: str, *, paid_credits, granted_credits, marker: str) -> None:
        self.top_ups.add((lago_id, marker))

    def find_top_up(self, lago_id: str, marker: str) -> bool:
        return (lago_id, marker) in self.top_ups

    def current_usage(self, external_customer_id: str, subscription_external_id: str) -> CurrentUsage | None:
        active = self._active(subscription_external_id)
        if active is None:
            return None
        seen = self._with_period(active)
        return CurrentUsage(seen.period_started_at, seen.period_ends_at, "USD", 0, ())

    def wallets_of(self, external_customer_id: str) -> tuple[Wallet, ...]:
        self.faults.enter("wallets_of")
        return tuple(self.wallets.get(external_customer_id, ()))

    def apply_coupon(self, external_customer_id: str, coupon_code: str) -> None:
        self.faults.enter("apply_coupon")
        if not self.has_coupon(external_customer_id, coupon_code):
            self.coupons.append((external_customer_id, coupon_code))
        self.faults.leave("apply_coupon")

    def has_coupon(self, external_customer_id: str, coupon_code: str) -> bool:
        self.faults.enter("has_coupon")
        return (external_customer_id, coupon_code) in self.coupons

    def list_objects(self, kind: str) -> list[dict]:
        self.faults.enter(f"list_{kind}")
        return self.objects.get(kind, [])

    def webhook_public_key(self) -> str:
        self.faults.enter("webhook_public_key")
        return self.public_key_pem


def _page(rows: list, page: int, per_page: int) -> Page:
    start = (page - 1) * per_page
    more = start + per_page < len(rows)
    return Page(tuple(rows[start : start + per_page]), page + 1 if more else None, len(rows))
