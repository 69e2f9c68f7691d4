"""The meter as other rooms use it, with the same rules as over HTTP. Everything here may be called from any thread."""

import hashlib
import itertools
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

import orjson
import structlog

from glue.clock import Clock
from glue.db import Database
from glue.errors import BadInput, NotAllowed, NotFound, Unavailable
from glue.meter.advice import Advice
from glue.meter.books import Books
from glue.meter.committer import Committer
from glue.meter.flush import Flush, TakesUsage
from glue.meter.meters import Meters
from glue.meter.orders import Orders
from glue.meter.periods import to_micros
from glue.meter.reports import DayUsage, Reports, TracedFold
from glue.meter.requests import Body
from glue.meter.snapshots import Snapshots
from glue.meter.storing import Store
from glue.meter.terms import BLIND_AFTER
from glue.meter.totals import Difference, ShowsUsage, Totals
from glue.meter.units import parse_units
from glue.rules.names import TenantId
from glue.rules.snapshot import Snapshot
from glue.switches import FollowsSwitches

Units = int | str | Decimal
_PURGE_EVERY = 1200  # turns of half a second
_PORTION = 2000
_FORGOTTEN = (
    (
        "delete from meter.answers where (key, tenant_id) in (select key, tenant_id from meter.answers where at < ? limit ?)",
        timedelta(hours=72),
    ),
    ("delete from meter.holds where id in (select id from meter.holds where expires_at < ? limit ?)", timedelta(days=90)),
    ("delete from meter.fences where tenant_id in (select tenant_id from meter.fences where until < ? limit ?)", timedelta(days=1)),
)
log = structlog.get_logger()


class Billing(TakesUsage, ShowsUsage, Protocol):
    """What the meter needs of Lago."""


