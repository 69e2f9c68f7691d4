"""Events in, usage out. Lago takes nearly everything without a word, so what it must not get is stopped before."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from glue.errors import BadInput, UpstreamNotFound, UpstreamRefused
from glue.rules.facts import ChargeUsage, CurrentUsage
from glue.upstream.lago.calls import LagoCalls, checked_code, checked_id
from glue.upstream.reading import decimal, known_instant, whole

BATCH = 100


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One event. ``properties`` are texts; numbers in them in plain decimal form (``1E-7`` would count as nothing)."""

    transaction_id: str
    code: str
    subscription_external_id: str
    timestamp: datetime
    properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class SendResult:
    """``duplicates`` were there already, which is success; ``refused`` maps a transaction id to Lago's reason."""

    accepted: int
    duplicates: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)


class Usage(LagoCalls):
    def send_events(self, events: list[UsageEvent]) -> SendResult:
        """Send at most 100. Lago refuses a whole batch for one bad event: those it flags are taken out and the rest is resent."""
        if len(events) > BATCH or len({event.transaction_id for event in events}) < len(events):
            raise BadInput("These events cannot go in one batch.", field="events", expected=f"at most {BATCH}, each id once")
        waiting = [(event.transaction_id, _event_body(event)) for event in events]
        duplicates: list[str] = []
        refused: dict[str, str] = {}
        while waiting:
            flagged = self._send_batch([body for _, body in waiting])
            if not flagged:
                break
            for index, codes in flagged.items():
                identifier = waiting[index][0]
                if codes == {"transaction_id": ["value_already_exist"]}:
                    duplicates.append(identifier)
                else:
                    refused[identifier] = str(codes)
            waiting = [entry for index, entry in enumerate(waiting) if index not in flagged]
        return SendResult(len(waiting), tuple(duplicates), refused)

    def _send_batch(self, bodies: list[dict[str, Any]]) -> dict[int, Any]:
        """What was flagged, by place in the batch; empty when all were taken."""

        def read(answer: Any) -> tuple[dict[int, Any], str]:
            if "events" in answer:
                return {}, ""
            details = answer.get("error_details")
            if isinstance(details, dict) and details and all(key.isdigit() and int(key) < len(bodies) for key in details):
                return {int(key): value for key, value in details.items()}, ""
            return {}, str(answer)

        flagged, trouble = self._http.send("send_events", "POST", "/events/batch", read, json={"events": bodies}, accept=(422,))
        if trouble:
            body = self._http.calls.redact(trouble)
            raise UpstreamRefused(
                f"lago refused a batch of events: {body}", upstream="lago", operation="send_events", status=422, body=body, codes=()
            )
        return flagged

    def find_event(self, transaction_id: str) -> bool:
        """Whether Lago has an event of this id, for whatever subscription."""
        try:
            return self._send(
                "find_event",
                "GET",
                f"/events/{checked_code(transaction_id)}",
                lambda answer: bool(answer["event"]["transaction_id"] == transaction_id),
            )
        except UpstreamNotFound:
            return False

    def current_usage(self, external_customer_id: str, subscription_external_id: str) -> CurrentUsage | None:
        """Usage of the running period, before taxes; stale until Lago has digested the last events. None: nothing active."""
        path = f"/customers/{checked_id(external_customer_id)}/current_usage"
        params = {"external_subscription_id": checked_id(subscription_external_id), "apply_taxes": "false"}
        try:
            return self._send("current_usage", "GET", path, _parse_usage, params=params)
        except UpstreamRefused as error:
            if isinstance(error, UpstreamNotFound) or "no_active_subscription" in error.fields["codes"]:
                return None
            raise


def _event_body(event: UsageEvent) -> dict[str, Any]:
    if event.timestamp.tzinfo is None or not 1 <= event.timestamp.year - 1999 <= 200:
        raise BadInput("An event needs a sensible time.", field="timestamp", expected="an instant with a time zone, from 2000 on")
    return {
        "transaction_id": event.transaction_id,
        "code": event.code,
        "external_subscription_id": checked_id(event.subscription_external_id),
        "timestamp": f"{event.timestamp.timestamp():.6f}",
        "properties": event.properties,
    }


def _parse_usage(answer: Any) -> CurrentUsage:
    usage = answer["customer_usage"]
    return CurrentUsage(
        from_at=known_instant(usage["from_datetime"]),
        to_at=known_instant(usage["to_datetime"]),
        currency=usage["currency"],
        amount_cents=whole(usage["amount_cents"]),
        charges=tuple(
            ChargeUsage(
                meter=charge["billable_metric"]["code"],
                units=decimal(charge["units"]),
                events_count=whole(charge["events_count"]),
                amount_cents=whole(charge["amount_cents"]),
            )
            for charge in usage["charges_usage"]
        ),
    )
