"""Imports every module that defines tables, so that the whole schema is known to Alembic."""

import glue.actions.drafts
import glue.actions.signins
import glue.agents.tables
import glue.agents.takeover
import glue.converge.applied
import glue.converge.breaker
import glue.converge.drift
import glue.converge.effects
import glue.converge.invitations
import glue.converge.sweep
import glue.converge.tenants
import glue.converge.timeline
import glue.dirty
import glue.doors.deliveries
import glue.meter.tables
import glue.support.cohorts
import glue.support.feedback
import glue.support.invitations
import glue.support.issue_links
import glue.support.mail_in
import glue.support.tickets
import glue.support.waiting
import glue.switches  # noqa: F401

FOREIGN: frozenset[str] = frozenset()  # tables in our stores that a library keeps
