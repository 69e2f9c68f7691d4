"""What convergence said about every tenant, kept in memory for the hot path and in the metering store for everybody.

A publication is seen at once in this process, and within a second in others (they follow the revision).
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from pydantic import TypeAdapter

from glue.db import Database
from glue.meter.committer import Committer
from glue.meter.periods import carry_quota, from_micros, to_micros
from glue.meter.storing import Store
from glue.meter.tables import LICENSES, SNAPSHOTS
from glue.rules.names import TenantId
from glue.rules.snapshot import Snapshot

MOST_IN_MEMORY = 20_000
_ADAPTER = TypeAdapter(Snapshot)


def license_digest(key: str) -> str:
    """SHA-256 of a license key, as snapshots have it."""
    return hashlib.sha256(key.encode()).hexdigest()


class Snapshots:
    """Bounded memory in front of the table. Thread-safe."""

    def __init__(self, database: Database, committer: Committer, *, most_in_memory: int = MOST_IN_MEMORY) -> None:
        self._database = database
        self._committer = committer
        self._most = most_in_memory
        self._known: OrderedDict[str, Snapshot] = OrderedDict()
        self._by_digest: dict[str, str] = {}
        self._lock = threading.Lock()
        self._revision = 0
        self._drops = 0

    # --- reading --------------------------------------------------------------------------------------------------

    def in_memory(self, tenant: str) -> Snapshot | None:
        """Without any waiting: None also when only the store knows it."""
        return self._known.get(tenant)

    def get(self, tenant: str) -> Snapshot | None:
        """From memory, else by one indexed read; None when nothing was published."""
        while (found := self._known.get(tenant)) is None:
            drops = self._drops
            with self._database.engine.connect() as connection:
                row = connection.execute(
                    sa.select(SNAPSHOTS.c.body, SNAPSHOTS.c.confirmed_at).where(SNAPSHOTS.c.tenant_id == tenant)
                ).one_or_none()
            if row is None or not row.body:
                return None
            found = replace(_ADAPTER.validate_json(row.body), confirmed_at=from_micros(row.confirmed_at))
            if drops == self._drops:  # else it may be what was just dropped
                self._keep(found)
                return found
        return found

    def tenant_in_memory(self, digest: str) -> str | None:
        return self._by_digest.get(digest)

    def tenant_by_license(self, digest: str) -> str | None:
        """Whose license has this digest of its key."""
        found = self._by_digest.get(digest)
        if found is None:
            with self._database.engine.connect() as connection:
                found = connection.scalar(sa.select(LICENSES.c.tenant_id).where(LICENSES.c.digest == digest))
        return found

    def all_tenants(self) -> list[str]:
        with self._database.engine.connect() as connection:
            return list(connection.scalars(sa.select(SNAPSHOTS.c.tenant_id)))

    # --- publishing -----------------------------------------------------------------------------------------------

    def publish(self, snapshot: Snapshot) -> Snapshot:
        """Make this what holds. Answers it with its version: one more when something changed, else only ``confirmed_at`` moves."""
        published = self._committer.run(lambda store: _store_snapshot(store, snapshot), tenants=(snapshot.tenant,))
        self._keep(published)
        return published

    def confirm(self, tenants: Iterable[TenantId], *, at: datetime) -> None:
        """These tenants were looked at and nothing had changed."""
        names = list(tenants)

        def work(store: Store) -> None:
            revision = _next_revision(store)
            rows = [(to_micros(at), revision, tenant, to_micros(at)) for tenant in names]
            store.execute_many("update meter.snapshots set confirmed_at = ?, revision = ? where tenant_id = ? and confirmed_at < ?", rows)

        self._committer.run(work)
        for tenant in names:
            self._confirm_in_memory(tenant, at)

    def forget(self, tenant: TenantId) -> None:
        """Remove a tenant's snapshot: nobody of it is let in any more."""

        def work(store: Store) -> None:
            revision = _next_revision(store)
            store.execute("delete from meter.licenses where tenant_id = ?", (tenant,))
            store.execute(
                "update meter.snapshots set revision = ?, version = -abs(version), body = '' where tenant_id = ?", (revision, tenant)
            )

        self._committer.run(work, tenants=(tenant,))
        self._drop(tenant)

    def follow(self) -> None:
        """Take over what other processes published; called twice a second where there are several."""
        with self._database.engine.connect() as connection:
            rows = connection.execute(
                sa.select(SNAPSHOTS.c.tenant_id, SNAPSHOTS.c.version, SNAPSHOTS.c.confirmed_at, SNAPSHOTS.c.revision)
                .where(SNAPSHOTS.c.revision > self._revision)
                .order_by(SNAPSHOTS.c.revision)
            ).all()
        for tenant, version, confirmed_at, revision in rows:
            known = self._known.get(tenant)
            if known is not None and known.version != version:
                self._drop(tenant)
            else:
                self._confirm_in_memory(tenant, from_micros(confirmed_at))
            self._revision = max(self._revision, revision)

    # --- memory ---------------------------------------------------------------------------------------------------

    def _keep(self, snapshot: Snapshot) -> None:
        with self._lock:
            known = self._known.get(snapshot.tenant)
            if known is not None and known.version > snapshot.version:
                return
            self._forget_digests(known)
            self._known[snapshot.tenant] = snapshot
            self._known.move_to_end(snapshot.tenant)
            for grant in snapshot.licenses:
                self._by_digest[grant.key_digest] = snapshot.tenant
            while len(self._known) > self._most:
                self._forget_digests(self._known.popitem(last=False)[1])

    def _confirm_in_memory(self, tenant: str, at: datetime) -> None:
        with self._lock:
            known = self._known.get(tenant)
            if known is not None and known.confirmed_at < at:
                self._known[tenant] = replace(known, confirmed_at=at)

    def _drop(self, tenant: str) -> None:
        with self._lock:
            self._drops += 1
            self._forget_digests(self._known.pop(tenant, None))

    def _forget_digests(self, snapshot: Snapshot | None) -> None:
        for grant in snapshot.licenses if snapshot is not None else ():
            self._by_digest.pop(grant.key_digest, None)


