"""The loop: claim a tenant, converge it, finish; and the chores that run by time (polls, sweeps). Any number of threads."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

import structlog

from glue import dirty
from glue.clock import Clock
from glue.converge.run import Converge, Outcome
from glue.db import Database
from glue.errors import GlueError

log = structlog.get_logger()

LOOK_SECONDS = 0.5  # how soon work marked by another process is found


@dataclass
class Chore:
    """Something to do every ``every_seconds`` of wall time, in a thread of its own: a poll, a sweep."""

    name: str
    every_seconds: float
    run: Callable[[], object]
    lock: threading.Lock = field(default_factory=threading.Lock)


class Worker:
    """``paused`` says why nothing may be converged now (an upstream is not the one we know); empty when all is well."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        converge: Converge,
        *,
        chores: Sequence[Chore] = (),
        paused: Callable[[], str] = lambda: "",
        threads: int = 2,
    ) -> None:
        self._database = database
        self._clock = clock
        self._converge = converge
        self._chores = list(chores)
        self._paused = paused
        self._threads = threads
        self._stop = threading.Event()
        self._running: list[threading.Thread] = []

    def run_one(self) -> Outcome | None:
        """Converge the most urgent tenant that is due; None when there is none, or convergence is paused."""
        if self._paused():
            return None
        claim = dirty.claim(self._database, self._clock)
        if claim is None:
            return None
        try:
            outcome = self._converge(claim.tenant, hint=claim.why)
        except GlueError as error:
            log.warning("converge_failed", tenant=claim.tenant, error=error.code, detail=str(error))
            outcome = Outcome(claim.tenant, retry_after_seconds=0, errors=[error])
        except Exception:
            # A bug, or the database is away: the row stays and is tried again, the loop goes on for the others.
            log.exception("converge_crashed", tenant=claim.tenant)
            dirty.fail(self._database, claim, now=self._clock.now())
            raise
        if outcome.retry_after_seconds is not None:
            dirty.fail(self._database, claim, now=self._clock.now(), retry_after_seconds=outcome.retry_after_seconds)
        else:
            dirty.finish(self._database, claim, next_look=outcome.next_look)
        return outcome

    def run_until_empty(self, *, limit: int = 100_000) -> list[Outcome]:
        """Converge everything that is due now, in this thread. What failed waits for its time and is not tried again."""
        outcomes: list[Outcome] = []
        while len(outcomes) < limit and (outcome := self.run_one()) is not None:
            outcomes.append(outcome)
        return outcomes

    def run_chores(self) -> None:
        """Do every chore once, now, in this thread; one that another thread is doing is left to it."""
        for chore in self._chores:
            self._do(chore)

    def _do(self, chore: Chore) -> None:
        if chore.lock.acquire(blocking=False):
            try:
                chore.run()
            except GlueError as error:
                log.warning("chore_failed", chore=chore.name, error=error.code, detail=str(error))
            finally:
                chore.lock.release()

    def start(self) -> None:
        """Begin to work in the background."""
        self._stop.clear()
        loops: list[Callable[[], None]] = [*[self._loop] * self._threads, *(partial(self._chore_loop, chore) for chore in self._chores)]
        self._running = [threading.Thread(target=loop, name=f"converge-{number}", daemon=True) for number, loop in enumerate(loops)]
        for thread in self._running:
            thread.start()

    def stop(self, *, timeout_seconds: float = 30) -> None:
        """Finish what is being done, then end."""
        self._stop.set()
        dirty.wake.notify()
        deadline = monotonic() + timeout_seconds
        for thread in self._running:
            thread.join(max(deadline - monotonic(), 0.1))
        self._running = []

    def _loop(self) -> None:
        seen = 0
        while not self._stop.is_set():
            try:
                if self.run_one() is None:
                    seen = dirty.wake.wait(seen, LOOK_SECONDS)
            except Exception:
                log.exception("worker_failed")
                self._stop.wait(1)

    def _chore_loop(self, chore: Chore) -> None:
        while not self._stop.wait(chore.every_seconds):
            try:
                self._do(chore)
            except Exception:
                log.exception("chore_crashed", chore=chore.name)
