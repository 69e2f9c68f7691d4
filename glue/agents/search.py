"""Full text of requests and files, tenant by tenant: FTS5 beside SQLite, text search of PostgreSQL.

The texts are in the main store; on SQLite the index is a file of its own that catches up before it answers, and may be deleted.
"""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import Session, col, select

from glue.agents.books import EVERYBODY
from glue.agents.tables import AgentText
from glue.db import Database
from glue.rules.names import TenantId

LONGEST = 200_000
_READABLE = ("text/", "application/json")


def keep_text(session: Session, tenant: TenantId, *, run_id: str, name: str, title: str, text: str) -> None:
    """Make a text findable, in the caller's transaction; one of the same run and name is replaced."""
    session.execute(
        sa.delete(AgentText).where(col(AgentText.run_id) == run_id, col(AgentText.name) == name, col(AgentText.tenant_id) == tenant)
    )
    session.add(AgentText(tenant_id=tenant, run_id=run_id, name=name, title=title, text=text[:LONGEST]))


def readable(media_type: str) -> bool:
    return media_type.startswith(_READABLE)


class SearchIndex:
    """Finds texts of one tenant by words, best first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()

    def find(self, tenant: TenantId, words: Sequence[str], *, limit: int, everything: bool = True) -> list[AgentText]:
        """Texts with all words (or any of them, with ``everything=False``)."""
        if not words:
            return []
        ids = (
            self._by_fts5(tenant, words, limit, everything)
            if self._database.is_sqlite
            else self._by_tsquery(tenant, words, limit, everything)
        )
        with self._database.read(tenant) as session:
            rows = {row.id: row for row in session.exec(select(AgentText).where(col(AgentText.id).in_(ids)))}
        return [rows[found] for found in ids if found in rows]

    def _by_tsquery(self, tenant: TenantId, words: Sequence[str], limit: int, everything: bool) -> list[int]:
        vector = sa.func.to_tsvector(sa.literal_column("'simple'"), AgentText.title + " " + AgentText.text)
        query = sa.func.websearch_to_tsquery(
            sa.literal_column("'simple'"), (" " if everything else " or ").join(f'"{word}"' for word in words)
        )
        with self._database.read(tenant) as session:
            rank = sa.func.ts_rank(vector, query).desc()
            found = session.exec(select(AgentText.id).where(vector.op("@@")(query)).order_by(rank, col(AgentText.id)).limit(limit))
            return [text_id for text_id in found if text_id is not None]

    def _by_fts5(self, tenant: TenantId, words: Sequence[str], limit: int, everything: bool) -> list[int]:
        asked = (" " if everything else " OR ").join(f'"{word}"' for word in words)
        with self._lock, sqlite3.connect(self._file()) as index:
            self._catch_up(index)
            rows = index.execute(
                "select rowid from texts where texts match ? and tenant = ? order by rank, rowid limit ?",
                (f"body: ({asked})", tenant, limit),
            ).fetchall()
        index.close()
        return [row[0] for row in rows]

    def forget(self) -> None:
        """Remove the index file: it is made anew from the texts that are left."""
        if self._database.is_sqlite:
            for file in (self._file(), *self._file().parent.glob(f"{self._file().name}-*")):
                file.unlink(missing_ok=True)

    def _catch_up(self, index: sqlite3.Connection) -> None:
        index.execute(
            "create virtual table if not exists texts using fts5(tenant unindexed, body, tokenize='unicode61 remove_diacritics 2')"
        )
        newest = index.execute("select coalesce(max(rowid), 0) from texts").fetchone()[0]
        with self._database.read(EVERYBODY) as session:
            rows = session.exec(select(AgentText).where(col(AgentText.id) > newest).order_by(col(AgentText.id)))
            index.executemany(
                "insert into texts (rowid, tenant, body) values (?, ?, ?)", ((r.id, r.tenant_id, f"{r.title}\n{r.text}") for r in rows)
            )

    def _file(self) -> Path:
        return Path(self._database.engine.url.database or "").with_name("search.db")
