"""What the lists of the three systems show about one tenant, as short digests: equal digests, nothing to look at.

Only fields that both a list and a single read carry, and none that moves by time alone.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from glue.rules.changes import instant
from glue.rules.facts import Customer, License, Observed, Organization, Subscription
from glue.rules.wants import found_customer, found_organization


def digest_organization(organization: Organization | None) -> str:
    return "" if organization is None else _digest([organization.id, found_organization(organization)])


def digest_customer(customer: Customer | None) -> str:
    return "" if customer is None else _digest([customer.lago_id, found_customer(customer)])


def digest_subscriptions(rows: Iterable[Subscription]) -> str:
    return _digest(sorted([row.lago_id, row.plan_code, row.status, instant(row.ending_at), row.next_plan_code or ""] for row in rows))


def digest_license(found: License | None) -> str:
    if found is None:
        return ""
    return _digest([found.id, found.policy_id, instant(found.expiry), found.suspended, found.max_machines, found.name, found.metadata])


def digests_of(observed: Observed) -> dict[str, str]:
    """Every list part of one look."""
    return {
        "organization": digest_organization(observed.organization),
        "customer": digest_customer(observed.customer),
        "subscriptions": digest_subscriptions(observed.subscriptions),
        "license": digest_license(observed.license),
    }


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
