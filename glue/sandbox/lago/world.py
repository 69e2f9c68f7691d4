"""The state of one Lago organization: its tables, its clock, its pending work and its webhooks to send."""

import uuid
from collections.abc import Callable
from typing import Any

from glue.sandbox.clock import VirtualClock
from glue.sandbox.lago.encoding import encode
from glue.sandbox.lago.values import to_ms
from glue.sandbox.store import Store, Table

Row = dict[str, Any]
ORGANIZATION = "Probe"
ENTITY_CODE = "probe"


def pick(row: Row, names: str) -> Row:
    """The fields of ``row`` that ``names`` lists."""
    return {name: row[name] for name in names.split()}


class World:
    """Everything a call or a job may read and change.

    ``now()`` is the virtual time in milliseconds; while a job runs it is that job's own instant. ``later(work)``
    queues what the real one does in a background job: it runs after the answer is out, in order.
    """

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self.store, self.clock = store, clock
        self.finalized: Callable[[Row], None] = lambda _invoice: None
        self.event_taken: Callable[[Row], None] = lambda _event: None
        self.front_url = "http://127.0.0.1"  # where links for people lead; the server sets it
        self.as_of: int | None = None
        self.pending: list[Callable[[], object]] = []
        self.send: Callable[[Row, str, bytes], None] = lambda _endpoint, _type, _body: None
        self.open()

    def open(self) -> None:
        """Load the tables; again after a reset."""
        table = self.store.table
        self.settings: Table = table("settings")
        self.customers: Table = table("customers", "external_id")
        self.metrics: Table = table("metrics", "code")
        self.features: Table = table("features", "code")
        self.plans: Table = table("plans", "code")
        self.subscriptions: Table = table(
            "subscriptions", "external_id", "customer_id", "plan_id", "status", "bill_on", "trial_until", "ending_at"
        )
        self.events: Table = table("events", "stream", "transaction_id", "code")
        self.invoices: Table = table("invoices", "customer_id", "due_unpaid")
        self.credit_notes: Table = table("credit_notes", "customer_id")
        self.coupons: Table = table("coupons", "code")
        self.applied_coupons: Table = table("applied_coupons", "customer_id")
        self.taxes: Table = table("taxes", "code")
        self.add_ons: Table = table("add_ons", "code")
        self.wallets: Table = table("wallets", "customer_id", "status")
        self.wallet_transactions: Table = table("wallet_transactions", "wallet_id")
        self.alerts: Table = table("alerts", "subscription_external_id")
        self.endpoints: Table = table("endpoints", "webhook_url")
        self.deliveries: Table = table("deliveries", "status")

    def now(self) -> int:
        return self.as_of if self.as_of is not None else to_ms(self.clock.now())

    def new_id(self) -> str:
        return str(uuid.uuid4())

    def setting(self, name: str, make: Callable[[], Any]) -> Any:
        """A value of the organization, made when it is first asked for and kept."""
        row = self.settings.get(name)
        if row is None:
            row = self.settings.put(name, {"value": make()})
        return row["value"]

    def keep(self, name: str, value: Any) -> None:
        self.settings.put(name, {"value": value})

    def count(self, name: str) -> int:
        """The next number of a sequence, from 1."""
        number = int(self.setting(f"count:{name}", lambda: 0)) + 1
        self.keep(f"count:{name}", number)
        return number

    @property
    def organization_id(self) -> str:
        return str(self.setting("organization_id", self.new_id))

    def later(self, work: Callable[[], object]) -> None:
        self.pending.append(work)

    def work_off(self) -> None:
        """Run what was queued by ``later``, and what that queues."""
        while self.pending:
            self.pending.pop(0)()

    def tell(self, webhook_type: str, object_type: str, shown: Row) -> None:
        """Send a webhook to every endpoint that takes this type; the body is what ``shown`` says now."""
        takers = [row for row in self.endpoints if row["event_types"] is None or webhook_type in row["event_types"]]
        if takers:
            head = {"webhook_type": webhook_type, "object_type": object_type, "organization_id": self.organization_id}
            body = encode({**head, object_type: shown})
            for endpoint in takers:
                self.send(endpoint, webhook_type, body)
