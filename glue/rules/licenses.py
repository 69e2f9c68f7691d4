"""What a tenant's license should say, derived from tier, overrides, standing and the billing period."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from glue.rules.changes import Plain, Want, instant
from glue.rules.entitlements import Grants
from glue.rules.facts import License, Observed, Subscription
from glue.rules.snapshot import LicenseGrant
from glue.rules.standing import StandingFacts
from glue.rules.tenant import TenantRecord
from glue.rules.tiers import Tier


def want_license(
    record: TenantRecord,
    subscription: Subscription | None,
    tier: Tier,
    facts: StandingFacts,
    grants: Grants,
    policies: Mapping[str, str],
    *,
    asked: bool = False,
) -> dict[str, Want]:
    """Field → value. The policy is left alone while Keygen does not have it yet."""
    standing = f"The standing is {facts.standing}: {facts.reason}"
    bought = f"The tier is {tier.code}."
    wanted = {
        "suspended": Want(not facts.standing.may_use, standing, asked=asked),
        "max_machines": Want(grants.machines, bought if record.overrides.machines is None else "Machines were granted explicitly."),
        "name": Want(record.display_name, "The license carries the customer's name."),
        "metadata": Want(license_metadata(record, tier), bought),
        "features": Want(
            sorted(code for code, granted in grants.features.items() if granted and not tier.features.get(code)),
            "Features granted on top of the tier.",
        ),
    }
    if subscription is not None and subscription.period_ends_at is not None:
        wanted["expiry"] = Want(instant(license_expiry(subscription, tier)), "It lasts for the paid period and the tier's grace.")
    if policy := policies.get(tier.license.policy):
        wanted["policy"] = Want(policy, bought)
    return wanted


def license_expiry(subscription: Subscription, tier: Tier) -> datetime | None:
    """End of the paid period plus grace, so that a license dies by itself when nobody renews it; or the announced end."""
    if subscription.period_ends_at is None:
        return None
    if subscription.ending_at is not None and subscription.ending_at <= subscription.period_ends_at + timedelta(days=1):
        return subscription.ending_at
    return subscription.period_ends_at + timedelta(days=tier.grace_days)


def license_metadata(record: TenantRecord, tier: Tier) -> dict[str, str]:
    return {"tenant": record.id, "tier": tier.code, "generation": str(record.license_generation)}


def found_license(found: License, entitlements: frozenset[str], tier: Tier) -> dict[str, Plain]:
    """The same fields as they were read. The policy's own features are not the license's."""
    return {
        "suspended": found.suspended,
        "max_machines": found.max_machines,
        "name": found.name,
        "metadata": dict(found.metadata),
        "features": sorted(code for code in entitlements if not tier.features.get(code)),
        "expiry": instant(found.expiry),
        "policy": found.policy_id,
    }


def license_grants(observed: Observed, facts: StandingFacts) -> tuple[LicenseGrant, ...]:
    """The license as the hot path needs it."""
    found = observed.license
    if found is None or not found.key:
        return ()
    reason = "The license is suspended." if found.suspended else "" if facts.standing.may_use else facts.reason
    return (
        LicenseGrant(
            id=found.id,
            key_digest=hashlib.sha256(found.key.encode()).hexdigest(),
            usable=not reason,
            reason=reason,
            expires_at=found.expiry,
        ),
    )
