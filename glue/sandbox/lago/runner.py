"""Keeps the world in step with the clock: due jobs at their own minute, queued work, webhooks."""

import asyncio
from datetime import UTC, datetime

from glue.sandbox.lago import jobs
from glue.sandbox.lago.delivery import Courier
from glue.sandbox.lago.values import to_ms
from glue.sandbox.lago.world import World

PATIENCE_SECONDS = 1.0  # how long a moving clock waits for receivers of one job's webhooks
BEAT_SECONDS = 0.25
FAULTS = ("down", "answer_503_but_do", "lose_webhooks")


class Runner:
    """Everything that happens without a call. One thread: while a step runs, no request is answered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.courier = Courier(world)
        self.fault: str | None = None
        self._moving = False
        self._done_until = int(world.setting("jobs_done_until", world.now))

    def catch_up(self) -> None:
        """Do what fell due since the last look; requests and the beat call this."""
        if self._moving:
            return
        now = self.world.now()
        if now < self._done_until:  # somebody turned the clock back
            self._mark(now)
            self.courier.hurry()
        for at in jobs.due_times(self._done_until, now):
            jobs.run_at(self.world, at, jobs.jobs_at(at))
            self._done_until = at
        if now - self._done_until > jobs.MINUTE_MS:
            self._mark(now)
        self.courier.dispatch()

    def _mark(self, at: int) -> None:
        self._done_until = at
        self.world.keep("jobs_done_until", at)

    def work_off(self) -> None:
        """The background work that a call queued, then its webhooks."""
        if self.world.pending:
            with self.world.store.transaction():
                self.world.work_off()
        self.courier.dispatch()

    async def move(self, instant: datetime | None) -> None:
        """Go to ``instant``, stopping at every job that had something to do and at every retry; None only waits."""
        while self._moving:
            await asyncio.sleep(0.01)
        self._moving = True
        try:
            if instant is not None:
                await self._travel(to_ms(instant), instant)
        finally:
            self._moving = False
        self.catch_up()
        await self.courier.settle()

    async def _travel(self, target: int, instant: datetime) -> None:
        await self.courier.settle(PATIENCE_SECONDS)
        start = self.world.now()
        if target <= start:
            self.world.clock.set(instant)
            self._mark(target)
            self.courier.hurry()
            return
        for at in jobs.due_times(min(self._done_until, start), target):
            await self._retry_until(at)
            before = len(self.world.deliveries)
            jobs.run_at(self.world, at, jobs.jobs_at(at))
            self._done_until = at
            if len(self.world.deliveries) != before:
                await self._stop_at(at)
        await self._retry_until(target)
        self.world.clock.set(instant)
        self._mark(target)

    async def _retry_until(self, at: int) -> None:
        due = self.courier.next_due()
        while due is not None and due <= at:
            await self._stop_at(max(due, self.world.now()))
            due = self.courier.next_due()

    async def _stop_at(self, at: int) -> None:
        self.world.clock.set(datetime.fromtimestamp(at / 1000, UTC))
        self.courier.dispatch()
        await self.courier.settle(PATIENCE_SECONDS)

    async def run_job(self, name: str, offset_days: float) -> None:
        """Run one job as if ``offset_days`` later. Raises ValueError for a name that Lago's clock does not know."""
        if name not in jobs.JOBS:
            raise ValueError(f"unknown job {name}")
        jobs.run_named(self.world, name, offset_days)
        self.courier.dispatch()
        await self.courier.settle(PATIENCE_SECONDS)

    def set_fault(self, mode: str | None) -> None:
        self.fault = mode
        self.courier.loses_everything = mode == "lose_webhooks"

    async def beat(self) -> None:
        """Forever: look at the clock."""
        while True:
            self.catch_up()
            await asyncio.sleep(BEAT_SECONDS)

    async def reset(self) -> None:
        await self.courier.settle(PATIENCE_SECONDS)
        identity = {name: self.world.settings.get(name) for name in ("api_key", "hmac_key", "rsa_private_key", "organization_id")}
        self.world.pending.clear()
        self.world.store.reset()
        self.world.open()
        for name, row in identity.items():
            if row is not None:
                self.world.settings.put(name, row)
        self.courier.reset()
        self.set_fault(None)
        self._mark(self.world.now())
