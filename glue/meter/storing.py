"""Reading and writing the books with the driver's own calls: one transaction for many requests, on both databases."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from glue.db import Database
from glue.meter.books import Books, Fold, Hold
from glue.meter.meters import MeterKind
from glue.meter.periods import from_micros
from glue.meter.requests import Request

_LOCK = 7263  # first half of PostgreSQL's advisory locks of tenants
_MOST_IN_LIST = 512
_DAY = (
    "insert into meter.days (tenant_id, meter, day, dimensions, units, events) values (?, ?, ?, ?, ?, ?)"
    " on conflict (tenant_id, meter, day, dimensions) do update set events = days.events + excluded.events, units = "
)
_ADD_TO_DAY = _DAY + "days.units + excluded.units"
_RAISE_DAY = _DAY + "case when excluded.units > days.units then excluded.units else days.units end"


class Store:
    """The metering store's connection for writing. Not thread-safe: the committer owns it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._raw: Any = None
        self._cursor: Any = None
        self.is_sqlite = database.is_sqlite

    def begin(self) -> None:
        """Start a transaction; connects when needed. SQLite's has the whole file, PostgreSQL's gets its tenants by lock_tenants."""
        if self._raw is None:
            self._raw = self._database.engine.raw_connection()
            self._cursor = self._raw.cursor()
        if self.is_sqlite:
            self._cursor.execute("begin immediate")

    def commit(self) -> None:
        if self.is_sqlite:
            self._cursor.execute("commit")
        else:
            self._raw.commit()

    def abandon(self) -> None:
        """Roll back, and connect anew next time."""
        if self._raw is not None:
            self._raw.invalidate()
        self._raw = self._cursor = None

    def close(self) -> None:
        if self._raw is not None:
            self._raw.close()
        self._raw = self._cursor = None

    def lock_tenants(self, tenants: Iterable[str]) -> None:
        """On PostgreSQL nobody else changes these tenants until the transaction ends. In one order, so none waits in a circle."""
        if not self.is_sqlite:
            keys = sorted({zlib.crc32(tenant.encode()) - 2**31 for tenant in tenants})
            self._cursor.execute("select pg_advisory_xact_lock(%s, key) from unnest(%s::int[]) key", (_LOCK, keys))

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Run one statement, written with ``?`` and the schema's name; answers the cursor."""
        self._cursor.execute(self._text(statement), values)
        return self._cursor

    def execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            self._cursor.executemany(self._text(statement), rows)

    def among(self, statement: str, keys: Iterable[str], *values: Any, then: str = "") -> Iterator[Any]:
        """Rows of a statement that ends in ``in`` and a list of any length. Few lengths, so that it is prepared once each."""
        waiting = list(dict.fromkeys(keys))
        for start in range(0, len(waiting), _MOST_IN_LIST):
            part = waiting[start : start + _MOST_IN_LIST]
            part += [part[-1]] * ((1 << (len(part) - 1).bit_length()) - len(part))
            yield from self.execute(f"{statement} ({','.join('?' * len(part))}) {then}", (*values, *part)).fetchall()

    def _text(self, statement: str) -> str:
        return statement.replace("meter.", "") if self.is_sqlite else statement.replace("?", "%s")

    # --- books ----------------------------------------------------------------------------------------------------

    def load(self, requests: Sequence[Request], *, now: int) -> Books:
        """Everything the requests may look at. On PostgreSQL their tenants have to be locked."""
        books = Books(now)
        tenants = {request.terms.tenant for request in requests}
        since = min(min(request.terms.period, request.terms.prepaid.since if request.terms.prepaid else "~") for request in requests)
        for tenant, meter, period, used in self.among(
            "select tenant_id, meter, period, used from meter.counters where period >= ? and tenant_id in",
            tenants,
            min(since, _month_before(now)),
        ):
            books.counters[tenant, meter, period] = used
        for tenant, meter, units, number in self.among(
            "select tenant_id, meter, sum(units), count(*) from meter.holds where state = 'open' and expires_at > ? and tenant_id in",
            tenants,
            now,
            then="group by tenant_id, meter",
        ):
            books.held[tenant, meter] = int(units), number
        for row in self.among(
            "select id, tenant_id, meter, period, dimensions, units, events, latest_at, created_at from meter.folds"
            " where state = 'open' and tenant_id in", tenants,
        ):  # fmt: skip
            fold = Fold(*row)
            books.folds[fold.tenant, fold.meter, fold.period, fold.dimensions] = fold
        for row in self.among(
            "select id, tenant_id, meter, units, settled, state, created_at, expires_at, dimensions from meter.holds where id in",
            (identifier for request in requests for identifier in request.hold_ids),
        ):
            books.holds[row[0]] = Hold(*row)
        keys = [request.key for request in requests if request.key is not None]
        for tenant, key, digest, body in self.among("select tenant_id, key, digest, body from meter.answers where key in", keys):
            books.answers[tenant, key] = digest, body
        fact_keys = (key for request in requests for key in request.fact_keys)
        for tenant, key, meter, units in self.among("select tenant_id, key, meter, units from meter.journal where key in", fact_keys):
            books.facts[tenant, key] = meter, units
        return books

    def save(self, books: Books) -> None:
        """Write what changed."""
        now = books.now
        self.execute_many(
            "insert into meter.journal (tenant_id, meter, units, occurred_at, recorded_at, dimensions, fold_id, hold_id, key, flag)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (tenant, fact.kind.code, fact.units, fact.occurred_at, now, fact.dimensions, fold_id, fact.hold_id, fact.key, flag)
                for tenant, fact, fold_id, flag in books.journal
            ],
        )
        self.execute_many(
            "insert into meter.counters (tenant_id, meter, period, used) values (?, ?, ?, ?)"
            " on conflict (tenant_id, meter, period) do update set used = excluded.used",
            [(*key, books.counters[key]) for key in books.changed_counters],
        )
        self.execute_many(
            "insert into meter.folds (id, tenant_id, meter, period, dimensions, units, events, latest_at, created_at, state, subscription, reason)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', '', '') on conflict (id) do update set"
            " units = excluded.units, events = excluded.events, latest_at = excluded.latest_at",
            [
                (fold.id, *place, fold.units, fold.events, fold.latest_at, fold.created_at)
                for place in books.changed_folds
                for fold in (books.folds[place],)
            ],
        )
        self.execute_many(
            "insert into meter.holds (id, tenant_id, meter, units, settled, state, created_at, expires_at, dimensions)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do update set"
            " units = excluded.units, settled = excluded.settled, state = excluded.state, expires_at = excluded.expires_at",
            [
                (h.id, h.tenant, h.meter, h.units, h.settled, h.state, h.created_at, h.expires_at, h.dimensions)
                for h in (books.holds[identifier] for identifier in books.changed_holds)
            ],
        )
        self.execute_many(
            "insert into meter.answers (tenant_id, key, digest, body, at) values (?, ?, ?, ?, ?)",
            [(*answer, now) for answer in books.new_answers],
        )
        self._save_days(books)

    def _save_days(self, books: Books) -> None:
        days: dict[tuple[str, str, str, str], tuple[MeterKind, int, int]] = {}
        for tenant, fact, _fold_id, _flag in books.journal:
            place = (tenant, fact.kind.code, from_micros(fact.occurred_at).date().isoformat(), fact.dimensions)
            _, units, events = days.get(place, (fact.kind, 0, 0))
            days[place] = fact.kind, fact.kind.combine(units, fact.units), events + 1
        for adds, statement in ((True, _ADD_TO_DAY), (False, _RAISE_DAY)):
            rows = [(*place, units, events) for place, (kind, units, events) in days.items() if kind.adds is adds]
            self.execute_many(statement, rows)


def _month_before(now: int) -> str:
    return from_micros(now - 32 * 86_400_000_000).date().isoformat()
