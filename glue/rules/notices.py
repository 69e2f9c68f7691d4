"""Which mail a change of standing earns. The edge runs from the standing last told to the one now decided."""

from dataclasses import dataclass, field
from datetime import datetime

from glue.rules.standing import Standing, StandingFacts
from glue.rules.tenant import TenantRecord
from glue.rules.tiers import Tier


@dataclass(frozen=True)
class Notice:
    """A mail by template, with what its text needs."""

    template: str
    to: str
    values: dict[str, str] = field(default_factory=dict)


def decide_notice(record: TenantRecord, facts: StandingFacts, tier: Tier | None) -> Notice | None:
    """The mail for this edge, None for an edge that needs none or a customer without address."""
    template = _template(record.told, facts.standing)
    if template is None or not record.email:
        return None
    values = {
        "name": record.display_name,
        "plan": tier.title if tier else "",
        "reason": facts.reason,
        "trial_ends": _day(facts.trial_ends_at),
        "grace_ends": _day(facts.grace_ends_at),
    }
    return Notice(template, record.email, values)


def _template(told: Standing, now: Standing) -> str | None:
    if told == now:
        return None
    match now:
        case Standing.TRIALING | Standing.ACTIVE if told in {Standing.PENDING, Standing.CANCELED}:
            return "welcome"
        case Standing.ACTIVE if told == Standing.TRIALING:
            return "trial_ended"
        case Standing.ACTIVE | Standing.TRIALING:
            return "restored"
        case Standing.PAST_DUE:
            # From suspended it is a relief, and the restored access is what matters.
            return "restored" if told == Standing.SUSPENDED else "past_due"
        case Standing.SUSPENDED:
            return "suspended"
        case Standing.CANCELED if told != Standing.PENDING:
            return "canceled"
        case _:
            return None


def _day(moment: datetime | None) -> str:
    return moment.strftime("%B %-d, %Y") if moment else ""
