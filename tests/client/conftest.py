"""The real routes of the hot path behind the client, and a stateful stand-in for machines and their files."""

import asyncio
import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glue.clock import SystemClock
from glue.meter.app import MeterApp
from glue.meter.callers import Callers
from glue.meter.metering import Meter
from glue.meter.tokens import Tokens
from tests.meter.cast import LICENSE_KEYS, METERS, snapshot_of
from tests.meter.conftest import make_store
from tests.meter.identity import AUDIENCE, ISSUER, Identity
from tests.meter.lago import StatefulLago

SIGNER = Ed25519PrivateKey.generate()
PUBLIC_KEY = SIGNER.public_key().public_bytes_raw()


def sign(kind, data, *, issued, expires, alg="base64+ed25519", signer=SIGNER):
    """A license or machine file as Keygen makes them."""
    meta = {"issued": issued.isoformat(), "expiry": expires and expires.isoformat(), "ttl": 3600}
    enc = base64.b64encode(json.dumps({"data": data, "meta": meta}).encode()).decode()
    sig = base64.b64encode(signer.sign(f"{kind}/{enc}".encode())).decode()
    text = base64.b64encode(json.dumps({"enc": enc, "sig": sig, "alg": alg}).encode()).decode()
    title = f"{kind.upper()} FILE"
    lines = [text[start : start + 60] for start in range(0, len(text), 60)]
    return "\n".join([f"-----BEGIN {title}-----", *lines, f"-----END {title}-----", ""])


class Service(httpx.BaseTransport):
    """Everything a customer's program reaches. ``down`` is what happens to requests: "", "cut", "lost" (done, no answer) or 503."""

    def __init__(self, app, identity, places=2):
        self.app = app
        self.identity = identity
        self.places = places
        self.machines = {}
        self.down = []
        self.seen = []

    def handle_request(self, request):
        request.read()
        trouble = self.down.pop(0) if self.down else ""
        self.seen.append((request.method, request.url.path, request.headers.get("idempotency-key")))
        if trouble == "cut":
            raise httpx.ConnectError("refused")
        if trouble == 503:
            return httpx.Response(503, headers={"Retry-After": "0.01"}, json={"code": "unavailable"})
        answer = self._answer(request)
        if trouble == "lost":
            raise httpx.ReadTimeout("no answer")
        return answer

    def _answer(self, request):
        path = request.url.path
        if path == "/token":
            secret = dict(pair.split("=") for pair in request.content.decode().split("&"))["client_secret"]
            if secret != "right":
                return httpx.Response(401, json={"error": "unauthorized_client"})
            return httpx.Response(200, json={"access_token": self.identity.token(), "expires_in": 300})
        if path.startswith("/v1/machines"):
            return self._machines(request)
        if path == "/v1/license-files":
            fingerprint = json.loads(request.content)["fingerprint"]
            now = datetime.now(UTC)
            ends = now + timedelta(days=3)
            text = sign("machine", {"id": "m1", "attributes": {"fingerprint": fingerprint}}, issued=now, expires=ends)
            body = {"certificate": text, "issued_at": now.isoformat(), "expires_at": ends.isoformat()}
            return httpx.Response(200, json=body | {"public_key": base64.b64encode(PUBLIC_KEY).decode()})
        return asyncio.run(self._metered(request))

    async def _metered(self, request):
        transport = httpx.ASGITransport(self.app)
        answer = await transport.handle_async_request(
            httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
        )
        content = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)

    def _machines(self, request):
        if request.method == "GET":
            return httpx.Response(200, json={"machines": list(self.machines.values()), "limit": self.places})
        if request.method == "DELETE":
            self.machines.pop(request.url.path.rpartition("/")[2], None)
            return httpx.Response(204, headers={"content-type": "application/json"})  # as the service answers
        asked = json.loads(request.content)
        if asked["fingerprint"] not in self.machines and len(self.machines) >= self.places:
            return httpx.Response(403, json={"code": "limit_reached", "detail": "All places are taken.", "remedy": "Free one."})
        machine = self.machines.setdefault(asked["fingerprint"], {"id": f"m{len(self.machines)}"} | asked)
        return httpx.Response(201, json={"machine": machine})


@pytest.fixture
def meter(sqlite_url):
    clock = SystemClock()
    store = make_store(sqlite_url)
    meter = Meter(store, clock=clock, meters=METERS, lago=StatefulLago(clock))
    now = clock.now()
    period = snapshot_of("alice").period
    started = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    period = replace(period, subscription_started_at=started, started_at=started, ends_at=(started + timedelta(days=32)).replace(day=1))
    meter.publish(snapshot_of("alice", confirmed_at=now, period=period))
    yield meter
    meter.stop()
    store.close()


@pytest.fixture
def service(meter):
    identity = Identity()
    tokens = Tokens(identity, issuer=ISSUER, audience=AUDIENCE, clock=SystemClock())
    return Service(MeterApp(meter, Callers(meter.snapshots, tokens, clock=SystemClock())), identity)


@pytest.fixture
def key():
    return LICENSE_KEYS["alice"]
