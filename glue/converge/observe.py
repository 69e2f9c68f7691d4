"""One look at a tenant's three systems. What cannot be read is named as failed: unknown, never absent."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from glue.converge.systems import Systems
from glue.errors import UpstreamError, UpstreamNotFound
from glue.rules.facts import Entitlements, Observed, Organization
from glue.rules.names import license_id, subscription_external_id
from glue.rules.tenant import TenantRecord

T = TypeVar("T")


class _Reader:
    """Collects which parts failed, and why."""

    def __init__(self) -> None:
        self.errors: dict[str, UpstreamError] = {}

    def read(self, part: str, action: Callable[[], T]) -> T | None:
        """None also when it could not be read: ``errors`` tells the two apart."""
        try:
            return action()
        except UpstreamError as error:
            self.errors[part] = error
            return None


def observe(
    record: TenantRecord, systems: Systems, *, product: str, now: datetime, executor: Executor | None = None
) -> tuple[Observed, list[UpstreamError]]:
    """Read everything about the tenant; the three systems at once when there is an ``executor``. Also says what went wrong."""
    reader = _Reader()
    looks: list[Callable[[], Observed]] = [
        lambda: _keycloak(record, systems, reader, now),
        lambda: _lago(record, systems, reader, now),
        lambda: _keygen(record, systems, reader, product, now),
    ]
    if executor is None:
        keycloak, lago, keygen = (look() for look in looks)
    else:
        keycloak, lago, keygen = (future.result() for future in [executor.submit(look) for look in looks])
    seen = replace(
        lago,
        organization=keycloak.organization,
        members=keycloak.members,
        invitations=keycloak.invitations,
        license=keygen.license,
        license_entitlements=keygen.license_entitlements,
        machines=keygen.machines,
        failed=frozenset(reader.errors),
    )
    return seen, list(reader.errors.values())


def _keycloak(record: TenantRecord, systems: Systems, reader: _Reader, now: datetime) -> Observed:
    keycloak = systems.keycloak
    organization = reader.read("organization", lambda: _find_organization(record, systems))
    if organization is None:
        if "organization" in reader.errors:
            error = reader.errors["organization"]
            reader.errors |= {"members": error, "invitations": error}
        return Observed(at=now)
    members = reader.read("members", lambda: keycloak.list_members(organization.id)) or ()
    invitations = reader.read("invitations", lambda: keycloak.list_invitations(organization.id)) or ()
    return Observed(at=now, organization=organization, members=members, invitations=invitations)


def _find_organization(record: TenantRecord, systems: Systems) -> Organization | None:
    """By its id once that is known: a search is a list, and a list's silence is no proof."""
    known = record.identities.organization_id
    return systems.keycloak.find_organization_by_id(known) if known else systems.keycloak.find_organization(record.id)


def _lago(record: TenantRecord, systems: Systems, reader: _Reader, now: datetime) -> Observed:
    lago = systems.lago
    customer = reader.read("customer", lambda: lago.find_customer(record.id))
    if customer is None:
        if "customer" in reader.errors:
            error = reader.errors["customer"]
            reader.errors |= {"subscriptions": error, "invoices": error, "wallets": error, "entitlements": error}
        return Observed(at=now)
    subscriptions = reader.read("subscriptions", lambda: lago.subscriptions_of(record.id)) or ()
    invoices = reader.read("invoices", lambda: lago.invoices_of(record.id)) or ()
    wallets = reader.read("wallets", lambda: lago.wallets_of(record.id)) or ()
    entitlements: Entitlements | None = None
    if any(row.status == "active" for row in subscriptions):
        entitlements = reader.read("entitlements", lambda: _entitlements(record, systems))
    return Observed(
        at=now, customer=customer, subscriptions=subscriptions, invoices=invoices, wallets=wallets, entitlements=entitlements or {}
    )


def _entitlements(record: TenantRecord, systems: Systems) -> Entitlements:
    try:
        return systems.lago.entitlements(subscription_external_id(record.id))
    except UpstreamNotFound:  # it ended between two reads
        return {}


def _keygen(record: TenantRecord, systems: Systems, reader: _Reader, product: str, now: datetime) -> Observed:
    keygen = systems.keygen
    wanted = license_id(record.id, product, record.license_generation)
    found = reader.read("license", lambda: keygen.find_license(wanted))
    if found is None:
        if "license" in reader.errors:
            reader.errors["machines"] = reader.errors["license"]
        return Observed(at=now)
    # Features of a license are part of it: without them it is not compared.
    entitlements = reader.read("license", lambda: keygen.license_entitlements(wanted)) or frozenset()
    machines = reader.read("machines", lambda: keygen.list_machines(wanted)) or ()
    return Observed(at=now, license=found, license_entitlements=entitlements, machines=machines)
