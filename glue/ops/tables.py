"""Imports every module that defines tables, so that the whole schema is known to Alembic."""

import glue.actions.drafts  # noqa: F401
import glue.actions.signins  # noqa: F401
import glue.converge.applied  # noqa: F401
import glue.converge.breaker  # noqa: F401
import glue.converge.drift  # noqa: F401
import glue.converge.effects  # noqa: F401
import glue.converge.invitations  # noqa: F401
import glue.converge.sweep  # noqa: F401
import glue.converge.tenants  # noqa: F401
import glue.converge.timeline  # noqa: F401
import glue.dirty  # noqa: F401
import glue.doors.deliveries  # noqa: F401
import glue.meter.tables  # noqa: F401
import glue.support.feedback  # noqa: F401
import glue.support.tickets  # noqa: F401

FOREIGN: frozenset[str] = frozenset()  # tables in our stores that a library keeps
