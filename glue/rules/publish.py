"""From one look to the snapshot that the hot path works with."""

from dataclasses import replace
from datetime import datetime

from glue.rules.entitlements import Grants
from glue.rules.facts import Observed, Subscription
from glue.rules.licenses import license_grants
from glue.rules.plan_change import period_end
from glue.rules.snapshot import Period, Snapshot
from glue.rules.standing import StandingFacts
from glue.rules.tenant import TenantRecord
from glue.rules.terms import Terms
from glue.rules.tiers import Tier


def make_snapshot(
    record: TenantRecord,
    observed: Observed,
    terms: Terms,
    *,
    tier: Tier | None,
    facts: StandingFacts,
    grants: Grants,
    previous: Snapshot | None,
    lago_known: bool,
    waiting: frozenset[str] = frozenset(),
) -> Snapshot | None:
    """The next snapshot; None while there is none and not everything could be read. ``waiting`` parts may only have blinked."""
    unread = observed.failed | waiting
    if previous is None and (unread or not lago_known):
        return None
    active = observed.active_subscription
    # What could not be read keeps its last value, and the time at which all of it was last seen true.
    members = {member.user_id: member.roles for member in observed.members if member.enabled}
    enabled = observed.organization is not None and observed.organization.enabled
    fresh = Snapshot(
        tenant=record.id,
        version=previous.version + 1 if previous else 1,
        standing=facts.standing,
        reason=facts.reason,
        tier=tier.code if tier else "",
        confirmed_at=observed.at,
        features=grants.features,
        meters=grants.meters,
        period=_period(observed, active),
        members=members if enabled else {},
        licenses=license_grants(observed, facts),
        unit_prices=dict(terms.unit_prices.get(active.plan_code, {})) if active else {},
        free_units=dict(terms.free_units.get(active.plan_code, {})) if active else {},
        spend_cap_cents=record.spend_cap_cents,
        run_concurrency=tier.runs.concurrency if tier else 0,
        max_credits_per_run=tier.runs.max_credits_per_run if tier else 0,
        prepaid_balance_cents=_prepaid_cents(observed),
        unbilled_since=_unbilled_since(observed, active, previous),
    )
    if previous is None:
        return fresh
    if unread or not lago_known:
        fresh = replace(fresh, confirmed_at=previous.confirmed_at)
    if not lago_known:
        kept = ("standing", "reason", "period", "unit_prices", "free_units", "prepaid_balance_cents", "unbilled_since")
        fresh = replace(fresh, **{name: getattr(previous, name) for name in kept})
    if "wallets" in unread:
        fresh = replace(fresh, prepaid_balance_cents=previous.prepaid_balance_cents)
    if unread & {"members", "organization"}:
        fresh = replace(fresh, members=previous.members)
    if "license" in unread:
        fresh = replace(fresh, licenses=previous.licenses)
    return fresh


def _period(observed: Observed, active: Subscription | None) -> Period | None:
    ends_at = period_end(active) if active else None
    if active is None or ends_at is None or not (active.started_at and active.period_started_at):
        return None
    return Period(
        subscription_external_id=active.external_id,
        subscription_lago_id=active.lago_id,
        plan_code=active.plan_code,
        subscription_started_at=active.started_at,
        started_at=active.period_started_at,
        ends_at=ends_at,
        downgrade_waiting=any(row.status == "pending" for row in observed.subscriptions),
    )


def _prepaid_cents(observed: Observed) -> int | None:
    """What open wallets still hold; None for a customer who pays afterwards."""
    wallets = [one for one in observed.wallets if one.status == "active" and (one.expires_at is None or one.expires_at > observed.at)]
    return sum(one.balance_cents for one in wallets) if wallets else None


def _unbilled_since(observed: Observed, active: Subscription | None, previous: Snapshot | None) -> datetime | None:
    """Start of the last period while its invoice is not there yet: Lago makes it ten minutes after the period's end."""
    if active is None or active.period_started_at is None or previous is None or previous.period is None:
        return None
    started = active.period_started_at
    if any(one.kind == "subscription" and one.issuing_date >= started.date() for one in observed.invoices):
        return None
    since = min(previous.unbilled_since or previous.period.started_at, previous.period.started_at)
    return since if since < started else None
