"""From what a caller sends to a request that the committer can perform: our own shape and CloudEvents, checked field by field."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from glue.clock import Clock
from glue.errors import BadInput
from glue.meter.books import Fact
from glue.meter.meters import Meters, priced_of
from glue.meter.periods import period_of_fact, to_micros
from glue.meter.requests import Body, Consume, Record, ReleaseHold, RenewHold, SettleHold, TakeHold
from glue.meter.terms import BLIND_AFTER, Terms, terms_of
from glue.meter.units import parse_units
from glue.rules.snapshot import Snapshot

MOST_EVENTS = 1000
MOST_AHEAD = timedelta(minutes=5)
MOST_LATE = timedelta(days=366)
HOLD_SECONDS = 60
LONGEST_HOLD_SECONDS = 86_400
_MOST_DIMENSIONS = 12
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_HOLD = re.compile(r"(?P<meter>.{1,100})-[0-9a-f]{24}")
_OWN_FIELDS = {"meter", "units", "occurred_at", "key", "dimensions"}


class Orders:
    """Builds requests for a tenant's snapshot. Every method raises BadInput naming the field that cannot be used.

    ``who`` are dimensions that every fact of the caller gets. ``key`` is the Idempotency-Key, ``asked`` what it stands for.
    """

    def __init__(self, meters: Meters, *, clock: Clock, blind_after: timedelta = BLIND_AFTER) -> None:
        self.meters = meters
        self._clock = clock
        self._blind_after = blind_after
        self._terms: dict[str, tuple[Snapshot, dict[str, Terms]]] = {}

    def terms(self, snapshot: Snapshot, code: Any) -> Terms:
        """What the tenant may use of a meter now; remembered as long as it holds."""
        now = self._clock.now()
        remembered = self._terms.get(snapshot.tenant)
        if remembered is None or remembered[0] is not snapshot:
            if len(self._terms) > 20_000:
                self._terms.clear()
            remembered = self._terms[snapshot.tenant] = snapshot, {}
        found = remembered[1].get(code) if isinstance(code, str) else None
        if found is None or now >= found.valid_until:
            found = terms_of(snapshot, self.meters.get(code), now=now, blind_after=self._blind_after)
            remembered[1][code] = found
        return found

    def consume(self, snapshot: Snapshot, body: Body, *, who: Mapping[str, str], key: str | None = None, asked: bytes = b"") -> Consume:
        terms = self.terms(snapshot, body.get("meter"))
        units = parse_units(body.get("units", 1), zero=False)
        return Consume(terms=terms, key=checked_key(key), digest=digest_of(asked), fact=self._fact_now(terms, units, body, who))

    def record(
        self, snapshot: Snapshot, bodies: Sequence[Any], *, who: Mapping[str, str], key: str | None = None, asked: bytes = b""
    ) -> Record:
        if not 1 <= len(bodies) <= MOST_EVENTS:
            raise BadInput("The number of events does not fit.", field="body", expected=f"1 to {MOST_EVENTS} events")
        facts = []
        for place, body in enumerate(bodies):
            try:
                facts.append(self._fact(snapshot, body, who))
            except BadInput as error:
                error.fields["field"] = error.field if len(bodies) == 1 else f"{place}.{error.field}"
                raise
        return Record(terms=facts[0][0], key=checked_key(key), digest=digest_of(asked), facts=facts)

    def take_hold(self, snapshot: Snapshot, body: Body, *, who: Mapping[str, str], key: str | None = None, asked: bytes = b"") -> TakeHold:
        terms = self.terms(snapshot, body.get("meter"))
        if not terms.kind.adds:
            raise BadInput("This meter cannot be held.", field="meter", expected="a meter whose units add up")
        return TakeHold(
            terms=terms,
            key=checked_key(key),
            digest=digest_of(asked),
            units=parse_units(body.get("units", 1), zero=False),
            expires_at=self._expiry(body),
            dimensions=dimensions_of(body, who),
        )

    def renew(self, snapshot: Snapshot, hold_id: str, body: Body, *, key: str | None = None, asked: bytes = b"") -> RenewHold:
        terms = self._terms_of_hold(snapshot, hold_id)
        return RenewHold(terms=terms, hold_id=hold_id, key=checked_key(key), digest=digest_of(asked), expires_at=self._expiry(body))

    def settle(
        self, snapshot: Snapshot, hold_id: str, body: Body, *, who: Mapping[str, str], key: str | None = None, asked: bytes = b""
    ) -> SettleHold:
        terms = self._terms_of_hold(snapshot, hold_id)
        if not isinstance(close := body.get("close", True), bool):
            raise BadInput("close is not usable.", field="close", expected="true or false")
        fact = self._fact_now(terms, parse_units(body.get("units")), body, who, hold_id=hold_id)
        return SettleHold(terms=terms, hold_id=hold_id, key=checked_key(key), digest=digest_of(asked), fact=fact, close=close)

    def release(self, snapshot: Snapshot, hold_id: str, *, key: str | None = None, asked: bytes = b"") -> ReleaseHold:
        return ReleaseHold(terms=self._terms_of_hold(snapshot, hold_id), hold_id=hold_id, key=checked_key(key), digest=digest_of(asked))

    # --- parts ------------------------------------------------------------------------------------------------------

    def _terms_of_hold(self, snapshot: Snapshot, hold_id: str) -> Terms:
        found = _HOLD.fullmatch(hold_id)
        if found is None:
            raise BadInput("This is not the id of a hold.", field="id", expected="the id that taking the hold answered")
        return self.terms(snapshot, found["meter"])

    def _expiry(self, body: Body) -> int:
        seconds = body.get("seconds", HOLD_SECONDS)
        if type(seconds) is not int or not 1 <= seconds <= LONGEST_HOLD_SECONDS:
            raise BadInput("seconds is out of range.", field="seconds", expected=f"a whole number from 1 to {LONGEST_HOLD_SECONDS}")
        return to_micros(self._clock.now()) + seconds * 1_000_000

    def _fact_now(self, terms: Terms, units: int, body: Body, who: Mapping[str, str], hold_id: str | None = None) -> Fact:
        dimensions = dimensions_of(body, who)
        return Fact(
            terms.kind, units, to_micros(self._clock.now()), terms.period, dimensions, priced_of(terms.kind, dimensions), hold_id=hold_id
        )

    def _fact(self, snapshot: Snapshot, body: Any, who: Mapping[str, str]) -> tuple[Terms, Fact]:
        if not isinstance(body, dict):
            raise BadInput("An event is an object.", field="body", expected="an object with meter and units, or a CloudEvent")
        if "specversion" in body:
            body = _from_cloud_event(body)
        elif unknown := body.keys() - _OWN_FIELDS:
            raise BadInput("The event has an unknown field.", field=min(unknown), expected=f"only {', '.join(sorted(_OWN_FIELDS))}")
        terms = self.terms(snapshot, body.get("meter"))
        units = parse_units(body.get("units", 1))
        now = self._clock.now()
        occurred_at, period = now, terms.period
        if (given := body.get("occurred_at")) is not None:
            occurred_at = _instant(given, now)
            period = period_of_fact(snapshot.period, occurred_at=occurred_at, now=now)
        dimensions = dimensions_of(body, who)
        return terms, Fact(
            kind=terms.kind,
            units=units,
            occurred_at=to_micros(occurred_at),
            period=period,
            dimensions=dimensions,
            priced=priced_of(terms.kind, dimensions),
            key=checked_key(body.get("key")),
        )


def _from_cloud_event(event: Body) -> Body:
    """CloudEvents 1.0 (structured): type is the meter, source and id make the key, data has units and dimensions."""
    for name in ("id", "source", "type"):
        if not isinstance(event.get(name), str) or not event[name]:
            raise BadInput(f"A CloudEvent needs {name}.", field=name, expected="text")
    data = event.get("data")
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise BadInput("data is not usable.", field="data", expected="an object with units and dimensions")
    key = hashlib.sha256(f"{event['source']}\n{event['id']}".encode()).hexdigest()
    units = data.get("units", data.get("value", 1))
    return {"meter": event["type"], "units": units, "occurred_at": event.get("time"), "key": key, "dimensions": data.get("dimensions")}


def _instant(value: Any, now: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        at = None
    if at is None or at.tzinfo is None or not now - MOST_LATE <= at <= now + MOST_AHEAD:
        expected = "RFC 3339 with a time zone, in the past year, not ahead of now"
        raise BadInput("occurred_at is not usable.", field="occurred_at", expected=expected)
    return min(at.astimezone(UTC), now)


def dimensions_of(body: Body, who: Mapping[str, str]) -> str:
    """Dimensions as sorted JSON: what the caller is, and what it says of the fact. A member cannot speak for another."""
    given = body.get("dimensions")
    if given is None:
        given = {}
    if not isinstance(given, dict) or len(given) > _MOST_DIMENSIONS:
        raise BadInput(
            "dimensions are not usable.", field="dimensions", expected=f"an object of at most {_MOST_DIMENSIONS} names and short texts"
        )
    merged: dict[str, str] = {}
    for name, value in given.items():
        text = str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, str | int) else ""
        if not _NAME.fullmatch(name) or not 1 <= len(text) <= 100 or not text.isprintable():
            raise BadInput(
                "A dimension is not usable.", field=f"dimensions.{name[:40]}", expected="a short name and a text of 1 to 100 characters"
            )
        merged[name] = text
    return orjson.dumps(merged | dict(who), option=orjson.OPT_SORT_KEYS).decode()


def checked_key(key: Any) -> str | None:
    """An idempotency key: visible ASCII, at most 255 characters."""
    if key is None:
        return None
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise BadInput("The key is not usable.", field="key", expected="1 to 255 visible ASCII characters")
    return key


def digest_of(asked: bytes) -> str:
    """Tells whether a key comes again for the same request."""
    return hashlib.sha256(asked).hexdigest()
