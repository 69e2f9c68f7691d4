"""Keygen's door: Ed25519 over request target, host, date and digest of the raw body; a date within five minutes."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlmodel import Session

from glue.clock import Clock
from glue.doors.deliveries import LARGEST_BODY, Deliveries, IdentityMap, Outcome
from glue.errors import DeliveryRefused, EventNotUnderstood
from glue.rules.names import TenantId

FRESH = timedelta(minutes=5)
ASK_AGAIN_SECONDS = 60
_PART = re.compile(r'(\w+)="([^"]*)"')


class KeygenDoor:
    """``url`` is the address we registered: its path, query and host are what Keygen signs (without the port)."""

    def __init__(self, deliveries: Deliveries, clock: Clock, *, url: str, account_id: str, public_key: Callable[[], bytes]) -> None:
        parts = urlsplit(url)
        self._deliveries, self._clock = deliveries, clock
        self._target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        self._host = parts.hostname or ""
        self._account_id = account_id
        self._public_key = public_key
        self._key: Ed25519PublicKey | None = None
        self._asked_at = float("-inf")

    def receive(self, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Verify and keep one delivery. Raises DeliveryRefused (nothing stored), EventNotUnderstood."""
        if len(body) > LARGEST_BODY:
            raise DeliveryRefused("The delivery is too large.")
        self._verify(headers, body)
        event, token, kind = _parse(body)
        return self._deliveries.take("keygen", token, kind=kind, body=event, resolve=lambda session, known: _tenants(session, known, event))

    def _verify(self, headers: Mapping[str, str], body: bytes) -> None:
        digest = "sha-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
        if not hmac.compare_digest(digest.encode(), headers.get("digest", "").encode()):
            raise DeliveryRefused("The digest does not fit the body.")
        date = headers.get("date", "")
        self._demand_fresh(date)
        parts = dict(_PART.findall(headers.get("keygen-signature", "")))
        if parts.get("algorithm") != "ed25519" or parts.get("headers") != "(request-target) host date digest":
            raise DeliveryRefused("The delivery is not signed in a way we know.")
        if parts.get("keyid") != self._account_id:
            raise DeliveryRefused("The delivery is signed by another account.")
        text = f"(request-target): post {self._target}\nhost: {self._host}\ndate: {date}\ndigest: {digest}"
        try:
            signature = base64.b64decode(parts.get("signature", ""), validate=True)
        except (binascii.Error, ValueError) as error:
            raise DeliveryRefused("The signature does not fit the delivery.") from error
        # An account made anew has another key, so a misfit asks for it; at most once a minute, for junk never fits.
        if self._fits(signature, text.encode()):
            return
        if monotonic() - self._asked_at >= ASK_AGAIN_SECONDS:
            self._key, self._asked_at = Ed25519PublicKey.from_public_bytes(self._public_key()), monotonic()
            if self._fits(signature, text.encode()):
                return
        raise DeliveryRefused("The signature does not fit the delivery.")

    def _fits(self, signature: bytes, text: bytes) -> bool:
        if self._key is None:
            return False
        try:
            self._key.verify(signature, text)
        except InvalidSignature:
            return False
        return True

    def _demand_fresh(self, date: str) -> None:
        try:
            sent = parsedate_to_datetime(date)
        except (TypeError, ValueError) as error:
            raise DeliveryRefused("The delivery has no date.") from error
        # Keygen's clock may be the business clock (beside a sandbox) or the wall; in production they are one.
        if min(abs(sent - self._clock.now()), abs(sent - self._clock.wall())) > FRESH:
            raise DeliveryRefused("The delivery is too old.", remedy="Compare the clocks of both machines.")


def _parse(body: bytes) -> tuple[dict[str, Any], str, str]:
    try:
        data = json.loads(body)["data"]
        payload = json.loads(data["attributes"]["payload"])
        return payload, str(data["meta"]["idempotencyToken"]), str(data["attributes"]["event"])
    except (ValueError, KeyError, TypeError) as error:
        raise EventNotUnderstood("The delivery is signed but of no known shape.") from error


def _tenants(session: Session, known: IdentityMap, event: Mapping[str, Any]) -> Iterable[TenantId]:
    data = event.get("data")
    records = data if isinstance(data, list) else [data]  # what was attached or detached comes as a list
    licenses = [found for record in records if isinstance(record, dict) for found in _licenses(record)]
    return [tenant for license_id in licenses for tenant in known.tenants_by(session, "license", license_id)]


def _licenses(record: Mapping[str, Any]) -> list[str]:
    found = [str(record.get("id", ""))] if record.get("type") == "licenses" else []
    related = (record.get("relationships") or {}).get("license") or {}
    if isinstance(related.get("data"), dict):
        found.append(str(related["data"].get("id", "")))
    return found
