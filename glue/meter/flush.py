"""Usage on its way to Lago: folds are frozen, sent, and proven; what fits nowhere is set aside.

A fold's id makes Lago's transaction id, and its units and time are frozen before the first attempt, so a crash at any
point neither loses nor doubles: the same event is sent again and refused as a duplicate.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import orjson
import sqlalchemy as sa
import structlog
from prometheus_client import Counter, Gauge

from glue.clock import Clock
from glue.db import Database
from glue.errors import BadInput, UpstreamRefused, UpstreamUnavailable
from glue.meter.committer import Committer
from glue.meter.meters import Meters
from glue.meter.periods import LAST_MINUTES, Placement, from_micros, open_from, period_end, place, to_micros
from glue.meter.snapshots import Snapshots
from glue.meter.storing import Store
from glue.meter.tables import FOLDS, in_state
from glue.meter.units import as_decimal, as_plain
from glue.rules.names import TenantId
from glue.upstream.lago.usage import BATCH, SendResult, UsageEvent

SENT = Counter("glue_flush_events_total", "Events handed to Lago.", ["outcome"])
WAITING = Gauge("glue_flush_waiting_folds", "Folds not yet at Lago.")
LAG = Gauge("glue_flush_lag_seconds", "Age of the oldest usage that could have been sent.")

EVENTS_PER_SECOND = 40  # two cores of a real Lago digest about 50, and its webhooks and invoices wait behind the rest
LONGEST_WINDOW_SECONDS = 60.0
FENCE_FOR = timedelta(minutes=15)

log = structlog.get_logger()
_NAMES = uuid.UUID("5d0b6c2e-6c0f-5b52-9d0e-3f1f2a0c7e11")


def transaction_id(fold_id: str) -> str:
    """Lago's id of a fold's event: the same at every attempt."""
    return str(uuid.uuid5(_NAMES, fold_id))


class TakesUsage(Protocol):
    """What we need of Lago."""

    def send_events(self, events: list[UsageEvent]) -> SendResult: ...

    def find_event(self, transaction_id: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Stranded:
    """Usage that no open period can take; to be billed as a one-off."""

    fold_id: str
    tenant: TenantId
    meter: str
    units: Decimal
    events: int
    latest_at: datetime
    reason: str


class Flush:
    """Sends folds. One process at a time does the regular sending; ``flush_now`` may run anywhere. Thread-safe."""

    def __init__(
        self,
        database: Database,
        committer: Committer,
        snapshots: Snapshots,
        *,
        meters: Meters,
        clock: Clock,
        lago: TakesUsage,
        events_per_second: float = EVENTS_PER_SECOND,
        in_between: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._committer = committer
        self._snapshots = snapshots
        self._meters = meters
        self._clock = clock
        self._lago = lago
        self._rate = events_per_second
        self._in_between = in_between
        self._budget = float(BATCH)
        self._budget_at = time.monotonic()
        self._window_seconds = 1.0
        self._silent_until = 0.0
        self._sending = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="meter-flush", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        pause = 1.0
        while not self._stopping.wait(pause):
            started = time.monotonic()
            try:
                self.step()
                if time.monotonic() > self._silent_until:
                    self._in_between()
            except Exception:  # the loop has to live: whatever it was, the folds are still there
                log.exception("flush_failed")
            # The scan must stay a small part of the work, however many folds gather.
            pause = max(1.0, (time.monotonic() - started) * 2)

    # --- regular sending ----------------------------------------------------------------------------------------------

    def step(self) -> int:
        """One round: freeze what is due, send what is frozen. Answers how many events went out."""
        now = time.monotonic()
        self._budget = min(BATCH, self._budget + (now - self._budget_at) * self._rate)
        self._budget_at = now
        if now < self._silent_until:
            return 0
        with self._sending, self._database.engine.connect() as turn:
            if not self._database.is_sqlite and not turn.scalar(sa.text("select pg_try_advisory_xact_lock(7265)")):
                return 0
            frozen = self._read(in_state(FOLDS, "sending"), limit=BATCH)
            room = min(BATCH, int(self._budget)) - len(frozen)
            if room > 0:
                self._freeze(self._due()[:room])
                frozen = self._read(in_state(FOLDS, "sending"), limit=BATCH)
            batch = frozen[: max(0, int(self._budget))]
            self._budget -= len(batch)
            return self._send(batch)

    def _due(self) -> list[tuple[Any, Placement]]:
        """Open folds whose window is over and that can be placed, the most urgent first."""
        now = self._clock.now()
        open_folds = self._read(in_state(FOLDS, "open"))
        self._window_seconds = min(LONGEST_WINDOW_SECONDS, max(1.0, len(open_folds) / self._rate))
        due: list[tuple[bool, int, Any, Placement]] = []
        for fold in open_folds:
            snapshot = self._snapshots.get(fold.tenant_id)
            end = period_end(snapshot.period) if snapshot is not None and snapshot.period is not None else None
            urgent = end is not None and end - LAST_MINUTES <= now < end + LAST_MINUTES
            age_seconds = (to_micros(now) - fold.created_at) / 1_000_000
            if age_seconds < (1.0 if urgent else self._window_seconds):
                continue
            placement = place(fold.period, from_micros(fold.latest_at), now=now, snapshot=snapshot)
            if placement.at is not None or placement.stranded:
                due.append((not urgent, fold.created_at, fold, placement))
        WAITING.set(len(open_folds))
        due.sort(key=lambda entry: entry[:2])
        LAG.set((to_micros(now) - min(entry[1] for entry in due)) / 1_000_000 if due else 0)
        return [(fold, placement) for _, _, fold, placement in due]

    def _freeze(self, placed: Sequence[tuple[Any, Placement]], *, fenced_too: bool = False) -> None:
        """Fix units, row and time; from here on the fold gathers no more. A fence raised meanwhile wins."""
        rows = []
        for fold, placement in placed:
            snapshot = self._snapshots.get(fold.tenant_id)
            period = snapshot.period if snapshot is not None else None
            rows.append(
                (
                    "stranded" if placement.stranded else "sending",
                    period.subscription_external_id if period is not None else "",
                    None if placement.at is None else to_micros(placement.at),
                    placement.stranded,
                    fold.id,
                    fold.tenant_id,
                    -1 if fenced_too or snapshot is None else to_micros(snapshot.confirmed_at),
                )
            )
        if rows:
            self._committer.run(
                lambda store: store.execute_many(
                    "update meter.folds set state = ?, subscription = ?, billed_at = ?, reason = ? where id = ? and state = 'open'"
                    " and not exists (select 1 from meter.fences where tenant_id = ? and until >= ? and ? >= 0)",
                    [(*row, row[-1]) for row in rows],
                ),
                tenants=[row[5] for row in rows],
            )

    def _send(self, folds: Sequence[Any]) -> int:
        """Send frozen folds, at most a batch. Answers how many are proven to be at Lago now."""
        ready = [fold for fold in folds if self._still_fits(fold)]
        if not ready:
            return 0
        try:
            result = self._lago.send_events([self._event(fold) for fold in ready])
        except UpstreamUnavailable as error:
            self._silent_until = time.monotonic() + error.retry_after_seconds
            SENT.labels("unavailable").inc(len(ready))
            return 0
        except (UpstreamRefused, BadInput) as error:
            return self._isolate(ready, error)
        refused = [(fold.id, result.refused[transaction_id(fold.id)]) for fold in ready if transaction_id(fold.id) in result.refused]
        for fold_id, reason in refused:
            self._set_aside(fold_id, f"Lago refused it: {reason}")
        sent = [fold.id for fold in ready if fold.id not in dict(refused)]
        self._mark_sent(sent)
        SENT.labels("sent").inc(len(sent) - len(result.duplicates))
        SENT.labels("duplicate").inc(len(result.duplicates))
        SENT.labels("refused").inc(len(refused))
        return len(sent)

    def _isolate(self, folds: Sequence[Any], error: UpstreamRefused | BadInput) -> int:
        """A whole batch was refused: find the event that cannot be taken, and let the others through."""
        about_event = isinstance(error, BadInput) or error.status in {400, 422, 500}
        if not about_event:  # our key or address is wrong: nothing is the matter with the usage
            self._silent_until = time.monotonic() + 30
            log.error("flush_refused", error=str(error))
            return 0
        if len(folds) == 1:
            self._set_aside(folds[0].id, f"Lago refused it: {error.detail}")
            return 0
        middle = len(folds) // 2
        return self._send(folds[:middle]) + self._send(folds[middle:])

    def _still_fits(self, fold: Any) -> bool:
        """Whether a frozen fold can go out as it is. If its period has closed since, Lago is asked whether it has it already."""
        snapshot = self._snapshots.get(fold.tenant_id)
        now = self._clock.now()
        billed_at = from_micros(fold.billed_at)
        placement = place(fold.period, from_micros(fold.latest_at), now=now, snapshot=snapshot)
        if placement.at is not None and snapshot is not None and snapshot.period is not None:
            if billed_at == placement.at or billed_at >= open_from(snapshot.period, now):
                return True
        elif not placement.stranded:
            return False
        if self._lago.find_event(transaction_id(fold.id)):
            self._mark_sent([fold.id])
        elif placement.stranded:
            self._set_aside(fold.id, placement.stranded)
        elif placement.at is not None:
            at = to_micros(placement.at)
            self._change("update meter.folds set billed_at = ? where id = ? and state = 'sending'", [(at, fold.id)])
        return False

    def _event(self, fold: Any) -> UsageEvent:
        kind = self._meters.get(fold.meter)
        return UsageEvent(
            transaction_id=transaction_id(fold.id),
            code=fold.meter,
            subscription_external_id=fold.subscription,
            timestamp=from_micros(fold.billed_at),
            properties={**orjson.loads(fold.dimensions), kind.field_name: as_plain(fold.units)},
        )

    def _mark_sent(self, fold_ids: Iterable[str]) -> None:
        now = to_micros(self._clock.now())
        self._change(
            "update meter.folds set state = 'sent', sent_at = ? where id = ? and state = 'sending'",
            [(now, fold_id) for fold_id in fold_ids],
        )

    def _set_aside(self, fold_id: str, reason: str) -> None:
        log.warning("usage_stranded", fold=fold_id, reason=reason)
        self._change("update meter.folds set state = 'stranded', reason = ? where id = ? and state = 'sending'", [(reason, fold_id)])

    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._committer.run(lambda store: store.execute_many(statement, rows))

    def _read(self, *conditions: Any, limit: int | None = None) -> list[Any]:
        query = sa.select(FOLDS).where(*conditions).order_by(FOLDS.c.created_at).limit(limit)
        with self._database.engine.connect() as connection:
            return list(connection.execute(query).all())

    # --- around a plan change -----------------------------------------------------------------------------------------

    def fence(self, tenant: TenantId) -> None:
        """From now on the tenant's usage is taken but not sent, at most for a quarter of an hour unless raised again."""
        until = to_micros(self._clock.now() + FENCE_FOR)
        self._committer.run(lambda store: _set_fence(store, tenant, until), tenants=(tenant,))

    def unfence(self, tenant: TenantId) -> None:
        """Send again, once a snapshot confirmed after this moment tells which row is active."""
        until = to_micros(self._clock.now())
        self._committer.run(lambda store: _set_fence(store, tenant, until), tenants=(tenant,))

    def flush_now(self, tenant: TenantId) -> bool:
        """Send everything the tenant has used until now, fenced or not. True when all of it is proven to be at Lago."""
        now = self._clock.now()
        snapshot = self._snapshots.get(tenant)
        with self._sending:
            placed = [
                (fold, place(fold.period, from_micros(fold.latest_at), now=now, snapshot=snapshot))
                for fold in self._read(FOLDS.c.tenant_id == tenant, in_state(FOLDS, "open"))
            ]
            self._freeze([entry for entry in placed if entry[1].at is not None or entry[1].stranded], fenced_too=True)
            frozen = self._read(FOLDS.c.tenant_id == tenant, in_state(FOLDS, "sending"))
            for start in range(0, len(frozen), BATCH):
                self._send(frozen[start : start + BATCH])
            left = self._read(FOLDS.c.tenant_id == tenant, in_state(FOLDS, "sending"))
        return not left and all(placement.at is not None or placement.stranded for _, placement in placed)

    def send_again(self, tenant: TenantId, *, since: datetime, until: datetime) -> int:
        """Have what was sent for [since, until) sent once more; Lago refuses as a duplicate what it has. Answers how many events."""
        span = (tenant, to_micros(since), to_micros(until))
        again = "update meter.folds set state = 'sending' where tenant_id = ? and state = 'sent' and billed_at >= ? and billed_at < ?"
        return self._committer.run(lambda store: int(store.execute(again, span).rowcount), tenants=(tenant,))

    # --- what fits nowhere ----------------------------------------------------------------------------------------------

    def stranded(self, tenant: TenantId | None = None) -> list[Stranded]:
        """Usage that could not be billed, oldest first."""
        conditions = [in_state(FOLDS, "stranded")] + ([FOLDS.c.tenant_id == tenant] if tenant else [])
        return [
            Stranded(
                fold.id, TenantId(fold.tenant_id), fold.meter, as_decimal(fold.units), fold.events, from_micros(fold.latest_at), fold.reason
            )
            for fold in self._read(*conditions)
        ]

    def bill_stranded(self, fold_id: str, *, reference: str) -> None:
        """Note that stranded usage was billed otherwise; ``reference`` names the invoice."""
        self._change("update meter.folds set state = 'billed', reason = ? where id = ? and state = 'stranded'", [(reference, fold_id)])


def _set_fence(store: Store, tenant: TenantId, until: int) -> None:
    store.execute(
        "insert into meter.fences (tenant_id, until) values (?, ?) on conflict (tenant_id) do update set until = excluded.until",
        (tenant, until),
    )
