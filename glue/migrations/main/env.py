"""Alembic's environment of the main store."""

from glue.migrations.environment import run

run()
