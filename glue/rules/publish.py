"""From one look to the snapshot that the hot path works with."""

from dataclasses import replace

from glue.rules.entitlements import Grants
from glue.rules.facts import Observed, Subscription
from glue.rules.licenses import license_grants
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
) -> Snapshot | None:
    """The next snapshot; None while there is none and not everything could be read."""
    if previous is None and (observed.failed or not lago_known):
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
        period=_period(active),
        members=members if enabled else {},
        licenses=license_grants(observed, facts),
        unit_prices=dict(terms.unit_prices.get(active.plan_code, {})) if active else {},
        run_concurrency=tier.runs.concurrency if tier else 0,
        max_credits_per_run=tier.runs.max_credits_per_run if tier else 0,
    )
    if previous is None:
        return fresh
    if observed.failed or not lago_known:
        fresh = replace(fresh, confirmed_at=previous.confirmed_at)
    if not lago_known:
        fresh = replace(
            fresh, standing=previous.standing, reason=previous.reason, period=previous.period, unit_prices=previous.unit_prices
        )
    if observed.failed & {"members", "organization"}:
        fresh = replace(fresh, members=previous.members)
    if "license" in observed.failed:
        fresh = replace(fresh, licenses=previous.licenses)
    return fresh


def _period(active: Subscription | None) -> Period | None:
    if active is None or not (active.started_at and active.period_started_at and active.period_ends_at):
        return None
    return Period(
        subscription_external_id=active.external_id,
        subscription_lago_id=active.lago_id,
        plan_code=active.plan_code,
        subscription_started_at=active.started_at,
        started_at=active.period_started_at,
        ends_at=active.period_ends_at,
    )
