"""Erasing a customer: people leave, names go, keys stop. Nothing is deleted that holds invoices or other customers' access."""

from dataclasses import asdict

from glue.rules.changes import Change, Part, Plain
from glue.rules.facts import Address, Observed
from glue.rules.tenant import TenantRecord

ERASED = "Erased"
_BECAUSE = "The customer asked to be erased."


def erase_changes(record: TenantRecord, observed: Observed) -> list[Change]:
    """What is left to erase. The organization is disabled only when nobody is in it: that would lock managed accounts out."""
    changes = []
    if observed.active_subscription is not None:
        changes.append(_erase(Part.SUBSCRIPTION, "active", before=True, after=False))
    changes += [_erase(Part.MEMBER, f"invitation.{item.id}", item.status, None) for item in observed.invitations]
    changes += [_erase(Part.MEMBER, member.user_id, "member", None) for member in observed.members]
    if observed.license is not None:
        changes += [_erase(Part.MACHINE, machine.id, "active", None) for machine in observed.machines]
        wanted = {"suspended": True, "name": ERASED, "metadata": {}}
        found = {"suspended": observed.license.suspended, "name": observed.license.name, "metadata": dict(observed.license.metadata)}
        changes += _differences(Part.LICENSE, wanted, found)
    if observed.customer is not None:
        customer = observed.customer
        blank = {"name": ERASED, "email": "", "legal_name": "", "tax_id": "", "address": asdict(Address()), "metadata": {}}
        found = {name: getattr(customer, name) for name in ("name", "email", "legal_name", "tax_id")}
        found |= {"address": asdict(customer.address), "metadata": dict(customer.metadata)}
        changes += _differences(Part.CUSTOMER, blank, found)
    if observed.organization is not None and not observed.members:
        organization = observed.organization
        wanted = {"name": f"{ERASED} · {record.id[-4:]}", "enabled": False, "attr.display_name": ERASED, "attr.standing": "erased"}
        found = {"name": organization.name, "enabled": organization.enabled}
        found |= {f"attr.{key}": values[0] if values else "" for key, values in organization.attributes.items()}
        changes += _differences(Part.ORGANIZATION, wanted, found)
    return changes


def _differences(part: Part, wanted: dict[str, Plain], found: dict[str, Plain]) -> list[Change]:
    return [_erase(part, field, found.get(field), value) for field, value in wanted.items() if found.get(field) != value]


def _erase(part: Part, field: str, before: Plain, after: Plain) -> Change:
    return Change(part, field, before, after, _BECAUSE, restrictive=True, asked=True)
