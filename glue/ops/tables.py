"""Imports every module that defines tables, so that the whole schema is known to Alembic."""

FOREIGN: frozenset[str] = frozenset()  # tables in our stores that a library keeps
