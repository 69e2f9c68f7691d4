"""The one account and everything in it: tables, clock, the gap in which real requests race each other."""

import asyncio
import secrets
import uuid
from collections import deque
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

from glue.sandbox.clock import VirtualClock
from glue.sandbox.keygen.keys import AccountKeys
from glue.sandbox.keygen.problems import too_many_requests
from glue.sandbox.keygen.times import to_text
from glue.sandbox.store import Store, Table

Row = dict[str, Any]

HOST = "licensing.keygen.test"
DOMAIN = "keygen.test"
# Tables and the fields by which they are looked up.
TABLES: dict[str, tuple[str, ...]] = {
    "products": ("code_key",),
    "entitlements": ("code_key",),
    "groups": (),
    "policies": ("product",),
    "users": ("email", "group", "role"),
    "licenses": ("key", "product", "policy", "owner", "group"),
    "machines": ("fingerprint", "license", "owner", "group", "product"),
    "components": ("machine",),
    "tokens": ("digest", "bearer"),
    "license-entitlements": ("license", "entitlement"),
    "policy-entitlements": ("policy", "entitlement"),
    "license-users": ("license", "user"),
    "webhook-endpoints": (),
    "webhook-events": ("event", "status"),
}
USER: Row = {"firstName": None, "lastName": None, "password": None, "role": "user", "metadata": {}, "group": None}  # a new one
REQUEST_THREADS = 4  # of the web server that was recorded: as many requests look before any of them writes
RACE_SECONDS = 0.002
LOGINS_A_MINUTE = 5


class Account:
    """State and time. ``broadcast`` (set by the server) records an event for the webhook endpoints that want it."""

    def __init__(self, store: Store, clock: VirtualClock, keys: AccountKeys) -> None:
        self.store, self.clock, self.keys = store, clock, keys
        self.id = keys.account_id
        self.threads = asyncio.Semaphore(REQUEST_THREADS)
        self.fault: str | None = None
        self.metrics: deque[Row] = deque(maxlen=10_000)
        self.broadcast: Callable[..., None] = lambda *_, **__: None
        self.logins: deque[datetime] = deque()
        self.open()

    def open(self) -> None:
        """Load the tables; an empty store gets the administrator."""
        self.tables: dict[str, Table] = {kind: self.store.table(kind, *fields) for kind, fields in TABLES.items()}
        self.facts = self.store.table("facts")
        self._seq = max((row["seq"] for table in self.tables.values() for row in table), default=0)
        if self.tables["users"].get(self.keys.admin_id) is None:
            with self.store.transaction():
                self.facts.put("account", {"name": "glue.test", "created": self.now_text(), "updated": self.now_text()})
                password = digest(self.keys.admin_password)
                self.add("users", id=self.keys.admin_id, **(USER | {"email": self.keys.admin_email, "role": "admin", "password": password}))

    def reset(self) -> None:
        """Forget everything but the keys and the administrator."""
        self.store.reset()
        self.metrics.clear()
        self.logins.clear()
        self.fault = None
        self.open()

    def now(self) -> datetime:
        return self.clock.now()

    def now_text(self) -> str:
        return to_text(self.clock.now())

    def add(self, kind: str, /, *, id: str | None = None, **fields: Any) -> Row:  # noqa: A002 - Keygen's own word
        """Store a new record with its id, times and place in the order of creation."""
        self._seq += 1
        now = self.now_text()
        row = {"id": id or str(uuid.uuid4()), "type": kind, "seq": self._seq, "created": now, "updated": now, **fields}
        return self.tables[kind].put(row["id"], row)

    def save(self, row: Row, *, touch: bool = True, **changes: Any) -> Row:
        """Store changes of a record; ``touch`` moves its time of update."""
        row.update(changes)
        if touch:
            row["updated"] = self.now_text()
        return self.tables[row["type"]].put(row["id"], row)

    def remove(self, row: Row) -> None:
        self.tables[row["type"]].remove(row["id"])

    def get(self, kind: str, row_id: str | None) -> Row | None:
        return self.tables[kind].get(row_id) if row_id else None

    def need(self, kind: str, row_id: str) -> Row:
        """A record that another one points at."""
        row = self.tables[kind].get(row_id)
        if row is None:
            raise LookupError(f"{kind} {row_id} is gone")
        return row

    def by(self, kind: str, field: str, value: Any) -> list[Row]:
        return self.tables[kind].by(field, value)

    def throttle_passwords(self) -> None:
        """Five log-ins a minute on the long route; then 429."""
        now = self.now()
        minute = now.replace(second=0, microsecond=0)
        self.logins.append(now)
        while self.logins and self.logins[0] < minute:
            self.logins.popleft()
        if len(self.logins) > LOGINS_A_MINUTE:
            raise too_many_requests(60 - now.second)

    async def race(self) -> None:
        """The moment between looking and writing, in which another request may do the same."""
        await asyncio.sleep(RACE_SECONDS)

    def issue_token(self, prefix: str, bearer: Row, **fields: Any) -> tuple[Row, str]:
        """A new token of ``bearer`` and its raw value, which is not kept."""
        raw = f"{prefix}-{secrets.token_hex(32)}v3"
        fields = {"kind": prefix, "name": None, "expiry": None, **fields}
        return self.add("tokens", bearer=bearer["id"], bearer_type=bearer["type"], digest=digest(raw), **fields), raw


def digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
