"""Who belongs where, as convergence last saw it: roles from the published snapshot, names from our own record."""

from glue.converge.tenants import Tenant, find_tenant
from glue.rules.facts import Role
from glue.rules.names import TenantId
from glue.wiring import Services


class Memberships:
    """The ``Members`` of `portal.people`, over the services."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def roles_of(self, tenant: TenantId, subject: str) -> frozenset[Role] | None:
        """Whoever registered is admin until the first look has been published."""
        snapshot = self._services.meter.snapshots.get(tenant)
        if snapshot is not None:
            return snapshot.members.get(subject)
        row = self._row(tenant)
        return frozenset({Role.ADMIN}) if row is not None and row.owner_user_id == subject else None

    def name_of(self, tenant: TenantId) -> str | None:
        row = self._row(tenant)
        return row.display_name if row is not None and row.erased_at is None else None

    def joined(self, tenant: TenantId, subject: str) -> None:
        self._services.look_at(tenant, why=f"The person {subject} joined.")

    def _row(self, tenant: TenantId) -> Tenant | None:
        with self._services.database.read(tenant) as session:
            return find_tenant(session, tenant)
