"""Group commit: what arrives within a few milliseconds goes into one transaction, and all of it is answered after it.

An answer means "on disk" (SQLite with synchronous=FULL, PostgreSQL with its default): a crash loses nothing acknowledged.
"""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from prometheus_client import Histogram

from glue.clock import Clock
from glue.db import Database
from glue.errors import GlueError, Unavailable
from glue.meter.books import Books
from glue.meter.periods import to_micros
from glue.meter.requests import Body, Record, Request
from glue.meter.storing import Store

COMMIT_SECONDS = Histogram("glue_meter_commit_seconds", "Time of one group commit.", buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5))
BATCH_SIZE = Histogram("glue_meter_batch_requests", "Requests in one group commit.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256))

GATHER_SECONDS = 0.002
MOST_IN_BATCH = 256
MOST_FACTS_IN_BATCH = 5000
MOST_WAITING = 10_000  # more are sent away at once, so that those who wait are answered in time

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(slots=True)
class _Waiting:
    work: Request | Callable[[Store], Any]
    tenants: tuple[str, ...]
    loop: asyncio.AbstractEventLoop | None
    future: Any  # of asyncio when there is a loop, else of concurrent.futures


class Committer:
    """The one writer of the metering store in this process, a thread of its own. ``committed`` sees the books after each commit."""

    def __init__(self, database: Database, *, clock: Clock, committed: Callable[[Books], None] = lambda _books: None) -> None:
        self._store = Store(database)
        self._errors = database.errors
        self._clock = clock
        self._committed = committed
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    async def perform(self, request: Request) -> Body:
        """Answer once the request is on disk. Raises its GlueError, or Unavailable when the database does not take it."""
        if self._queue.qsize() > MOST_WAITING:
            raise Unavailable(
                "Too much is arriving at once.", retry_after_seconds=2, remedy="Send it again with the same key; nothing was counted."
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Body] = loop.create_future()
        self._submit(_Waiting(request, (request.terms.tenant,), loop, future))
        return await future

    def perform_now(self, request: Request) -> Body:
        """The same for a thread without an event loop."""
        body: Body = self._wait(_Waiting(request, (request.terms.tenant,), None, Future()))
        return body

    def run(self, work: Callable[[Store], T], *, tenants: Sequence[str] = ()) -> T:
        """Run other writing work in a transaction of its own; on PostgreSQL ``tenants`` are locked for it."""
        result: T = self._wait(_Waiting(work, tuple(tenants), None, Future()))
        return result

    def stop(self) -> None:
        """Finish what was asked and end the thread."""
        with self._starting:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _wait(self, waiting: _Waiting) -> Any:
        self._submit(waiting)
        return waiting.future.result()

    def _submit(self, waiting: _Waiting) -> None:
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="meter-committer", daemon=True)
                    self._thread.start()
        self._queue.put(waiting)

    def _run(self) -> None:
        crowd = 1
        while True:
            first = self._queue.get()
            if first is not None and crowd > 1:
                time.sleep(GATHER_SECONDS)  # under load many come together; a single caller does not wait
            batch: list[_Waiting | None] = [first]
            weight = 0
            with contextlib.suppress(queue.Empty):
                while len(batch) < MOST_IN_BATCH and weight < MOST_FACTS_IN_BATCH and batch[-1] is not None:
                    weight += _weight(batch[-1])
                    batch.append(self._queue.get_nowait())
            crowd = len(batch)
            self._commit([waiting for waiting in batch if waiting is not None])
            if batch[-1] is None:
                self._store.close()
                return

    def _commit(self, batch: list[_Waiting]) -> None:
        requests = [waiting for waiting in batch if isinstance(waiting.work, Request)]
        if requests:
            started = time.perf_counter()
            self._answer(requests, self._transact(requests))
            COMMIT_SECONDS.observe(time.perf_counter() - started)
            BATCH_SIZE.observe(len(requests))
        for waiting in batch:
            if not isinstance(waiting.work, Request):
                self._answer([waiting], [self._work(waiting)])

    def _transact(self, waiting: list[_Waiting]) -> list[Any]:
        requests = [entry.work for entry in waiting if isinstance(entry.work, Request)]
        store = self._store
        try:
            store.begin()
            store.lock_tenants(request.terms.tenant for request in requests)
            books = store.load(requests, now=to_micros(self._clock.now()))
            outcomes: list[Any] = []
            for request in requests:
                try:
                    outcomes.append(request.perform(books))
                except GlueError as error:
                    outcomes.append(error)
            store.save(books)
            store.commit()
        except self._errors as error:
            store.abandon()
            log.warning("meter_commit_failed", error=str(error), requests=len(requests))
            return [_unavailable(error)] * len(requests)
        except Exception as error:
            # One request must not take the others of its batch with it: alone they show which it was.
            store.abandon()
            if len(waiting) > 1:
                return [self._transact([entry])[0] for entry in waiting]
            log.exception("meter_request_failed", request=type(requests[0]).__name__)
            return [error]
        self._committed(books)
        return outcomes

    def _work(self, waiting: _Waiting) -> Any:
        assert not isinstance(waiting.work, Request)
        try:
            self._store.begin()
            self._store.lock_tenants(waiting.tenants)
            result = waiting.work(self._store)
            self._store.commit()
        except self._errors as error:
            self._store.abandon()
            return _unavailable(error)
        except Exception as error:  # noqa: BLE001  # handed to whoever asked for the work
            self._store.abandon()
            return error
        return result

    def _answer(self, waiting: list[_Waiting], outcomes: list[Any]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Any, Any]]] = {}
        for entry, outcome in zip(waiting, outcomes, strict=True):
            if entry.loop is None:
                _resolve([(entry.future, outcome)])
            else:
                by_loop.setdefault(entry.loop, []).append((entry.future, outcome))
        for loop, pairs in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, pairs)


def _weight(waiting: _Waiting) -> int:
    return len(waiting.work.facts) if isinstance(waiting.work, Record) else 1


def _resolve(pairs: list[tuple[Any, Any]]) -> None:
    for future, outcome in pairs:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def _unavailable(cause: Exception) -> Unavailable:
    error = Unavailable(
        "Usage cannot be stored right now.", retry_after_seconds=2, remedy="Send it again with the same key; nothing was counted."
    )
    error.__cause__ = cause
    return error
