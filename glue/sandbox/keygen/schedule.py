"""What time brings: expiry and check-in events every ten minutes, dead machines every two, retries of webhooks."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from glue.sandbox.keygen.account import Account, Row
from glue.sandbox.keygen.cascade import delete
from glue.sandbox.keygen.delivery import Delivery
from glue.sandbox.keygen.machines import revival_period
from glue.sandbox.keygen.states import EXPIRING_WITHIN, dies_at, is_expired, next_check_in, policy_of
from glue.sandbox.keygen.times import from_text, to_text

LICENSE_JOB = timedelta(minutes=10)
MACHINE_JOB = timedelta(minutes=2)
JOB_LATENCY = timedelta(seconds=20)  # between the mark on the clock and the worker that takes the job
EVENTS_KEPT = timedelta(days=30)
_TAKEN = "9999"  # an attempt is under way
ONCE_IN = timedelta(hours=24)
TOO_LATE = timedelta(hours=12)
TICK_SECONDS = 0.4


class Schedule:
    """Runs what has fallen due since it last looked, in order of due time, whoever moved the clock."""

    def __init__(self, account: Account, delivery: Delivery) -> None:
        self._account, self._delivery = account, delivery
        self._seen = account.now()

    async def run(self) -> None:
        """Keep up with the clock until canceled."""
        while True:
            await self.catch_up()
            await asyncio.sleep(TICK_SECONDS)

    async def catch_up(self) -> None:
        """Do everything due by now. Cheap when nothing is; a clock that was set back is followed silently."""
        now = self._account.now()
        self._seen = min(self._seen, now)
        if not (self._marks_passed(now) or self._retries(now)):
            return
        with self._account.store.transaction():
            for due, job, row in sorted(self._jobs(now), key=itemgetter(0)):
                job(row, due)
        self._seen = now

    async def settle(self) -> None:
        """Everything due done and every webhook arrived or given up, with all the attempts that fit into the time passed."""
        await self.catch_up()
        await self._delivery.settle()
        while self._retries(self._account.now()):
            await self.catch_up()
            await self._delivery.settle()

    def _marks_passed(self, now: datetime) -> bool:
        return _mark_before(now, MACHINE_JOB) > _mark_before(self._seen, MACHINE_JOB)

    def _retries(self, now: datetime) -> list[Row]:
        return [event for event in self._account.by("webhook-events", "status", "FAILING") if event["retry_at"] <= to_text(now)]

    def _jobs(self, now: datetime) -> Iterator[tuple[datetime, Any, Row]]:
        for event in self._retries(now):
            yield from_text(event["retry_at"]), self._retry, event
        for event in self._account.tables["webhook-events"]:
            if event["created"] < to_text(now - EVENTS_KEPT):
                yield now, self._forget, event
        for machine in self._account.tables["machines"]:
            yield from self._machine_jobs(machine, now)
        for row in self._account.tables["licenses"]:
            yield from self._license_jobs(row, now)

    def _machine_jobs(self, machine: Row, now: datetime) -> Iterator[tuple[datetime, Any, Row]]:
        policy = policy_of(self._account, self._account.need("licenses", machine["license"]))
        died = dies_at(machine, policy)
        if died is None or died >= now:
            return
        found = max(_mark_after(died, MACHINE_JOB), from_text(machine["created"]))
        if machine["deathEvent"] is None and found <= now:
            yield found, self._announce_death, machine
        strategy = policy["heartbeatResurrectionStrategy"]
        if policy["heartbeatCullStrategy"] == "DEACTIVATE_DEAD" and strategy != "ALWAYS_REVIVE":
            culled = max(found, _mark_after(died + revival_period(policy), MACHINE_JOB))
            if culled <= now:
                yield culled, self._cull, machine

    def _license_jobs(self, row: Row, now: datetime) -> Iterator[tuple[datetime, Any, Row]]:
        """Each event at the first mark at which it holds and, for warnings, once a day from then on."""
        policy = policy_of(self._account, row)
        deadlines = (
            ("license.expiring-soon", "license.expired", "expiringEvent", "expiredEvent", row["expiry"]),
            ("license.check-in-required-soon", "license.check-in-overdue", "checkInEvent", "overdueEvent", next_check_in(row, policy)),
        )
        for soon, past, soon_stamp, past_stamp, deadline in deadlines:
            if deadline is None or (past != "license.expired" and is_expired(row, to_text(now))):
                continue
            end = from_text(deadline)
            yield from self._windows(row, now, soon, soon_stamp, end - EXPIRING_WITHIN, end)
            yield from self._windows(row, now, past, past_stamp, end, end + TOO_LATE)

    def _windows(
        self, row: Row, now: datetime, event: str, stamp: str, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, Any, Row]]:
        start = max(start, from_text(row["updated"]), from_text(row[stamp]) + ONCE_IN if row[stamp] else start)
        due = max(_mark_after(start, LICENSE_JOB), _mark_after(self._seen, LICENSE_JOB))
        while due < end and due <= now:

            def announce(target: Row, at: datetime) -> None:
                self._account.save(target, touch=False, **{stamp: to_text(at)})
                self._account.broadcast(event, target, created=to_text(at))

            yield due, announce, row
            due = _mark_after(due + ONCE_IN, LICENSE_JOB)

    def _retry(self, event: Row, due: datetime) -> None:
        self._account.save(event, touch=False, retry_at=_TAKEN, attempted_at=to_text(due))
        self._delivery.submit(event)

    def _announce_death(self, machine: Row, due: datetime) -> None:
        self._account.save(machine, touch=False, deathEvent=to_text(due))
        self._account.broadcast("machine.heartbeat.dead", machine, created=to_text(due))

    def _forget(self, event: Row, _: datetime) -> None:
        self._account.remove(event)

    def _cull(self, machine: Row, _: datetime) -> None:
        delete(self._account, machine)


def _mark_before(instant: datetime, every: timedelta) -> datetime:
    """The last time at or before ``instant`` at which the job ran."""
    seconds = int(every.total_seconds())
    shifted = (instant - JOB_LATENCY).timestamp()
    return datetime.fromtimestamp(shifted // seconds * seconds, instant.tzinfo) + JOB_LATENCY


def _mark_after(instant: datetime, every: timedelta) -> datetime:
    """The first time after ``instant`` at which the job runs."""
    return _mark_before(instant, every) + every