class Meter:
    """Checks, records, reserves and reports. ``start`` keeps its memory fresh; without it everything is exact but slower to notice."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        meters: Meters,
        lago: Billing,
        blind_after: timedelta = BLIND_AFTER,
        switches: FollowsSwitches | None = None,
    ) -> None:
        self.advice = Advice(database, clock=clock)
        self.committer = Committer(database, clock=clock, committed=self.advice.committed)
        self.snapshots = Snapshots(database, self.committer)
        self.orders = Orders(meters, clock=clock, blind_after=blind_after)
        self.reports = Reports(database, clock=clock, meters=meters)
        self.totals = Totals(database, self.snapshots, meters=meters, clock=clock, lago=lago)
        self.flush = Flush(
            database, self.committer, self.snapshots, meters=meters, clock=clock, lago=lago, in_between=self.totals.look_at_next
        )
        self._clock, self._switches = clock, switches
        self.errors = database.errors
        self._passing: tuple[type[Exception], ...] = (*database.errors, Unavailable)
        self._several_processes = not database.is_sqlite
        self._stopping = threading.Event()
        self._keeper: threading.Thread | None = None

    def start(self, *, flush: bool = True) -> None:
        """Begin the background work; ``flush=False`` leaves sending to Lago to other processes."""
        self._stopping.clear()
        if flush:
            self.flush.start()
        self._keeper = threading.Thread(target=self._keep_fresh, name="meter-keeper", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """Finish what was asked; everything acknowledged is on disk anyway."""
        self._stopping.set()
        self.flush.stop()
        if self._keeper is not None:
            self._keeper.join()
        self.committer.stop()

    def _keep_fresh(self) -> None:
        for turn in itertools.count():
            if self._stopping.wait(0.5):
                return
            try:
                if self._several_processes:
                    self.snapshots.follow()
                if self._switches is not None:
                    self._switches.refresh()
                self.advice.refresh()
                if turn % _PURGE_EVERY == 0:
                    self.forget_old()
            except self._passing as error:
                log.warning("meter_memory_not_refreshed", error=str(error))

    def forget_old(self) -> None:
        """Forget what nobody can ask for any more, in portions that delay no request."""
        for statement, age in _FORGOTTEN:
            before = to_micros(self._clock.now() - age)
            while self.committer.run(partial(_forget, statement=statement, before=before)) == _PORTION:
                pass

    def erase(self, tenant: TenantId) -> None:
        """Forget the tenant's people and names: what was billed stays as bare units."""
        self.snapshots.forget(tenant)

        def work(store: Store) -> None:
            store.execute("update meter.journal set dimensions = '{}', key = null where tenant_id = ?", (tenant,))
            for statement in (
                "delete from meter.days where tenant_id = ?",
                "delete from meter.answers where tenant_id = ?",
                "delete from meter.holds where tenant_id = ?",
            ):
                store.execute(statement, (tenant,))

        self.committer.run(work, tenants=(tenant,))

    # --- what convergence publishes -----------------------------------------------------------------------------------

    def publish(self, snapshot: Snapshot) -> Snapshot:
        """Make this what holds for the tenant; answers it with its version."""
        return self.snapshots.publish(snapshot)

    def confirm(self, tenants: Iterable[TenantId], *, at: datetime) -> None:
        """These tenants were looked at and nothing had changed: their snapshots are fresh again."""
        self.snapshots.confirm(tenants, at=at)

    def snapshot_of(self, tenant: TenantId) -> Snapshot:
        """Raises NotFound when nothing was published."""
        snapshot = self.snapshots.get(tenant)
        if snapshot is None:
            raise NotFound("There is no such customer here.", remedy="Wait a moment if it was made just now.", tenant=tenant)
        return snapshot

    # --- check, consume, record ---------------------------------------------------------------------------------------

    def check(self, tenant: TenantId, meter: str, units: Units = 1) -> Body:
        """Advice: allowed, reason, limit, used, held, remaining, resets_at. Takes nothing."""
        return self.verdict(self.snapshot_of(tenant), self.advice.get(tenant), {"meter": meter, "units": units})

    def consume(
        self, tenant: TenantId, meter: str, units: Units = 1, *, key: str | None = None, dimensions: Mapping[str, str] | None = None
    ) -> Body:
        """Check and record at once, exact. Raises LimitReached, NotAllowed, Unavailable."""
        body = {"meter": meter, "units": units, "dimensions": dict(dimensions or {})}
        return self.committer.perform_now(
            self.orders.consume(self.snapshot_of(tenant), body, who={}, key=key, asked=_asked("consume", body))
        )

    def record_usage(
        self,
        tenant: TenantId,
        meter: str,
        units: Units = 1,
        *,
        key: str | None = None,
        occurred_at: datetime | None = None,
        dimensions: Mapping[str, str] | None = None,
    ) -> Body:
        """Write down what happened: never refused for a limit. The same ``key`` again is counted once."""
        body = {"meter": meter, "units": units, "key": key, "dimensions": dict(dimensions or {})}
        if occurred_at is not None:
            body["occurred_at"] = occurred_at.isoformat()
        return self.committer.perform_now(self.orders.record(self.snapshot_of(tenant), [body], who={}))

    # --- holds --------------------------------------------------------------------------------------------------------

    def hold(
        self,
        tenant: TenantId,
        meter: str,
        units: Units,
        *,
        seconds: int = 60,
        key: str | None = None,
        dimensions: Mapping[str, str] | None = None,
    ) -> Body:
        """Reserve units for ``seconds``: id, units, state, expires_at. Raises LimitReached, NotAllowed, Unavailable."""
        body = {"meter": meter, "units": units, "seconds": seconds, "dimensions": dict(dimensions or {})}
        return self.committer.perform_now(
            self.orders.take_hold(self.snapshot_of(tenant), body, who={}, key=key, asked=_asked("hold", body))
        )

    def renew(self, tenant: TenantId, hold_id: str, *, seconds: int = 60) -> Body:
        """Give a hold at least ``seconds`` from now; an expired one is taken again. Raises LimitReached, Conflict, NotFound."""
        return self.committer.perform_now(self.orders.renew(self.snapshot_of(tenant), hold_id, {"seconds": seconds}))

    def settle(
        self,
        tenant: TenantId,
        hold_id: str,
        units: Units,
        *,
        close: bool = True,
        key: str | None = None,
        dimensions: Mapping[str, str] | None = None,
    ) -> Body:
        """Record what was used of a hold; with ``close=False`` the rest stays reserved (give each part a ``key``).

        Never refused for a limit: ``over_hold`` tells that neither the hold nor the limit covered it.
        """
        body = {"units": units, "close": close, "dimensions": dict(dimensions or {})}
        request = self.orders.settle(self.snapshot_of(tenant), hold_id, body, who={}, key=key, asked=_asked(f"settle {hold_id}", body))
        return self.committer.perform_now(request)

    def release(self, tenant: TenantId, hold_id: str) -> Body:
        """Give back what is reserved; again is fine. Raises Conflict when it was settled."""
        return self.committer.perform_now(self.orders.release(self.snapshot_of(tenant), hold_id))

    def hold_of(self, tenant: TenantId, hold_id: str) -> Body:
        return self.reports.hold_of(tenant, hold_id)

    # --- Lago ---------------------------------------------------------------------------------------------------------

    def fence(self, tenant: TenantId) -> None:
        """From now on the tenant's usage is taken but not sent: around a plan change, then ``unfence``."""
        self.flush.fence(tenant)

    def unfence(self, tenant: TenantId) -> None:
        """Send again as soon as a snapshot confirmed after this moment is published."""
        self.flush.unfence(tenant)

    def flush_now(self, tenant: TenantId) -> bool:
        """Send everything used until now, fenced or not. True when all of it is proven to be at Lago."""
        return self.flush.flush_now(tenant)

    def send_again(self, tenant: TenantId, *, since: datetime, until: datetime) -> int:
        """Send usage of [since, until) to Lago once more, should it have lost some; nothing is counted twice. Answers how many events."""
        return self.flush.send_again(tenant, since=since, until=until)

    def compare_with_lago(self, tenant: TenantId) -> list[Difference]:
        """Meters that Lago counts otherwise than what we sent; empty when all agree."""
        return self.totals.compare(tenant)

    # --- reading ------------------------------------------------------------------------------------------------------

    def usage_of(self, tenant: TenantId) -> Body:
        """The running period: ``period`` {from, ends_at}, and per meter limit, used, held, remaining, resets_at; exact."""
        return self.usage_of_snapshot(self.snapshot_of(tenant))

    def usage_of_snapshot(self, snapshot: Snapshot) -> Body:
        books = self.reports.books_of(snapshot.tenant)
        meters = {}
        for kind in self.orders.meters:
            terms = self.orders.terms(snapshot, kind.code)
            if terms.kind.code in snapshot.meters or books.used(terms):
                meters[kind.code] = {"hard": bool(terms.caps), **books.figures(terms)}
        return {"tenant": snapshot.tenant, "period": _period(snapshot), "meters": meters}

    def spend_of(self, snapshot: Snapshot) -> tuple[Decimal, int] | None:
        """Cents that the period's usage and open holds cost, and the customer's cap; None without one."""
        if snapshot.spend_cap_cents is None:
            return None
        kind = next(iter(self.orders.meters))
        return self.reports.books_of(snapshot.tenant).spent_cents(self.orders.terms(snapshot, kind.code)), snapshot.spend_cap_cents

    def usage_by_day(self, tenant: TenantId, meter: str, *, since: datetime, dimension: str = "") -> list[DayUsage]:
        """For charts: usage of each day, by a dimension's values (member, program, license, agent) when named."""
        return self.reports.usage_by_day(tenant, meter, since=since, dimension=dimension)

    def trace_line(self, tenant: TenantId, meter: str, *, from_at: datetime, to_at: datetime) -> list[TracedFold]:
        """What an invoice line of this meter and time span consists of: events at Lago, and the facts in each."""
        return self.reports.trace_line(tenant, meter, from_at=from_at, to_at=to_at)

    def verdict(self, snapshot: Snapshot, books: Books, body: Mapping[str, Any]) -> Body:
        """The answer of `check` about a meter. Raises BadInput."""
        terms = self.orders.terms(snapshot, body.get("meter"))
        units = parse_units(body.get("units", 1))
        reason = terms.refusal or books.lacking(terms, units)
        return {"allowed": not reason, "reason": reason or "ok", "meter": terms.kind.code} | books.figures(terms)

    def feature_verdict(self, snapshot: Snapshot, feature: Any) -> Body:
        """The answer of `check` about a feature. One that no plan knows is not included. Raises BadInput."""
        if not isinstance(feature, str) or not feature:
            raise BadInput("feature is not usable.", field="feature", expected="the code of a feature")
        reason = "" if snapshot.standing.may_use else snapshot.standing.value
        reason = reason or ("" if snapshot.features.get(feature) else "not_included")
        reason = reason or ("paused" if feature in self.paused_features else "")
        return {"allowed": not reason, "reason": reason or "ok", "feature": feature}

    @property
    def paused_features(self) -> frozenset[str]:
        """Features that an operator turned off for everybody."""
        return self._switches.paused_features if self._switches is not None else frozenset()

    def demand_standing(self, snapshot: Snapshot) -> None:
        """Raises NotAllowed when what was bought may not be used."""
        if not snapshot.standing.may_use:
            raise NotAllowed(snapshot.reason, remedy="See the billing page of the portal.", reason=snapshot.standing.value)

    def entitlements(self, snapshot: Snapshot) -> Body:
        """What the tenant bought, without what is left of it."""
        return {
            "tenant": snapshot.tenant,
            "tier": snapshot.tier,
            "standing": snapshot.standing.value,
            "reason": snapshot.reason,
            "features": {code: granted and code not in self.paused_features for code, granted in snapshot.features.items()},
            "meters": {code: {"limit": grant.limit, "hard": grant.hard} for code, grant in snapshot.meters.items()},
            "period": _period(snapshot),
        }


def _forget(store: Store, *, statement: str, before: int) -> int:
    return int(store.execute(statement, (before, _PORTION)).rowcount)


def _period(snapshot: Snapshot) -> Body | None:
    if snapshot.period is None:
        return None
    started_at, ends_at = snapshot.period.started_at, snapshot.period.ends_at
    return {"from": started_at.isoformat().replace("+00:00", "Z"), "ends_at": ends_at.isoformat().replace("+00:00", "Z")}


def _asked(what: str, body: Body) -> bytes:
    return what.encode() + b"\n" + hashlib.sha256(orjson.dumps(body, default=str, option=orjson.OPT_SORT_KEYS)).digest()
