"""Alembic's scripts, a tree per store: ``main`` and ``meter``. Run by ``glue.ops.schema``."""
