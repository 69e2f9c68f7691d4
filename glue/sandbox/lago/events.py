"""Usage events: taken without looking at their meaning, read back, listed."""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

from glue.sandbox.lago.call import Answer, Call
from glue.sandbox.lago.errors import Refusal, broken, invalid, not_found
from glue.sandbox.lago.paging import page_of
from glue.sandbox.lago.values import exact, instant, iso, iso_ms, number_text, text
from glue.sandbox.lago.world import Row, World

MAX_BATCH = 100
MAX_PROPERTIES_BYTES = 500_000  # beyond an index row even when compressed
DIGITS = re.compile(r"-?\d+(\.\d+)?\Z")


def show_event(event: Row) -> Row:
    return {
        "lago_id": event["id"],
        "transaction_id": event["transaction_id"],
        "lago_customer_id": None,
        "code": event["code"],
        "timestamp": iso_ms(event["timestamp"]),
        "precise_total_amount_cents": event["precise_total_amount_cents"],
        "properties": event["properties"],
        "lago_subscription_id": None,
        "external_subscription_id": event["external_subscription_id"],
        "created_at": iso(event["created_at"]),
    }


def stream_of(external_subscription_id: str | None, code: str) -> str:
    """What events are found by when usage is computed."""
    return f"{external_subscription_id}\0{code}"


def _timestamp(world: World, sent: Any) -> int | None:
    """Milliseconds of seconds since 1970, as number or digits; null is now; anything else is no time."""
    if sent is None:
        return world.now()
    if isinstance(sent, bool) or not (isinstance(sent, int | float) or (isinstance(sent, str) and DIGITS.match(sent))):
        return None
    return int(Decimal(str(sent)) * 1000)


def _read(world: World, sent: Row) -> Row:
    """One event as stored. Raises the refusal of a single one."""
    transaction_id, code = text(sent.get("transaction_id")), text(sent.get("code"))
    if "\0" in str(sent.get("transaction_id")):
        raise invalid({"timestamp": ["invalid_format"]})  # what Lago says, though the time is fine
    problems = {}
    if not transaction_id:
        problems["transaction_id"] = ["value_is_mandatory"]
    if not code:
        problems["code"] = ["value_is_mandatory"]
    timestamp = _timestamp(world, sent.get("timestamp"))
    if timestamp is None:
        problems["timestamp"] = ["invalid_format"]
    if problems:
        raise invalid(problems)
    properties = sent.get("properties")
    subscription = text(sent.get("external_subscription_id"))
    return {
        "id": world.new_id(),
        "transaction_id": transaction_id,
        "code": code,
        "timestamp": timestamp,
        "properties": properties if isinstance(properties, dict) else {},
        "external_subscription_id": subscription,
        "stream": stream_of(subscription, str(code)),
        "precise_total_amount_cents": _precise(sent.get("precise_total_amount_cents")),
        "created_at": world.now(),
    }


def _precise(sent: Any) -> str | None:
    return None if sent is None else number_text(exact(sent) or Fraction(0))


def _is_known(world: World, event: Row) -> bool:
    if event["external_subscription_id"] is None:
        return False  # without a subscription nothing tells two of them apart
    same = world.events.by("transaction_id", event["transaction_id"])
    return any(row["external_subscription_id"] == event["external_subscription_id"] for row in same)


def _check_storable(properties: Row) -> None:
    """What a database index refuses breaks the call: NUL in a value, properties of half a megabyte."""
    if not properties:
        return
    shown = str(properties)
    if "\\x00" in shown or len(shown) > MAX_PROPERTIES_BYTES:
        raise broken()


def _store(world: World, event: Row) -> None:
    world.events.put(event["id"], event)
    world.later(lambda: world.event_taken(event))


def create_event(world: World, call: Call) -> Answer:
    event = _read(world, call.root("event"))
    if _is_known(world, event):
        raise invalid({"transaction_id": ["value_already_exist"]})
    _check_storable(event["properties"])
    _store(world, event)
    return {"event": show_event(event)}


def create_batch(world: World, call: Call) -> Answer:
    """All or nothing; problems by index."""
    sent = call.body.get("events") if isinstance(call.body, dict) else None
    entries = [entry for entry in sent if isinstance(entry, dict)] if isinstance(sent, list) else []
    if not entries:
        raise invalid({"events": ["no_events"]})
    if len(entries) > MAX_BATCH:
        raise invalid({"events": ["too_many_events"]})
    problems: dict[str, Any] = {}
    events, seen = [], set()
    for index, entry in enumerate(entries):
        try:
            event = _read(world, entry)
        except Refusal as refusal:
            problems[str(index)] = (refusal.body or {})["error_details"]
            continue
        if event["transaction_id"] in seen or _is_known(world, event):
            problems[str(index)] = {"transaction_id": ["value_already_exist"]}
        seen.add(event["transaction_id"])
        events.append(event)
    if problems:
        raise invalid(problems)
    for event in events:
        _check_storable(event["properties"])
    for event in events:
        _store(world, event)
    return {"events": [show_event(event) for event in events]}


def get_event(world: World, call: Call) -> Answer:
    rows = world.events.by("transaction_id", call.path["transaction_id"])
    if not rows:
        raise not_found("event")
    return {"event": show_event(rows[0])}


def list_events(world: World, call: Call) -> Answer:
    bounds = {}
    for name in ("timestamp_from", "timestamp_to"):
        asked = call.asked(name)
        bounds[name] = instant(asked)
        if asked and bounds[name] is None:
            raise invalid({name: ["invalid_date"]})
    subscription, code = call.asked("external_subscription_id"), call.asked("code")
    rows: Any = world.events
    if subscription and code:
        rows = world.events.by("stream", stream_of(subscription, code))
    elif code:
        rows = world.events.by("code", code)
    low, high = bounds["timestamp_from"], bounds["timestamp_to"]
    found = [
        row
        for row in rows
        if (subscription is None or row["external_subscription_id"] == subscription)
        and (low is None or row["timestamp"] >= low)
        and (high is None or row["timestamp"] <= high)
    ]
    found.sort(key=lambda row: row["timestamp"], reverse=True)
    return page_of(call.query, "events", found, show_event)


def estimate_fees(world: World, call: Call) -> Answer:
    fields = call.root("event")
    metric = world.metrics.one("code", text(fields.get("code")))
    if metric is None:
        raise not_found("billable_metric")
    raise invalid({"code": ["does_not_match_an_instant_charge"]})


ROUTES = [
    ("POST", "/events", create_event),
    ("POST", "/events/batch", create_batch),
    ("POST", "/events/estimate_fees", estimate_fees),
    ("GET", "/events", list_events),
    ("GET", "/events/{transaction_id}", get_event),
]
