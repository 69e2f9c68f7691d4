"""Tables of the metering store. Units are whole millionths, instants whole microseconds since 1970 (UTC), texts UTF-8.

Plain tables, not models: the committer writes them in batches with the driver's own calls.
"""

import sqlalchemy as sa
from sqlmodel import SQLModel

from glue.db import METER_SCHEMA

_Big = sa.BigInteger


def _table(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, SQLModel.metadata, *columns, schema=METER_SCHEMA)


# Every fact, once, never changed. `key` is the customer's own id of the fact; `fold_id` the event it is billed with.
JOURNAL = _table(
    "journal",
    sa.Column("id", _Big().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("meter", sa.Text, nullable=False),
    sa.Column("units", _Big, nullable=False),
    sa.Column("occurred_at", _Big, nullable=False),
    sa.Column("recorded_at", _Big, nullable=False),
    sa.Column("dimensions", sa.Text, nullable=False),
    sa.Column("fold_id", sa.Text, nullable=False),
    sa.Column("hold_id", sa.Text),
    sa.Column("key", sa.Text),
    sa.Column("flag", sa.Text, nullable=False),  # "", over_limit or over_hold
    sa.Index("journal_fold", "fold_id"),
    sa.Index("journal_recorded", "recorded_at"),
    sa.Index(
        "journal_key", "key", "tenant_id", unique=True, sqlite_where=sa.text("key is not null"), postgresql_where=sa.text("key is not null")
    ),
)

# What a period's limits are compared with. `period` is the first day the limit counts from, or names a blind spell.
COUNTERS = _table(
    "counters",
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("meter", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("used", _Big, nullable=False),
)

# Units promised and not yet settled. Open means: state is "open" and expires_at lies ahead.
HOLDS = _table(
    "holds",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("meter", sa.Text, nullable=False),
    sa.Column("units", _Big, nullable=False),
    sa.Column("settled", _Big, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # open, settled or released
    sa.Column("created_at", _Big, nullable=False),
    sa.Column("expires_at", _Big, nullable=False),
    sa.Column("dimensions", sa.Text, nullable=False),
    sa.Index(
        "holds_open", "tenant_id", "meter", "expires_at", sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'")
    ),
)

# One event for Lago each. open: still gathering; sending: frozen and on its way; then sent, or stranded with a reason.
FOLDS = _table(
    "folds",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("meter", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("dimensions", sa.Text, nullable=False),
    sa.Column("units", _Big, nullable=False),
    sa.Column("events", _Big, nullable=False),
    sa.Column("latest_at", _Big, nullable=False),
    sa.Column("created_at", _Big, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("subscription", sa.Text, nullable=False),
    sa.Column("billed_at", _Big),
    sa.Column("sent_at", _Big),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index(
        "folds_open", "tenant_id", "meter", "period", "dimensions", unique=True,
        sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'"),
    ),
    sa.Index("folds_sending", "created_at", sqlite_where=sa.text("state = 'sending'"), postgresql_where=sa.text("state = 'sending'")),
    sa.Index("folds_billed", "tenant_id", "billed_at"),
    sa.Index("folds_stranded", "created_at", sqlite_where=sa.text("state = 'stranded'"), postgresql_where=sa.text("state = 'stranded'")),
)  # fmt: skip

# Usage by day and dimensions, for charts.
DAYS = _table(
    "days",
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("meter", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("dimensions", sa.Text, primary_key=True),
    sa.Column("units", _Big, nullable=False),
    sa.Column("events", _Big, nullable=False),
)

# What was answered to a request with an Idempotency-Key.
ANSWERS = _table(
    "answers",
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("at", _Big, nullable=False),
    sa.Index("answers_at", "at"),
)

# What convergence last said about a tenant. `revision` grows with every row written, so that processes can follow.
SNAPSHOTS = _table(
    "snapshots",
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("version", _Big, nullable=False),
    sa.Column("revision", _Big, nullable=False, index=True),
    sa.Column("confirmed_at", _Big, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

# Which license key belongs to whom, by SHA-256 of the key.
LICENSES = _table(
    "licenses",
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False, index=True),
)

# Tenants whose usage is taken but not sent while their plan changes; the time ends a fence whose process died.
FENCES = _table(
    "fences",
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("until", _Big, nullable=False),
)


def in_state(table: sa.Table, state: str) -> sa.ColumnElement[bool]:
    """Rows in one of our own states, written out: with a parameter SQLite could not use the index of that state."""
    return table.c.state == sa.literal_column(f"'{state}'")
