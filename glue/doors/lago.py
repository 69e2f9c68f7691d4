"""Lago's door: HMAC or RS256 over the raw body, once per unique key. A body is a hint; its values are never used."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from pydantic import SecretStr
from sqlmodel import Session

from glue.doors.deliveries import LARGEST_BODY, Deliveries, IdentityMap, Outcome
from glue.errors import DeliveryRefused, EventNotUnderstood
from glue.rules.names import TenantId

ASK_AGAIN_SECONDS = 60
_BY_PLAN = {"plan", "feature", "billable_metric"}


class LagoDoor:
    """``keys`` are HMAC keys, newest first; ``public_key`` gives Lago's RSA key (PEM) for deliveries signed as jwt."""

    def __init__(self, deliveries: Deliveries, *, keys: Sequence[SecretStr], public_key: Callable[[], str]) -> None:
        self._deliveries = deliveries
        self._keys = [key.get_secret_value().encode() for key in keys]
        self._public_key = public_key
        self._pem = ""
        self._asked_at = float("-inf")

    def receive(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Verify and keep one delivery. Raises DeliveryRefused (nothing stored), EventNotUnderstood."""
        if len(body) > LARGEST_BODY:
            raise DeliveryRefused("The delivery is too large.")
        self._verify(headers, body)
        unique = headers.get("x-lago-unique-key", "")
        if not unique:
            raise DeliveryRefused("The delivery has no unique key.")
        event = _parse(body)
        kind = str(event["webhook_type"])
        return self._deliveries.take("lago", unique, kind=kind, body=event, resolve=lambda session, known: _tenants(session, known, event))

    def _verify(self, headers: Mapping[str, str], body: bytes) -> None:
        signature = headers.get("x-lago-signature", "")
        match headers.get("x-lago-signature-algorithm", "").lower():
            case "hmac":
                given = signature.encode()
                good = [hmac.compare_digest(base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()), given) for key in self._keys]
                if not any(good):
                    raise DeliveryRefused("The signature does not fit the body.")
            case "jwt":
                self._verify_jwt(signature, body)
            case _:
                raise DeliveryRefused("The delivery is not signed in a way we know.")

    def _verify_jwt(self, signature: str, body: bytes) -> None:
        # The key may have been rotated, so a misfit asks for it anew; at most once a minute, for junk never fits.
        for _ in range(2):
            if self._fits(signature, body):
                return
            if monotonic() - self._asked_at < ASK_AGAIN_SECONDS:
                break
            self._pem, self._asked_at = self._public_key(), monotonic()
        raise DeliveryRefused("The signature does not fit the body.")

    def _fits(self, signature: str, body: bytes) -> bool:
        if not self._pem:
            return False
        try:
            claims = jwt.decode(signature, RSAKey.import_key(self._pem), algorithms=["RS256"]).claims
        except (JoseError, ValueError, binascii.Error):
            return False
        return hmac.compare_digest(str(claims.get("data", "")).encode(), body)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except ValueError as error:
        raise EventNotUnderstood("The delivery is signed but no JSON.") from error
    if not isinstance(event, dict) or not isinstance(event.get("webhook_type"), str):
        raise EventNotUnderstood("The delivery is signed but of no known shape.")
    return event


def _tenants(session: Session, known: IdentityMap, event: Mapping[str, Any]) -> Iterable[TenantId]:
    object_type = str(event.get("object_type", ""))
    payload = event.get(object_type)
    found: list[TenantId] = []
    for external_id in _customers(payload, object_type):
        found += known.tenants_by(session, "customer", external_id)
    if isinstance(payload, dict) and not found:
        found += known.tenants_by(session, "customer_id", str(payload.get("lago_customer_id") or ""))
    if not found and object_type in _BY_PLAN:
        # A plan's own code, or nobody's: a feature or metric may stand in any plan.
        found += known.on_plan(session, str(payload.get("code", "")) if object_type == "plan" and isinstance(payload, dict) else "")
    return found


def _customers(value: Any, object_type: str, depth: int = 0) -> Iterable[str]:
    if not isinstance(value, dict) or depth > 2:
        return
    if depth == 0 and object_type == "customer" and value.get("external_id"):
        yield str(value["external_id"])
    for name in ("external_customer_id", "customer_external_id"):
        if value.get(name):
            yield str(value[name])
    customer = value.get("customer")
    if isinstance(customer, dict) and customer.get("external_id"):
        yield str(customer["external_id"])
    for name in ("subscription", "invoice", "wallet"):
        yield from _customers(value.get(name), object_type, depth + 1)