def _store_snapshot(store: Store, snapshot: Snapshot) -> Snapshot:
    row = store.execute("select version, confirmed_at, body from meter.snapshots where tenant_id = ?", (snapshot.tenant,)).fetchone()
    before = _ADAPTER.validate_json(row[2]) if row is not None and row[2] else None
    if snapshot.period is not None:
        quota_from = carry_quota(snapshot.period, before.period if before is not None else None)
        snapshot = replace(snapshot, period=replace(snapshot.period, quota_from=quota_from))
    confirmed_at = max(snapshot.confirmed_at, from_micros(row[1])) if before is not None else snapshot.confirmed_at
    version = abs(row[0]) if row is not None else 0
    if before is None or replace(snapshot, version=before.version, confirmed_at=before.confirmed_at) != before:
        version += 1
    snapshot = replace(snapshot, version=version, confirmed_at=confirmed_at)
    revision = _next_revision(store)
    store.execute(
        "insert into meter.snapshots (tenant_id, version, revision, confirmed_at, body) values (?, ?, ?, ?, ?)"
        " on conflict (tenant_id) do update set version = excluded.version, revision = excluded.revision,"
        " confirmed_at = excluded.confirmed_at, body = excluded.body",
        (snapshot.tenant, version, revision, to_micros(confirmed_at), _ADAPTER.dump_json(snapshot).decode()),
    )
    store.execute("delete from meter.licenses where tenant_id = ?", (snapshot.tenant,))
    store.execute_many(
        "insert into meter.licenses (digest, tenant_id) values (?, ?) on conflict (digest) do update set tenant_id = excluded.tenant_id",
        [(grant.key_digest, snapshot.tenant) for grant in snapshot.licenses],
    )
    return snapshot


def _next_revision(store: Store) -> int:
    # One publication at a time, so that revisions become visible in their order and a follower misses none.
    if not store.is_sqlite:
        store.execute("select pg_advisory_xact_lock(7264)")
    return int(store.execute("select coalesce(max(revision), 0) + 1 from meter.snapshots").fetchone()[0])
