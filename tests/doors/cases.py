"""One security suite that every door passes: good, missing, wrong, stale, replayed, rotated."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from glue.converge.tenants import tenants_by, tenants_on_plan
from glue.doors.deliveries import Deliveries, IdentityMap
from glue.doors.keygen import KeygenDoor
from glue.doors.lago import LagoDoor

URL = "https://hooks.glue.test:8443/webhooks/keygen?from=keygen"
RSA = RSAKey.generate_key(2048)
OTHER_RSA = RSAKey.generate_key(2048)
ACCOUNT = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def deliveries_of(world) -> Deliveries:
    return Deliveries(world.database, world.clock, IdentityMap(tenants_by, tenants_on_plan))


@dataclass
class LagoHmac:
    """Two keys are known, so that one can be retired."""

    world: object
    keys: tuple[str, ...] = ("the-newer-key", "the-older-key")
    unique: int = 0
    door: LagoDoor = field(init=False)

    def __post_init__(self):
        self.door = LagoDoor(deliveries_of(self.world), keys=[SecretStr(key) for key in self.keys], public_key=lambda: "")

    def body(self, tenant) -> bytes:
        event = {
            "webhook_type": "subscription.started",
            "object_type": "subscription",
            "organization_id": "lago-1",
            "subscription": {"external_customer_id": tenant, "lago_customer_id": "cus", "status": "active", "name": "é <b>"},
        }
        return json.dumps(event, ensure_ascii=False).encode()

    def sign(self, body: bytes, *, key: str = "") -> dict[str, str]:
        self.unique += 1
        digest = hmac.new((key or self.keys[0]).encode(), body, hashlib.sha256).digest()
        return {
            "x-lago-signature": base64.b64encode(digest).decode(),
            "x-lago-signature-algorithm": "hmac",
            "x-lago-unique-key": f"unique-{self.unique}",
        }

    signature_header = "x-lago-signature"
    identity_header = "x-lago-unique-key"

    def sign_wrongly(self, body: bytes) -> dict[str, str]:
        return self.sign(body, key="somebody elses key")

    def sign_with_rotated(self, body: bytes) -> dict[str, str]:
        return self.sign(body, key=self.keys[1])


class LagoJwt(LagoHmac):
    def __post_init__(self):
        self.asked = 0
        self.pem = OTHER_RSA.as_pem(private=False).decode()
        self.door = LagoDoor(deliveries_of(self.world), keys=[SecretStr("unused-key")], public_key=self._pem)
        self.pem = RSA.as_pem(private=False).decode()

    def _pem(self) -> str:
        self.asked += 1
        return self.pem

    def sign(self, body: bytes, *, key=RSA) -> dict[str, str]:
        self.unique += 1
        token = jwt.encode({"alg": "RS256"}, {"data": body.decode(), "iss": "https://lago.test"}, key)
        return {"x-lago-signature": token, "x-lago-signature-algorithm": "jwt", "x-lago-unique-key": f"unique-{self.unique}"}

    def sign_wrongly(self, body: bytes) -> dict[str, str]:
        return self.sign(body, key=OTHER_RSA)

    def sign_with_rotated(self, body: bytes) -> dict[str, str]:
        self.door.receive(self.sign(body), body)
        self.pem = OTHER_RSA.as_pem(private=False).decode()
        return self.sign(body, key=OTHER_RSA)


class Keygen:
    signature_header = "keygen-signature"

    def __init__(self, world):
        self.world = world
        self.key, self.other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.current = self.key
        self.token = 0
        self.door = KeygenDoor(
            deliveries_of(world), world.clock, url=URL, account_id=ACCOUNT, public_key=lambda: self.current.public_key().public_bytes_raw()
        )

    def body(self, tenant) -> bytes:
        self.token += 1
        payload = {"data": {"id": self.world.row(tenant).license_id, "type": "licenses", "attributes": {"key": "SECRET"}}}
        event = {
            "data": {
                "id": "event-1",
                "type": "webhook-events",
                "attributes": {"event": "license.suspended", "payload": json.dumps(payload)},
                "meta": {"idempotencyToken": f"token-{self.token}"},
            }
        }
        return json.dumps(event).encode()

    def sign(self, body: bytes, *, key=None, at=None, target="/webhooks/keygen?from=keygen", host="hooks.glue.test") -> dict[str, str]:
        date = format_datetime(at or self.world.clock.now(), usegmt=True)
        digest = "sha-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
        text = f"(request-target): post {target}\nhost: {host}\ndate: {date}\ndigest: {digest}"
        signature = base64.b64encode((key or self.current).sign(text.encode())).decode()
        return {
            "date": date,
            "digest": digest,
            "host": "hooks.glue.test:8443",
            "keygen-signature": (
                f'keyid="{ACCOUNT}", algorithm="ed25519", signature="{signature}", headers="(request-target) host date digest"'
            ),
        }

    def sign_wrongly(self, body: bytes) -> dict[str, str]:
        return self.sign(body, key=self.other)

    def sign_stale(self, body: bytes) -> dict[str, str]:
        return self.sign(body, at=self.world.clock.now() - timedelta(minutes=6))

    def sign_with_rotated(self, body: bytes) -> dict[str, str]:
        self.door.receive(self.sign(body), body)
        self.current = self.other
        return self.sign(body)
