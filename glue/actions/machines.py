"""Machines: activated through us, one at a time per license and counted, since parallel activations overshoot upstream."""

import re
from contextlib import suppress
from dataclasses import dataclass

from glue.actions.asking import Actions
from glue.errors import BadInput, LimitReached, NotAllowed, NotFound, Unavailable, UpstreamUnavailable
from glue.rules.facts import License, LicenseFile, Machine
from glue.rules.names import TenantId

_FINGERPRINT = re.compile(r"[\w:.+/=-]{8,200}")


@dataclass(frozen=True)
class LicenseView:
    """The tenant's license with its machines, as Keygen has them now."""

    license: License
    machines: tuple[Machine, ...]
    limit: int


def read_license(actions: Actions, tenant: TenantId) -> LicenseView | None:
    """None while it is being made. Raises UpstreamUnavailable."""
    license_id = actions.record(tenant).identities.license_id
    found = actions.systems.keygen.find_license(license_id) if license_id else None
    if found is None:
        return None
    return LicenseView(found, actions.systems.keygen.list_machines(found.id), actions.grants(tenant).machines)


def activate(actions: Actions, tenant: TenantId, *, fingerprint: str, name: str, platform: str, hostname: str = "", by: str) -> Machine:
    """Activate a machine; one that is active already is returned. Raises BadInput, NotAllowed, LimitReached."""
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise BadInput("This is no usable fingerprint.", field="fingerprint", expected="8 to 200 letters, digits and :.+/=-")
    for field, text in (("name", name), ("platform", platform), ("hostname", hostname)):
        if len(text) > 100:
            raise BadInput(f"{field} is too long.", field=field, expected="at most 100 characters")
    with actions.one_at_a_time(f"machines/{tenant}"):
        view = _usable(actions, tenant)
        known = next((machine for machine in view.machines if machine.fingerprint == fingerprint), None)
        if known is not None:
            return known
        if len(view.machines) >= view.limit:
            raise LimitReached(
                f"All {view.limit} machines of your plan are active.",
                remedy="Remove one on the license page, or choose a plan with more.",
                limit=view.limit,
                used=len(view.machines),
                remaining=0,
            )
        payload = {"license_id": view.license.id, "fingerprint": fingerprint, "name": name, "platform": platform, "hostname": hostname}
        key = f"activate/{view.license.id}/{fingerprint}/{actions.clock.wall().timestamp():.3f}"
        actions.do(tenant, "activate_machine", payload, key=key, by=by, text=f"Activated the machine {name or fingerprint}.")
        machines = actions.systems.keygen.list_machines(view.license.id)
    found = next((machine for machine in machines if machine.fingerprint == fingerprint), None)
    if found is None:
        raise Unavailable("The machine was activated but is not listed yet.", remedy="Ask again in a moment.")
    return found


def deactivate(actions: Actions, tenant: TenantId, machine_id: str, *, by: str) -> None:
    """Free a machine's place; unknown ones are NotFound."""
    view = read_license(actions, tenant)
    machine = next((one for one in view.machines if machine_id in {one.id, one.fingerprint, one.name}), None) if view else None
    if machine is None:
        raise NotFound("There is no such machine.")
    payload = {"machine_id": machine.id, "license_id": machine.license_id}
    key = f"deactivate/{machine.id}"
    actions.do(tenant, "deactivate_machine", payload, key=key, by=by, text=f"Removed the machine {machine.name or machine.fingerprint}.")


def check_out(actions: Actions, tenant: TenantId, *, fingerprint: str = "") -> LicenseFile:
    """A signed file that is good offline: of a machine, or of the license when no fingerprint is given."""
    view = _usable(actions, tenant)
    tier = actions.tier(tenant)
    seconds = (tier.license.file_ttl_hours if tier else 24) * 3600
    if not fingerprint:
        return actions.systems.keygen.check_out_license(view.license.id, ttl_seconds=seconds)
    machine = next((one for one in view.machines if fingerprint in {one.fingerprint, one.id}), None)
    if machine is None:
        raise NotFound("This machine is not activated.", remedy="Activate it first.")
    return actions.systems.keygen.check_out_machine(machine.id, ttl_seconds=seconds)


def revoke_license(actions: Actions, tenant: TenantId, *, by: str, nonce: str) -> None:
    """Suspend the license as a decision of an operator: it is not lifted by itself, and is listed among the drift that waits for a person."""
    view = read_license(actions, tenant)
    if view is None:
        raise NotFound("There is no license yet.")
    payload = {"license_id": view.license.id}
    actions.do(tenant, "retire_license", payload, key=f"revoke/{view.license.id}/{nonce}", by=by, text="Revoked the license.")


def reissue_license(actions: Actions, tenant: TenantId, *, by: str, nonce: str) -> None:
    """A new license with a new key; the old one stops and its machines have to be activated again.

    At once, or as soon as Keygen answers.
    """
    record = actions.record(tenant)
    old = record.identities.license_id
    actions.change(tenant, by=by, text="Replaced the license key.", license_generation=record.license_generation + 1, license_id="")
    if old:
        text = "The old license key stopped working."
        with suppress(UpstreamUnavailable):
            actions.do(tenant, "retire_license", {"license_id": old}, key=f"retire/{old}/{nonce}", by=by, text=text)


def _usable(actions: Actions, tenant: TenantId) -> LicenseView:
    view = read_license(actions, tenant)
    if view is None:
        raise Unavailable("The license is still being made.", remedy="Try again in a moment.")
    if view.license.suspended or not actions.record(tenant).standing.may_use:
        raise NotAllowed("The license is suspended.", remedy="See the license page of the portal.")
    return view
