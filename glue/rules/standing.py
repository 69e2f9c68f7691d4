"""Standing: how a tenant stands with us, as a pure function of Lago's facts, our blocks, the clock and the tier's grace.

pending → trialing → active → past_due → suspended → canceled; erased is a tombstone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from glue.rules.facts import Invoice, Observed, Subscription
from glue.rules.tiers import Tier


class Standing(StrEnum):
    PENDING = "pending"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    SUSPENDED = "suspended"
    CANCELED = "canceled"
    ERASED = "erased"

    @property
    def may_use(self) -> bool:
        """Whether what was bought may be used."""
        return self in {Standing.TRIALING, Standing.ACTIVE, Standing.PAST_DUE}


@dataclass(frozen=True, slots=True)
class StandingFacts:
    """The verdict: standing, the reason in words, and when it may change by time alone."""

    standing: Standing
    reason: str
    changes_at: datetime | None = None
    trial_ends_at: datetime | None = None
    grace_ends_at: datetime | None = None


def decide_standing(observed: Observed, tier: Tier | None, *, now: datetime, blocked: str = "", erased: bool = False) -> StandingFacts:
    """How the tenant stands at ``now``. ``blocked`` is our own reason to lock it out, empty for none."""
    if erased:
        return StandingFacts(Standing.ERASED, "Everything about this customer was erased.")
    subscription = observed.active_subscription
    if subscription is None:
        if any(row.status in {"terminated", "canceled"} for row in observed.subscriptions):
            return StandingFacts(Standing.CANCELED, "The subscription has ended.")
        return StandingFacts(Standing.PENDING, "The subscription has not started yet.")
    if blocked:
        return StandingFacts(Standing.SUSPENDED, blocked)
    if tier is not None and (debt := oldest_debt(observed.invoices)):
        due = due_instant(debt)
        grace_ends_at = due + timedelta(days=tier.grace_days)
        if now >= grace_ends_at:
            return StandingFacts(
                Standing.SUSPENDED, f"Invoice {debt.number} was due on {debt.payment_due_date} and the grace period is over."
            )
        if now >= due:
            return StandingFacts(
                Standing.PAST_DUE,
                f"Invoice {debt.number} was due on {debt.payment_due_date}.",
                changes_at=grace_ends_at,
                grace_ends_at=grace_ends_at,
            )
        changes_at: datetime | None = due
    else:
        changes_at = None
    trial_ends_at = trial_end(subscription, tier)
    if trial_ends_at is not None and now < trial_ends_at:
        first = min(trial_ends_at, changes_at) if changes_at else trial_ends_at
        return StandingFacts(Standing.TRIALING, "The trial is running.", changes_at=first, trial_ends_at=trial_ends_at)
    return StandingFacts(Standing.ACTIVE, "Everything is in order.", changes_at=changes_at, trial_ends_at=trial_ends_at)


def oldest_debt(invoices: tuple[Invoice, ...]) -> Invoice | None:
    """The open subscription invoice that was due first; an unpaid top-up is no debt."""
    debts = [invoice for invoice in invoices if invoice.is_open and invoice.kind == "subscription"]
    return min(debts, key=lambda invoice: (invoice.payment_due_date, invoice.number), default=None)


def due_instant(invoice: Invoice) -> datetime:
    """The end of the day an invoice is due: until then it is not late (Lago's flag follows within the hour)."""
    return datetime.combine(invoice.payment_due_date + timedelta(days=1), time(), tzinfo=UTC)


def trial_end(subscription: Subscription, tier: Tier | None) -> datetime | None:
    """When the trial of this row ends; None without one. Lago's own word (``trial_ended_at``) wins once it is there."""
    if tier is None or not tier.trial_days or subscription.started_at is None:
        return None
    return subscription.trial_ended_at or subscription.started_at + timedelta(days=tier.trial_days)
