"""Delivers webhooks over https by name, signed afresh at each attempt, and gives up exactly when Keygen does."""

import asyncio
import http.client
import random
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from glue.sandbox.keygen.account import Account, Row
from glue.sandbox.keygen.render import Renderer
from glue.sandbox.keygen.times import from_text, to_text
from glue.sandbox.keygen.wire import dump

TIMEOUT_SECONDS = 15
MAX_RETRIES = 15
MAX_BODY_BYTES = 2048
MAX_REDIRECTS = 5
WORKERS = 8
_AGENT = "Keygen/1.8 (+https://keygen.sh/docs/api/webhooks/)"


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to; ``final`` failures are never retried."""

    code: int | None
    body: str
    final: bool = False


class Transport:
    """Speaks https to receivers: trusts one more CA than the system's, resolves given names to given addresses."""

    def __init__(self, trust: Path | None, resolve: Mapping[str, str]) -> None:
        self._context = ssl.create_default_context()
        if trust is not None:
            self._context.load_verify_locations(trust)
        self._resolve = {name.lower(): address for name, address in resolve.items()}

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> Outcome:
        """POST and follow redirects: 301, 302 and 303 as GET without a body, 307 and 308 as they are."""
        method: str = "POST"
        payload: bytes | None = body
        for _ in range(MAX_REDIRECTS):
            outcome = self._attempt(method, urlsplit(url), payload, headers)
            if isinstance(outcome, Outcome):
                return outcome
            code, location = outcome
            url = urljoin(url, location)
            if code in {301, 302, 303}:
                method, payload = "GET", None
        return Outcome(None, "TOO_MANY_REDIRECTS")

    def _attempt(self, method: str, url: SplitResult, body: bytes | None, headers: dict[str, str]) -> Outcome | tuple[int, str]:
        connection = _Connection(url.hostname or "", url.port or 443, self._context, self._resolve)
        try:
            connection.request(method, f"{url.path or '/'}{'?' + url.query if url.query else ''}", body, headers)
            response = connection.getresponse()
            content = response.read()
            location = response.getheader("location")
        except ssl.SSLError:
            return Outcome(None, "SSL_ERROR")
        except TimeoutError:
            return Outcome(None, "REQ_TIMEOUT")
        except socket.gaierror:
            return Outcome(None, "DNS_ERROR", final=True)
        except (OSError, http.client.HTTPException):  # refused, reset, unreachable, closed without an answer
            return Outcome(None, "CONN_REFUSED", final=True)
        finally:
            connection.close()
        if response.status in {301, 302, 303, 307, 308} and location:
            return response.status, location
        text = content.decode("utf-8", "replace") if len(content) <= MAX_BODY_BYTES else "RES_BODY_TOO_LARGE"
        return Outcome(response.status, text, final=response.status == 410)


class _Connection(http.client.HTTPSConnection):
    """Dials a resolved address but names and verifies the host; a cut without TLS close is an error, not an end."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, resolve: Mapping[str, str]) -> None:
        super().__init__(host, port, timeout=TIMEOUT_SECONDS, context=context)
        self._tls, self._address = context, resolve.get(host.lower(), host)

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), TIMEOUT_SECONDS)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host, suppress_ragged_eofs=False)


class Delivery:
    """Queue and workers. An event whose attempt is cut off by the end of the process stays DELIVERING for ever."""

    def __init__(self, account: Account, transport: Transport) -> None:
        self._account, self._transport = account, transport
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="keygen-webhook")
        self._running: set[asyncio.Task[None]] = set()

    def submit(self, event: Row) -> None:
        """Deliver soon; needs a running loop."""
        task = asyncio.get_running_loop().create_task(self._deliver(event["id"]))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def settle(self) -> None:
        """Wait until nothing is on its way."""
        while self._running:
            await asyncio.wait(self._running)

    async def _deliver(self, event_id: str) -> None:
        account = self._account
        await asyncio.sleep(0)  # the request that caused it is answered first
        event = account.get("webhook-events", event_id)
        endpoint = account.get("webhook-endpoints", event["endpoint_id"]) if event else None
        if event is None or endpoint is None or not endpoint["subscriptions"] or account.fault == "lose_webhooks":
            return
        if "*" not in endpoint["subscriptions"] and event["event"] not in endpoint["subscriptions"]:
            return
        body, headers = self._message(event, endpoint)
        loop = asyncio.get_running_loop()
        outcome = await loop.run_in_executor(self._pool, self._transport.post, endpoint["url"], body, headers)
        event = account.get("webhook-events", event_id)
        if event is not None:
            self._conclude(event, outcome)

    def _message(self, event: Row, endpoint: Row) -> tuple[bytes, dict[str, str]]:
        account = self._account
        document = Renderer(account).resource(event)
        fresh: dict[str, Any] = {"status": "DELIVERING", "lastResponseCode": None, "lastResponseBody": None, "updated": event["created"]}
        document["attributes"] |= fresh
        body = dump({"data": document})
        url = urlsplit(endpoint["url"])
        target = f"{url.path or '/'}{'?' + url.query if url.query else ''}"
        signed = account.keys.signature_headers(
            algorithm=endpoint["signatureAlgorithm"], method="POST", target=target, host=url.hostname or "", now=account.now(), body=body
        )
        headers = {"User-Agent": _AGENT, "Content-Type": "application/json", "Keygen-Version": endpoint["apiVersion"]}
        return body, headers | {name.title(): value for name, value in signed.items()}

    def _conclude(self, event: Row, outcome: Outcome) -> None:
        account = self._account
        changes: dict[str, Any] = {"lastResponseCode": outcome.code, "lastResponseBody": outcome.body, "retry_at": None}
        endpoint = account.get("webhook-endpoints", event["endpoint_id"])
        if outcome.code is not None and 200 <= outcome.code < 300:
            changes["status"] = "DELIVERED"
        elif outcome.final or event["attempts"] >= MAX_RETRIES:
            changes["status"] = "FAILED"
        else:
            wait = event["attempts"] ** 4 + 600 * random.randint(1, 10)
            due = to_text(from_text(event["attempted_at"] or event["created"]) + timedelta(seconds=wait))
            changes |= {"status": "FAILING", "attempts": event["attempts"] + 1, "retry_at": due}
        account.save(event, **changes)
        if outcome.code == 410 and endpoint is not None:
            account.save(endpoint, subscriptions=[])
