"""Sending webhooks: signed, retried on the virtual clock, given up after three attempts."""

import asyncio
import base64
import hashlib
import hmac
import json
import random
import sys
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from heapq import heapify, heappop, heappush
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from glue.sandbox.lago.endpoints import private_key
from glue.sandbox.lago.values import iso
from glue.sandbox.lago.world import Row, World

ATTEMPTS = 3
TIMEOUT_SECONDS = 30
DELIVERED = (200, 201, 202, 204)
LINES = 20  # connections at a time
KEPT = 1000  # finished deliveries that can still be looked at and replayed


def retry_after_ms(attempts: int, chance: random.Random) -> int:
    """How long after a failed attempt the next one comes: n⁴ to 1.15 n⁴ + 2 seconds, and the poll of the queue."""
    wait = attempts**4 * (1 + 0.15 * chance.random()) + 2 * chance.random()
    return int((wait + 2 + 1.5 * chance.random()) * 1000)


class Courier:
    """Delivers what ``World.tell`` hands over; nothing is queued when no endpoint takes it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.loses_everything = False
        self._flying: set[asyncio.Task[None]] = set()
        self._chance = random.Random(4)
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False)
        self._key: rsa.RSAPrivateKey | None = None
        self._done: deque[str] = deque()
        self._waiting: list[tuple[int, str]] = []  # a heap of when and which
        self._lines = asyncio.Semaphore(LINES)
        world.send = self.enqueue
        self._line_up()

    def _line_up(self) -> None:
        """What waits, from the kept deliveries: those of a process that ended meanwhile go out again."""
        self._waiting = [(row["due_at"], row["id"]) for row in self.world.deliveries.by("status", "pending")]
        heapify(self._waiting)

    @property
    def hmac_key(self) -> str:
        return str(self.world.setting("hmac_key", self.world.new_id))

    def reset(self) -> None:
        self._key = None
        self._done.clear()
        self._line_up()

    def enqueue(self, endpoint: Row, webhook_type: str, body: bytes) -> None:
        """Keep one delivery; it goes out with the next ``dispatch``."""
        delivery = {
            "id": self.world.new_id(),  # also the unique key of its header
            "endpoint_id": endpoint["id"],
            "webhook_type": webhook_type,
            "body": body.decode(),
            "attempts": 0,
            "http_status": None,
            "due_at": 0,
            "created_at": self.world.now(),
        }
        self._wait(delivery)

    def _wait(self, delivery: Row) -> None:
        delivery["status"] = "pending"
        self.world.deliveries.put(delivery["id"], delivery)
        heappush(self._waiting, (delivery["due_at"], delivery["id"]))

    def dispatch(self) -> None:
        """Start every delivery that is due now."""
        now = self.world.now()
        while self._waiting and self._waiting[0][0] <= now:
            delivery = self.world.deliveries.get(heappop(self._waiting)[1])
            if delivery is not None:
                task = asyncio.get_running_loop().create_task(self._attempt(delivery))
                self._flying.add(task)
                task.add_done_callback(self._flying.discard)

    def hurry(self) -> None:
        """Retries do not wait for a time that the clock was turned back from."""
        self._waiting = [(0, delivery_id) for _, delivery_id in self._waiting]

    def next_due(self) -> int | None:
        """When the next retry is due."""
        return self._waiting[0][0] if self._waiting else None

    async def settle(self, seconds: float = TIMEOUT_SECONDS + 5) -> None:
        """Wait until nothing is on its way (retries that lie ahead are not)."""
        if self._flying:
            await asyncio.wait(self._flying, timeout=seconds)

    def retry(self, delivery_id: str) -> Row:
        """Send one again with the same key and body. Raises KeyError for an unknown one."""
        delivery = self.world.deliveries.get(delivery_id)
        if delivery is None:
            raise KeyError(delivery_id)
        delivery |= {"attempts": 0, "due_at": 0}
        self._wait(delivery)
        self.dispatch()
        return self.show(delivery)

    def show(self, delivery: Row) -> Row:
        endpoint = self.world.endpoints.get(delivery["endpoint_id"])
        return {
            "id": delivery["id"],
            "webhook_type": delivery["webhook_type"],
            "status": delivery["status"],
            "retries": max(delivery["attempts"] - 1, 0),
            "http_status": delivery["http_status"],
            "endpoint": endpoint["webhook_url"] if endpoint else None,
            "created_at": iso(delivery["created_at"]),
        }

    def listed(self) -> Iterable[Row]:
        return [self.show(delivery) for delivery in self.world.deliveries.newest_first()]

    def _headers(self, algorithm: str, delivery: Row) -> dict[str, str]:
        if algorithm == "hmac":
            digest = hmac.new(self.hmac_key.encode(), delivery["body"].encode(), hashlib.sha256).digest()
            signature = base64.b64encode(digest).decode()
        else:
            signature = self._jwt(delivery["body"])
        return {
            "Content-Type": "application/json",
            "User-Agent": "Ruby",
            "X-Lago-Signature": signature,
            "X-Lago-Signature-Algorithm": algorithm,
            "X-Lago-Unique-Key": delivery["id"],
        }

    def _jwt(self, body: str) -> str:
        """RS256 over the whole body as a claim, without an expiry."""
        self._key = self._key or private_key(self.world)
        claims = {"data": body, "iss": self.world.front_url}
        parts: list[dict[str, Any]] = [{"alg": "RS256"}, claims]
        signed = b".".join(_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        return (signed + b"." + _base64url(self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))).decode()

    async def _attempt(self, delivery: Row) -> None:
        endpoint = self.world.endpoints.get(delivery["endpoint_id"])
        if endpoint is None:
            self._finish(delivery, "failed")
            return
        delivery["attempts"] += 1
        async with self._lines:
            delivery["http_status"] = await self._post(endpoint, delivery)
        if delivery["http_status"] in DELIVERED:
            self._finish(delivery, "succeeded")
        elif delivery["attempts"] >= ATTEMPTS:
            self._finish(delivery, "failed")
        else:
            delivery["due_at"] = self.world.now() + retry_after_ms(delivery["attempts"], self._chance)
            self._wait(delivery)

    async def _post(self, endpoint: Row, delivery: Row) -> int | None:
        """The status of one attempt, None without an answer. Sent from a thread: half the price of doing it here."""
        if self.loses_everything:
            return None
        headers = self._headers(endpoint["signature_algo"], delivery)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[int | None] = loop.create_future()

        def arrive(status: int | None) -> None:
            if not answer.done():
                answer.set_result(status)

        def send() -> None:
            status = self._send(endpoint["webhook_url"], delivery["body"].encode(), headers)
            with suppress(RuntimeError):  # the process is going down
                loop.call_soon_threadsafe(arrive, status)

        threading.Thread(target=send, daemon=True).start()
        return await answer

    def _send(self, url: str, body: bytes, headers: dict[str, str]) -> int | None:
        try:
            return self._client.post(url, content=body, headers=headers).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            sys.stderr.write(f"lago sandbox: webhook to {url}: {error!r}\n")
            return None

    def _finish(self, delivery: Row, status: str) -> None:
        delivery["status"] = status
        if self.world.deliveries.get(delivery["id"]) is None:
            return  # the sandbox was reset meanwhile
        self.world.deliveries.put(delivery["id"], delivery)
        self._done.append(delivery["id"])
        while len(self._done) > KEPT:
            self.world.deliveries.remove(self._done.popleft())


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
