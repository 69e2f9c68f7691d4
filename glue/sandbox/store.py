"""The sandboxes' memory: JSON documents by kind and id, held in memory and written through to one SQLite file."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class Table:
    """Documents of one kind in order of creation, with look-ups by the fields named when it was opened."""

    def __init__(self, store: "Store", kind: str, indexed: tuple[str, ...]) -> None:
        self._store, self._kind = store, kind
        self._rows: dict[str, Document] = {}
        self._index: dict[str, dict[Any, dict[str, None]]] = {field: defaultdict(dict) for field in indexed}
        self._keys: dict[str, dict[str, Any]] = {}

    def put(self, row_id: str, row: Document) -> Document:
        """Store ``row`` under ``row_id`` (replacing) and return it. Call again after changing a row in place."""
        old, new = self._keys.get(row_id, {}), {field: row.get(field) for field in self._index}
        for field, value in new.items():
            if field not in old or old[field] != value:  # a row keeps its place unless its value changes
                if field in old:
                    self._index[field][old[field]].pop(row_id, None)
                self._index[field][value][row_id] = None
        self._rows[row_id], self._keys[row_id] = row, new
        self._store.write(self._kind, row_id, row)
        return row

    def get(self, row_id: str) -> Document | None:
        return self._rows.get(row_id)

    def remove(self, row_id: str) -> None:
        """Forget the row; unknown ids are fine."""
        if self._rows.pop(row_id, None) is not None:
            self._forget_keys(row_id)
            self._store.write(self._kind, row_id, None)

    def by(self, field: str, value: Any) -> list[Document]:
        """Rows whose indexed ``field`` equals ``value``, in order of creation."""
        return [self._rows[row_id] for row_id in self._index[field].get(value, ())]

    def one(self, field: str, value: Any) -> Document | None:
        """The newest row whose indexed ``field`` equals ``value``."""
        rows = self.by(field, value)
        return rows[-1] if rows else None

    def values(self, field: str) -> list[Any]:
        """The values that an indexed ``field`` has in some row."""
        return [value for value, rows in self._index[field].items() if rows]

    def newest_first(self) -> Iterator[Document]:
        """All rows, the last one created first; nothing may be put or removed meanwhile."""
        return reversed(self._rows.values())

    def __iter__(self) -> Iterator[Document]:
        return iter(list(self._rows.values()))

    def __len__(self) -> int:
        return len(self._rows)

    def _forget_keys(self, row_id: str) -> None:
        for field, value in self._keys.pop(row_id, {}).items():
            self._index[field][value].pop(row_id, None)


class Store:
    """One SQLite file of documents; ``:memory:`` when no folder is given."""

    def __init__(self, folder: Path | None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "state.db" if folder else ":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=normal")
        self._db.execute("create table if not exists documents (kind text, id text, seq integer primary key, body text, unique (kind, id))")
        self._tables: dict[str, Table] = {}
        self._pending: dict[tuple[str, str], Document | None] | None = None
        self._loading = False

    def table(self, kind: str, *indexed: str) -> Table:
        """Open (and load) the table ``kind``; ``indexed`` names the top-level fields that ``by`` may ask for."""
        table = self._tables[kind] = Table(self, kind, indexed)
        rows = self._db.execute("select id, body from documents where kind = ? order by seq", (kind,)).fetchall()
        self._loading = True
        for row_id, body in rows:
            table.put(row_id, json.loads(body))
        self._loading = False
        return table

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write everything that is put inside in one go at the end; nested calls join the outer one."""
        if self._pending is not None:
            yield
            return
        self._pending = {}
        try:
            yield
        finally:
            pending, self._pending = self._pending, None
            if pending:
                self._db.execute("begin")
                for (kind, row_id), row in pending.items():
                    self._save(kind, row_id, row)
                self._db.execute("commit")

    def write(self, kind: str, row_id: str, row: Document | None) -> None:
        """Remember a row's new state (None: removed). Tables call this; nobody else needs to."""
        if self._loading:
            return
        if self._pending is None:
            self._save(kind, row_id, row)
        else:
            self._pending[(kind, row_id)] = row

    def reset(self) -> None:
        """Forget everything; open the tables anew afterwards."""
        self._db.execute("delete from documents")
        self._tables.clear()

    def _save(self, kind: str, row_id: str, row: Document | None) -> None:
        if row is None:
            self._db.execute("delete from documents where kind = ? and id = ?", (kind, row_id))
        else:
            self._db.execute(
                "insert into documents (kind, id, body) values (?, ?, ?) on conflict (kind, id) do update set body = excluded.body",
                (kind, row_id, json.dumps(row, default=str)),
            )
