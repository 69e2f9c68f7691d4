"""Lago's half of usage, as seen on the real one: it takes nearly everything, and bills only what is dated right."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from glue.errors import UpstreamRefused, UpstreamUnavailable
from glue.rules.facts import ChargeUsage, CurrentUsage
from glue.upstream.lago.usage import SendResult


@dataclass
class Row:
    """A subscription row. What is dated outside is stored and never billed."""

    started_at: datetime
    ended_at: datetime | None = None


@dataclass
class StatefulLago:
    """``rows`` per subscription, ``invoiced_until`` per subscription; troubles happen once per entry in ``troubles``."""

    clock: object
    rows: dict[str, list[Row]] = field(default_factory=dict)
    invoiced_until: dict[str, datetime] = field(default_factory=dict)
    events: dict[str, object] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    span: tuple[datetime, datetime] | None = None

    def send_events(self, events):
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble == "down":
            raise UpstreamUnavailable("lago does not answer", upstream="lago", operation="send_events")
        if trouble == "key":
            raise UpstreamRefused("lago refused", upstream="lago", operation="send_events", status=401)
        if any(event.code in self.refuses for event in events):
            raise UpstreamRefused("lago refused a batch", upstream="lago", operation="send_events", status=422)
        self.batches.append(len(events))
        duplicates = tuple(event.transaction_id for event in events if event.transaction_id in self.events)
        for event in events:
            if event.transaction_id not in self.events:
                self.events[event.transaction_id] = event
                if not self._billable(event):
                    self.lost.append(event.transaction_id)
        if trouble == "cut":
            raise UpstreamUnavailable("the connection was cut", upstream="lago", operation="send_events")
        return SendResult(len(events) - len(duplicates), duplicates)

    def _billable(self, event):
        if event.timestamp < self.invoiced_until.get(event.subscription_external_id, datetime.min.replace(tzinfo=event.timestamp.tzinfo)):
            return False
        rows = self.rows.get(event.subscription_external_id)
        return rows is None or any(
            row.started_at <= event.timestamp and (row.ended_at is None or event.timestamp < row.ended_at) for row in rows
        )

    def find_event(self, transaction_id):
        return transaction_id in self.events

    def current_usage(self, customer, subscription):
        from_at, to_at = self.span
        totals = {}
        for event in self.events.values():
            if event.subscription_external_id == subscription and from_at <= event.timestamp <= to_at:
                totals.setdefault(event.code, []).append(Decimal(event.properties["units"]))
        charges = tuple(ChargeUsage(code, sum(units), len(units), 0) for code, units in totals.items())
        return CurrentUsage(from_at, to_at, "USD", 0, charges)

    def total(self, code):
        return sum(Decimal(event.properties["units"]) for event in self.events.values() if event.code == code)
