"""Making levels so: each part's changes become the fewest writes that may be repeated. Reading back is the next look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from glue.converge.systems import Systems, UsageFence
from glue.errors import Unavailable, UpstreamNotFound
from glue.rules.changes import Change, Part
from glue.rules.entitlements import nest
from glue.rules.facts import Address, Observed, Organization, Role
from glue.rules.names import license_id, subscription_external_id
from glue.rules.tenant import TenantRecord

# What others need comes first; people leave before their organization is disabled.
ORDER = (
    Part.ORGANIZATION,
    Part.OWNER,
    Part.MEMBER,
    Part.CUSTOMER,
    Part.SUBSCRIPTION,
    Part.ENTITLEMENT,
    Part.MACHINE,
    Part.LICENSE,
)


@dataclass(frozen=True)
class Situation:
    """Whose changes these are, what was just seen, and with what they are written."""

    record: TenantRecord
    observed: Observed
    systems: Systems
    fence: UsageFence
    product: str

    @property
    def license_id(self) -> str:
        return license_id(self.record.id, self.product, self.record.license_generation)


def write(part: Part, changes: Sequence[Change], situation: Situation) -> None:
    """Write one part's changes. Raises UpstreamError; what was written before it stays and is seen at the next look."""
    _WRITERS[part](changes, situation)


def _organization(changes: Sequence[Change], it: Situation) -> None:
    created = _creation(changes)
    if created is not None:
        claims = {name: value for name, value in created.items() if name.startswith("attr.")}
        attributes: dict[str, tuple[str, ...]] = {name.removeprefix("attr."): (str(value),) for name, value in claims.items()}
        it.systems.keycloak.create_organization(
            alias=it.record.id, name=created["name"], redirect_url=created["redirect_url"], attributes=attributes
        )
        return
    current = _current_organization(it)
    fields: dict[str, Any] = {}
    attributes = dict(current.attributes)
    for change in changes:
        if change.field.startswith("attr."):
            attributes[change.field.removeprefix("attr.")] = (str(change.after),)
        else:
            fields[change.field] = change.after
    it.systems.keycloak.update_organization(replace(current, **fields, attributes=attributes))


def _current_organization(it: Situation) -> Organization:
    """Read anew: the write replaces everything, so it must start from what is there now."""
    seen = it.observed.organization
    known = seen.id if seen else it.record.identities.organization_id
    keycloak = it.systems.keycloak
    current = keycloak.find_organization_by_id(known) if known else keycloak.find_organization(it.record.id)
    if current is None:
        raise UpstreamNotFound("Keycloak does not have the organization.", upstream="keycloak", operation="find_organization")
    return current


def _owner(changes: Sequence[Change], it: Situation) -> None:
    organization = _current_organization(it)
    for change in changes:
        it.systems.keycloak.add_member(organization.id, change.after)
        it.systems.keycloak.set_roles(organization.id, change.after, frozenset({Role.ADMIN}))


def _member(changes: Sequence[Change], it: Situation) -> None:
    """Roles that an invitation promised; and at an erasure, everybody out."""
    organization, keycloak = _current_organization(it), it.systems.keycloak
    for change in changes:
        kind, _, name = change.field.partition(".")
        if kind == "roles":
            keycloak.set_roles(organization.id, name, frozenset(Role(role) for role in change.after))
        elif kind == "invitation":
            keycloak.delete_invitation(organization.id, name)
        else:
            _remove_person(organization, kind, it)


def _remove_person(organization: Organization, user_id: str, it: Situation) -> None:
    keycloak = it.systems.keycloak
    member = next((one for one in it.observed.members if one.user_id == user_id), None)
    if member is not None and member.service_account:
        keycloak.set_program_enabled(member.username.removeprefix("service-account-"), enabled=False)
    elsewhere = any(one.id != organization.id for one in keycloak.organizations_of_user(user_id))
    # Removing a managed member deletes the account: with another organization it refuses, and a person has to decide.
    keycloak.remove_member(organization.id, user_id, managed=not elsewhere)
    if not elsewhere and member is not None and not member.service_account:
        keycloak.delete_user(user_id)


def _customer(changes: Sequence[Change], it: Situation) -> None:
    fields = _creation(changes) or {change.field: change.after for change in changes}
    if "address" in fields:
        fields["address"] = Address(**fields["address"])
    it.systems.lago.upsert_customer(it.record.id, **fields)


def _subscription(changes: Sequence[Change], it: Situation) -> None:
    """An end and a waiting downgrade are dates; a start, a change of plan and a stop touch usage and are fenced."""
    lago, name = it.systems.lago, subscription_external_id(it.record.id)
    for change in changes:
        match change.field:
            case "end":
                lago.set_subscription_end(name, datetime.fromisoformat(change.after) if change.after else None)
            case "pending":
                lago.terminate_subscription(name, status="pending")
            case "active":
                _fenced(it, lambda: lago.terminate_subscription(name))
            case _:
                start = partial(lago.create_subscription, customer=it.record.id, external_id=name, plan_code=change.after)
                _fenced(it, start)


def _fenced(it: Situation, action: Callable[[], object]) -> None:
    if it.observed.active_subscription is None:
        action()
        return
    tenant = it.record.id
    it.fence.fence(tenant)
    try:
        if not it.fence.flush_now(tenant):
            raise Unavailable("Usage recorded so far has not reached Lago yet; the change of plan waits for it.", retry_after_seconds=2)
        action()
    finally:
        it.fence.unfence(tenant)


def _entitlement(changes: Sequence[Change], it: Situation) -> None:
    values = {change.field.partition(".")[2]: change.after for change in changes}  # the row's id is ours, not Lago's
    it.systems.lago.override_entitlements(subscription_external_id(it.record.id), nest(values))


def _license(changes: Sequence[Change], it: Situation) -> None:
    keygen, name = it.systems.keygen, it.license_id
    created = _creation(changes)
    if created is not None:
        keygen.create_license(
            license_id=name,
            policy_id=created["policy"],
            name=created["name"],
            expiry=_instant(created.get("expiry")),
            max_machines=created["max_machines"],
            metadata=created["metadata"],
        )
        if created["features"]:
            keygen.attach_entitlements(name, frozenset(created["features"]))
        return
    fields = {change.field: change.after for change in changes}
    if "policy" in fields:
        keygen.change_policy(name, fields.pop("policy"))
    before: list[str] = next((change.before for change in changes if change.field == "features"), [])
    features = fields.pop("features", before)
    if gained := set(features) - set(before):
        keygen.attach_entitlements(name, frozenset(gained))
    if lost := set(before) - set(features):
        keygen.detach_entitlements(name, frozenset(lost))
    if "expiry" in fields:
        fields["expiry"] = _instant(fields["expiry"])
    if fields:
        keygen.update_license(name, **fields)


def _machine(changes: Sequence[Change], it: Situation) -> None:
    for change in changes:
        it.systems.keygen.deactivate_machine(change.field)


def _creation(changes: Sequence[Change]) -> dict[str, Any] | None:
    return next((dict(change.after) for change in changes if change.field == "exists"), None)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_WRITERS: dict[Part, Callable[[Sequence[Change], Situation], None]] = {
    Part.ORGANIZATION: _organization,
    Part.OWNER: _owner,
    Part.MEMBER: _member,
    Part.CUSTOMER: _customer,
    Part.SUBSCRIPTION: _subscription,
    Part.ENTITLEMENT: _entitlement,
    Part.LICENSE: _license,
    Part.MACHINE: _machine,
}
