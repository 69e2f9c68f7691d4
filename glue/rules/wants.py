"""What each part of a tenant should say in the three systems, field by field, beside what was read there."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from glue.rules.changes import Applied, Change, Part, Plain, Want
from glue.rules.entitlements import UNLIMITED, Grants, as_privileges, flatten, tier_privileges
from glue.rules.facts import Customer, Observed, Organization, Role, Subscription
from glue.rules.licenses import found_license, want_license
from glue.rules.names import organization_name
from glue.rules.standing import StandingFacts
from glue.rules.tenant import TenantRecord
from glue.rules.terms import Terms
from glue.rules.tiers import Tier

Pair = tuple[Mapping[str, Want], Mapping[str, Plain]]


@dataclass(frozen=True)
class Wants:
    """``parts`` that exist and are compared field by field; ``creations`` of parts that do not exist."""

    parts: dict[Part, Pair] = field(default_factory=dict)
    creations: list[Change] = field(default_factory=list)


def want_parts(
    record: TenantRecord,
    observed: Observed,
    terms: Terms,
    *,
    tier: Tier | None,
    facts: StandingFacts,
    grants: Grants,
    lago_known: bool,
    asked: bool,
    applied: Mapping[str, Applied],
) -> Wants:
    """Everything wanted. What depends on Lago is left out while Lago is not known. ``asked``: a person wanted this standing."""
    wants = Wants()
    claims = want_organization(record, terms, tier, facts if lago_known else None, asked=asked)
    if observed.organization is None:
        wants.creations.append(_create(Part.ORGANIZATION, claims, "The customer was registered."))
    else:
        wants.parts[Part.ORGANIZATION] = (claims, found_organization(observed.organization))
    if record.owner_user_id and not record.owner_joined and not _has_owner(record, observed):
        wants.creations.append(Change(Part.OWNER, "member", None, record.owner_user_id, "Who registered owns the organization.", adds=True))
    customer = want_customer(record, observed.customer, terms, tier)
    if observed.customer is None:
        wants.creations.append(_create(Part.CUSTOMER, customer, "The customer was registered."))
    else:
        wants.parts[Part.CUSTOMER] = (customer, found_customer(observed.customer))
    active = observed.active_subscription
    if not lago_known or tier is None:
        return wants
    if active is not None:
        wants.parts[Part.ENTITLEMENT] = _entitlements(record, observed, active, tier, applied)
    licensed = want_license(record, active, tier, facts, grants, terms.policies, asked=asked)
    if observed.license is not None:
        wants.parts[Part.LICENSE] = (licensed, found_license(observed.license, observed.license_entitlements, tier))
    elif facts.standing.may_use and "policy" in licensed:
        wants.creations.append(_create(Part.LICENSE, licensed, f"The standing is {facts.standing}: {facts.reason}"))
    return wants


def _create(part: Part, wanted: Mapping[str, Want], because: str) -> Change:
    return Change(part, "exists", None, {name: want.value for name, want in wanted.items()}, because, adds=True)


def _has_owner(record: TenantRecord, observed: Observed) -> bool:
    return any(member.user_id == record.owner_user_id and Role.ADMIN in member.roles for member in observed.members)


def want_organization(
    record: TenantRecord, terms: Terms, tier: Tier | None, facts: StandingFacts | None, *, asked: bool = False
) -> dict[str, Want]:
    """Name, address and claims. The claims of plan and standing need ``facts``."""
    wanted = {
        "name": Want(organization_name(record.display_name, record.id), "The display name, made unique."),
        "redirect_url": Want(terms.redirect_url, "Invited people arrive there."),
        "attr.display_name": Want(record.display_name, "The display name."),
        "enabled": Want(value=True, because="Every customer's organization is enabled until it is erased."),
    }
    if facts is not None:
        wanted["attr.standing"] = Want(str(facts.standing), f"The standing is {facts.standing}: {facts.reason}", asked=asked)
        if tier is not None:
            wanted["attr.plan"] = Want(tier.code, f"The tier is {tier.code}.")
    return wanted


def found_organization(organization: Organization) -> dict[str, Plain]:
    found: dict[str, Plain] = {
        "name": organization.name,
        "redirect_url": organization.redirect_url,
        "enabled": organization.enabled,
    }
    return found | {f"attr.{key}": values[0] if len(values) == 1 else list(values) for key, values in organization.attributes.items()}


def want_customer(record: TenantRecord, customer: Customer | None, terms: Terms, tier: Tier | None) -> dict[str, Want]:
    """Billing data as the customer gave them; a currency only while Lago has none, for it is fixed by the first invoice."""
    because = "As entered in the billing data."
    wanted = {
        "name": Want(record.display_name, because),
        "email": Want(record.email, because),
        "legal_name": Want(record.legal_name, because),
        "tax_id": Want(record.tax_id, because),
        "address": Want(asdict(record.address), because),
        "metadata": Want(customer_metadata(record), "What only this service decides, kept where it survives the loss of our database."),
    }
    if customer is None or customer.currency is None:
        wanted["currency"] = Want(record.currency, "Chosen at registration.")
    if tier is not None:
        wanted["net_payment_term_days"] = Want(tier.payment_term_days, f"The payment term of tier {tier.code}.")
    if terms.payment_provider:
        wanted["payment_provider"] = Want(terms.payment_provider, "The linked payment provider.")
        wanted["payment_provider_code"] = Want(terms.payment_provider_code, "The linked payment provider.")
    return wanted


def customer_metadata(record: TenantRecord) -> dict[str, str]:
    """At most five keys (Lago takes no more)."""
    overrides = {key: value for key, value in asdict(record.overrides).items() if value not in (None, {})}
    values = {
        "owner": record.owner_user_id,
        "blocked": record.blocked[:100],
        "overrides": json.dumps(overrides, separators=(",", ":"), sort_keys=True) if overrides else "",
        "generation": str(record.license_generation),
        "locale": record.locale,
    }
    return {key: value for key, value in values.items() if value}


def found_customer(customer: Customer) -> dict[str, Plain]:
    return {
        "name": customer.name,
        "email": customer.email,
        "legal_name": customer.legal_name,
        "tax_id": customer.tax_id,
        "address": asdict(customer.address),
        "metadata": dict(customer.metadata),
        "currency": customer.currency,
        "net_payment_term_days": customer.net_payment_term_days,
        "payment_provider": customer.payment_provider,
        "payment_provider_code": customer.payment_provider_code,
    }


def _entitlements(record: TenantRecord, observed: Observed, active: Subscription, tier: Tier, applied: Mapping[str, Applied]) -> Pair:
    """Overrides, on the row that is active now: an upgrade starts a new row without them.

    What the tier's plan grants is Lago's to copy from the plan (`glue apply` declares it); it is only looked at once it
    was seen right and somebody changed it on this subscription.
    """
    row = active.lago_id
    found = {f"{row}.{name}": value for name, value in flatten(observed.entitlements).items()}
    explicit = {f"{row}.{name}": value for name, value in as_privileges(record.overrides).items()}
    usual = {f"{row}.{name}": value for name, value in tier_privileges(tier).items()}
    wanted = {name: Want(value, "Granted explicitly.") for name, value in explicit.items()}
    for name in (set(usual) | {key.removeprefix("entitlement.") for key in applied if key.startswith(f"entitlement.{row}.")}) - set(
        explicit
    ):
        base = applied.get(f"entitlement.{name}")
        want = usual.get(name, UNLIMITED if name.endswith(".limit") else False)
        if found.get(name) == want or (base is not None and base.known and (base.written or found.get(name) != base.value)):
            wanted[name] = Want(want, f"Tier {tier.code} grants it so.")
    return wanted, found
