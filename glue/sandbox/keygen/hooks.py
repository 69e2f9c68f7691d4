"""Webhook endpoints, and the events recorded for them."""

import ipaddress
import re
import secrets
from typing import Any
from urllib.parse import urlsplit

from glue.sandbox.keygen.account import Account, Row
from glue.sandbox.keygen.body import read_resource
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.checks import check_choice
from glue.sandbox.keygen.delivery import Delivery
from glue.sandbox.keygen.keys import ALGORITHMS
from glue.sandbox.keygen.listing import filtered, respond
from glue.sandbox.keygen.names import time_ordered_id
from glue.sandbox.keygen.problems import Fault, entity_refused, not_found, on_attribute, resource_refused
from glue.sandbox.keygen.render import Renderer
from glue.sandbox.keygen.schema import EVENTS
from glue.sandbox.keygen.wire import dump

_KIND = "webhook-endpoints"
_DEFAULTS: Row = {"subscriptions": ["*"], "signatureAlgorithm": "ed25519", "apiVersion": "1.8"}
_FACTS = (("product", "product"), ("policy", "policy"), ("user", "owner"), ("license", "license"))  # told by metrics
_NAME = re.compile(r"([a-z0-9_-]+\.)+[a-z]{2,}", re.IGNORECASE)


class Broadcaster:
    """Records events for the endpoints that want them and hands them to the delivery."""

    def __init__(self, account: Account, delivery: Delivery) -> None:
        self._account, self._delivery = account, delivery

    def __call__(
        self, event: str, row: Row, *, meta: dict[str, Any] | None = None, payload: Any = None, created: str | None = None
    ) -> None:
        """Record ``event`` about ``row``; ``payload`` replaces the resource, ``created`` the time of the record."""
        account = self._account
        if account.fault == "answer_503_but_do":
            return
        now = created or account.now_text()
        if not event.startswith("token."):
            facts = {"resource": row["id"]} | {name: row[field] for name, field in _FACTS if row.get(field)}
            account.metrics.append({"id": time_ordered_id(), "metric": event, "data": facts, "created": now, "updated": now})
        product = row["id"] if row["type"] == "products" else row.get("product")
        for endpoint in account.tables[_KIND]:
            if not is_subscribed(endpoint, event) or endpoint["product"] not in {None, product}:
                continue
            document = {"data": payload if payload is not None else Renderer(account, endpoint["apiVersion"]).resource(row)}
            if meta is not None:
                document["meta"] = meta
            self.record(endpoint, event, dump(document).decode(), f"{secrets.token_hex(31)}v3", created)

    def record(self, endpoint: Row, event: str, payload: str, token: str, created: str | None) -> Row:
        """Store an event of one endpoint and deliver it."""
        row = self._account.add(
            "webhook-events",
            endpoint=endpoint["url"],
            endpoint_id=endpoint["id"],
            apiVersion=endpoint["apiVersion"],
            payload=payload,
            event=event,
            status="DELIVERING",
            lastResponseCode=None,
            lastResponseBody=None,
            idempotencyToken=token,
            attempts=0,
            attempted_at=None,
            retry_at=None,
        )
        if created is not None:
            self._account.save(row, touch=False, created=created)
        self._delivery.submit(row)
        return row


def is_subscribed(endpoint: Row, event: str) -> bool:
    return "*" in endpoint["subscriptions"] or event in endpoint["subscriptions"]


def _check(fields: Row) -> list[Fault]:
    faults = _check_url(fields["url"])
    subscriptions = fields["subscriptions"]
    if not subscriptions:
        faults.append(on_attribute(_KIND, "subscriptions", "must have at least 1 webhook event subscription", "TOO_SHORT"))
    elif subscriptions != ["*"] and not EVENTS.issuperset(subscriptions):
        faults.append(on_attribute(_KIND, "subscriptions", "unsupported webhook event type for subscription", "NOT_ALLOWED"))
    return faults + check_choice(_KIND, "signatureAlgorithm", fields["signatureAlgorithm"], ALGORITHMS, "unsupported signature algorithm")


def _check_url(url: str) -> list[Fault]:
    faults = []
    parts = urlsplit(url)
    if parts.scheme != "https":
        detail = "must be a valid URL using one of the following protocols: https"
        faults.append(on_attribute(_KIND, "url", detail, "PROTOCOL_INVALID"))
    host = parts.hostname or ""
    if not _NAME.fullmatch(host) or _is_address(host):
        faults.append(on_attribute(_KIND, "url", "must be a URL with a valid host", "HOST_INVALID"))
    return faults


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@route("POST", _KIND, "webhook-endpoint.create")
async def create_endpoint(call: Call) -> Answer:
    _, given, relations = read_resource(call.body, _KIND, create=True)
    fields = _DEFAULTS | given
    product = relations.get("product")
    faults = _check(fields)
    if product is not None and call.account.get("products", product) is None:
        faults.append(not_found(_KIND, "product"))
    if faults:
        raise resource_refused(*faults)
    return call.show(call.account.add(_KIND, product=product, **fields), 201)


@route("GET", _KIND, "webhook-endpoint.read")
async def list_endpoints(call: Call) -> Answer:
    return respond(call, filtered(call, _KIND, {}))


@route("PATCH", f"{_KIND}/*", "webhook-endpoint.update")
async def update_endpoint(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    _, given, _ = read_resource(call.body, _KIND, create=False)
    fields = {name: row[name] for name in ("url", *_DEFAULTS)} | given
    if faults := _check(fields):
        raise resource_refused(*faults)
    return call.show(call.account.save(row, **fields))


@route("GET", "webhook-events", "webhook-event.read")
async def list_events(call: Call) -> Answer:
    wanted = call.query.get("events")
    rows = filtered(call, "webhook-events", {})
    if isinstance(wanted, list):
        rows = [row for row in rows if row["event"] in wanted]
    return respond(call, rows)


@route("DELETE", "webhook-events/*", "webhook-event.delete")
async def delete_event(call: Call, wanted: str) -> Answer:
    call.account.remove(call.find("webhook-events", wanted))
    return Answer(204)


@route("POST", "webhook-events/*/actions/retry", "webhook-event.retry")
async def retry_event(call: Call, wanted: str) -> Answer:
    row = call.find("webhook-events", wanted)
    endpoint = call.account.get(_KIND, row["endpoint_id"])
    broadcaster = call.account.broadcast
    if endpoint is None or not isinstance(broadcaster, Broadcaster):
        raise entity_refused("webhook endpoint no longer exists", "/data/relationships/webhookEndpoint")
    return call.show(broadcaster.record(endpoint, row["event"], row["payload"], row["idempotencyToken"], None), 201)
