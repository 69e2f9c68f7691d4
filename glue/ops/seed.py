"""Many made-up customers in our own database, to see how pages behave with them. Never in production, never upstream."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from glue.converge.drift import Drift
from glue.converge.effects import Effect, EffectState
from glue.converge.tenants import Tenant
from glue.converge.timeline import TimelineEntry
from glue.db import Database, System
from glue.doors.deliveries import Delivery
from glue.meter.tables import DAYS
from glue.rules.changes import FindingState
from glue.rules.names import new_tenant_id
from glue.rules.standing import Standing
from glue.support.cohorts import CohortMember
from glue.support.feedback import Feedback
from glue.support.tickets import Category, State, Ticket, TicketPriority
from glue.support.waiting import WaitingPerson, WaitingState

_PORTION = 1000
_DAYS = 300
_NAMES = ("Heron", "Kestrel", "Linden", "Marlow", "Northgate", "Orchard", "Pinewood", "Quarry", "Riverside", "Stonebridge")
_KINDS = ("Academy", "School", "College", "Tutors", "Learning", "Studio")
_STANDINGS = (Standing.ACTIVE, Standing.TRIALING, Standing.PAST_DUE, Standing.SUSPENDED, Standing.CANCELED)
_SCOPE = System("made-up customers are written in bulk")
Rows = dict[type[SQLModel], list[dict[str, Any]]]


def seed(database: Database, meter_database: Database, *, tenants: int, now: datetime, cohort: str = "", plans: dict[str, str]) -> int:
    """Write ``tenants`` customers with what operators see of them; ``plans`` maps a tier to its plan code. Answers the rows written."""
    chance, written = random.Random(tenants), 0  # the same figures every time, no secrets
    for start in range(0, tenants, _PORTION):
        rows: Rows = {}
        days: list[dict[str, Any]] = []
        for number in range(start, min(start + _PORTION, tenants)):
            for table, values in _customer(chance, number, now=now, plans=plans, cohort=cohort, days=days):
                rows.setdefault(table, []).append(values)
        with database.write(_SCOPE) as session:
            for table, many in rows.items():
                session.execute(sa.insert(table), many)
                written += len(many)
        with meter_database.engine.begin() as connection:
            connection.execute(sa.insert(DAYS), days)
            written += len(days)
    return written


def _customer(
    chance: random.Random, number: int, *, now: datetime, plans: dict[str, str], cohort: str, days: list[dict[str, Any]]
) -> Iterator[tuple[type[SQLModel], dict[str, Any]]]:
    since = now - timedelta(days=chance.random() * _DAYS)
    tenant = str(new_tenant_id(since))
    tier = chance.choice(list(plans))
    email = f"owner{number}@seeded.example"
    name = f"{chance.choice(_NAMES)} {chance.choice(_KINDS)} {number}"
    standing = chance.choices(_STANDINGS, (80, 8, 5, 3, 4))[0]
    owned = {"tenant_id": tenant}
    yield Tenant, owned | {
        "display_name": name, "currency": "USD", "email": email, "created_at": since, "tier": tier, "plan_code": plans[tier],
        "standing": standing, "told": standing, "converged_at": now, "snapshot": " " * 2500, "owner_user_id": f"seeded-{number}",
    }  # fmt: skip
    for text in ("Registered.", "Everything is in order."):
        yield TimelineEntry, owned | {"at": since, "kind": "note", "text": text, "data": {}}
    yield Delivery, {
        "source": "lago", "delivery_id": f"seeded-{tenant}", "kind": "invoice.created", "tenants": tenant, "state": "understood",
        "body": "{}", "received_at": since,
    }  # fmt: skip
    if chance.random() < 0.05:
        state, asked = chance.choice(list(State)), now - timedelta(hours=chance.randrange(200))
        yield Ticket, owned | {
            "id": f"tkt_{tenant}", "subject": f"A question of {name}", "category": chance.choice(list(Category)), "state": state,
            "priority": TicketPriority.NORMAL, "email": email, "opened_at": asked, "changed_at": asked,
            "answer_due_at": asked + timedelta(hours=48), "nonce": f"{tenant}:seeded",
        }  # fmt: skip
        yield Feedback, owned | {"rating": chance.randint(2, 5), "text": "Easy to use, but slow.", "page": "/usage", "at": asked}
    if chance.random() < 0.03:
        yield Drift, owned | {
            "field": "license.suspended", "expected": {"v": False}, "found": {"v": True}, "cause": "Seeded.", "found_at": since,
            "state": FindingState.NEEDS_DECISION,
        }  # fmt: skip
        yield Effect, owned | {
            "key": f"seeded/{tenant}", "kind": "mail", "state": EffectState.REFUSED, "payload": {}, "planned_at": since, "error": "Seeded.",
        }  # fmt: skip
    if cohort and chance.random() < 0.02:
        yield CohortMember, owned | {"cohort": cohort, "joined_at": since}
    if chance.random() < 0.5:
        yield WaitingPerson, {"email": f"waiting{number}@seeded.example", "state": WaitingState.CONFIRMED, "asked_at": since}
    if chance.random() < 0.7:
        for back in range(0, (now - since).days + 1, 7):
            if chance.random() < 0.6:
                by = '{"agent": "research"}' if chance.random() < 0.3 else "{}"
                day = (now - timedelta(days=back)).date().isoformat()
                days.append(owned | {"meter": "agent_credits", "day": day, "dimensions": by, "units": 1_000_000, "events": 1})
