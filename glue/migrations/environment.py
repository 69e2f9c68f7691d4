"""What both stores' Alembic environments do: the connection and the tables are handed in by glue.ops.schema."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from glue.db import Utc


def run() -> None:
    """Run the migrations that Alembic was called for."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes["metadata"],
        render_item=_render,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=False,
    )
    with context.begin_transaction():
        context.run_migrations()


def _render(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Write plain SQLAlchemy types into scripts, so that they stand on their own."""
    if kind == "type" and isinstance(item, Utc):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and item.__class__.__name__ == "AutoString":
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    return False
