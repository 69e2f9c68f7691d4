"""Alembic's environment of the metering store."""

from glue.migrations.environment import run

run()
