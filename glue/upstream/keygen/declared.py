"""What files declare: the product, policies, entitlements, as flat attributes with their id; the account; and webhooks."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from glue.errors import UpstreamConflict, UpstreamNotFound
from glue.upstream.calling import Page
from glue.upstream.keygen.calls import KeygenCalls, Record, checked_id, document, flat, linkage, related_id
from glue.upstream.keygen.licenses import Licenses, code_and_id
from glue.upstream.reading import known_instant

# Named one by one: "*" would bring every validation and ping.
SUBSCRIPTIONS = (
    "license.created",
    "license.updated",
    "license.deleted",
    "license.expired",
    "license.expiring-soon",
    "license.policy.updated",
    "license.reinstated",
    "license.renewed",
    "license.revoked",
    "license.suspended",
    "license.entitlements.attached",
    "license.entitlements.detached",
    "machine.created",
    "machine.updated",
    "machine.deleted",
    "machine.heartbeat.dead",
    "policy.updated",
)


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A delivery as Keygen remembers it for 30 days: DELIVERED, DELIVERING, FAILING or FAILED."""

    id: str
    event: str
    status: str
    created_at: datetime
    endpoint: str


class Declared(KeygenCalls):
    def account_id(self) -> str:
        """Id of the account that our token belongs to, as Keygen says it."""
        return str(self._account()["id"])

    def public_key(self) -> bytes:
        """The account's Ed25519 key, 32 bytes: checks license files, keys and webhooks."""
        key = bytes.fromhex(base64.b64decode(self._account()["key"]).decode("ascii"))
        if len(key) != 32:
            raise self._http.calls.refuse("public_key", "Keygen's public key is not an Ed25519 key.")
        return key

    def _account(self) -> Record:
        def read(answer: Any) -> Record:
            return {"id": answer["data"]["id"], "key": answer["data"]["meta"]["keys"]["ed25519"]}

        return self._send("account", "GET", f"/accounts/{checked_id(self._settings.account_id)}", read)

    def find_product(self, code: str) -> Record | None:
        try:
            return self._send("find_product", "GET", f"/products/{checked_id(code)}", _flat_of)
        except UpstreamNotFound:
            return None

    def create_product(self, attributes: Record) -> Record:
        return self._send("create_product", "POST", "/products", _flat_of, json=document("products", attributes))

    def update_product(self, product_id: str, attributes: Record) -> Record:
        return self._change("products", product_id, attributes)

    def list_policies(self, product_id: str) -> list[Record]:
        def wanted(record: Record) -> Record | None:
            return flat(record) if related_id(record, "product") == product_id else None

        return list(self._all("list_policies", "/policies", wanted, params={"product": product_id}))

    def create_policy(self, product_id: str, attributes: Record) -> Record:
        """Nothing about a policy is unique: look by its metadata or name before."""
        body = document("policies", attributes, product=("products", product_id))
        return self._send("create_policy", "POST", "/policies", _flat_of, json=body)

    def update_policy(self, policy_id: str, attributes: Record) -> Record:
        return self._change("policies", policy_id, attributes)

    def list_entitlements(self) -> list[Record]:
        return list(self._all("list_entitlements", "/entitlements", flat))

    def create_entitlement(self, attributes: Record) -> Record:
        return self._send("create_entitlement", "POST", "/entitlements", _flat_of, json=document("entitlements", attributes))

    def update_entitlement(self, entitlement_id: str, attributes: Record) -> Record:
        return self._change("entitlements", entitlement_id, attributes)

    def policy_entitlements(self, policy_id: str) -> dict[str, str]:
        """Code → id of what a policy gives to all its licenses."""
        return dict(self._all("policy_entitlements", f"/policies/{checked_id(policy_id)}/entitlements", code_and_id))

    def _change(self, kind: str, record_id: str, attributes: Record) -> Record:
        body = document(kind, attributes, record_id=checked_id(record_id))
        return self._send(f"update_{kind}", "PATCH", f"/{kind}/{record_id}", _flat_of, json=body)

    def ensure_webhook_endpoint(self, url: str) -> None:
        """Have our events sent to ``url``: https, a host with a dot and no address (UpstreamRefused otherwise)."""
        endpoints = self._all("list_webhook_endpoints", "/webhook-endpoints", flat)
        existing = next((endpoint for endpoint in endpoints if endpoint["url"] == url), None)
        attributes = {"url": url, "subscriptions": list(SUBSCRIPTIONS)}
        if existing is None:
            body = document("webhook-endpoints", attributes)
            self._send("create_webhook_endpoint", "POST", "/webhook-endpoints", lambda _: None, json=body)
        elif set(existing["subscriptions"]) != set(SUBSCRIPTIONS):
            self._change("webhook-endpoints", existing["id"], attributes)

    def list_webhook_events(self, *, page: int = 1) -> Page[WebhookEvent]:
        """Newest first; polling this needs no reachable address of ours."""
        return self._list("list_webhook_events", "/webhook-events", _parse_event, page=page)

    def retry_webhook_event(self, event_id: str) -> None:
        """Deliver once more, under a new id with the same idempotency token."""
        self._send("retry_webhook_event", "POST", f"/webhook-events/{checked_id(event_id)}/actions/retry", lambda _: None)


class PolicyEntitlements(Licenses, Declared):
    def attach_policy_entitlements(self, policy_id: str, codes: frozenset[str]) -> None:
        """Give a policy these entitlements; those it has are left alone."""
        missing = codes - self.policy_entitlements(policy_id).keys()
        if not missing:
            return
        body = linkage("entitlements", self.entitlement_ids(missing))
        try:
            self._send("attach_policy_entitlements", "POST", f"/policies/{policy_id}/entitlements", lambda _: None, json=body)
        except UpstreamConflict:
            if not codes <= self.policy_entitlements(policy_id).keys():
                raise

    def detach_policy_entitlements(self, policy_id: str, codes: frozenset[str]) -> None:
        """Take these entitlements off a policy and so off its licenses."""
        ids = [one for code, one in self.policy_entitlements(policy_id).items() if code in codes]
        if ids:
            path = f"/policies/{policy_id}/entitlements"
            self._send("detach_policy_entitlements", "DELETE", path, lambda _: None, json=linkage("entitlements", ids))


def _flat_of(answer: Any) -> Record:
    return flat(answer["data"])


def _parse_event(record: Record) -> WebhookEvent:
    attributes = record["attributes"]
    return WebhookEvent(
        id=record["id"],
        event=attributes["event"],
        status=attributes["status"],
        created_at=known_instant(attributes["created"]),
        endpoint=attributes["endpoint"],
    )
