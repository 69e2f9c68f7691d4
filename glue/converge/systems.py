"""The third parties as convergence uses them, and what the rest of the process gives to it and takes from it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from glue.rules.names import TenantId
from glue.rules.snapshot import Snapshot
from glue.upstream.keycloak import Keycloak
from glue.upstream.keygen import Keygen
from glue.upstream.lago import Lago
from glue.upstream.mail import Mail


@dataclass(frozen=True)
class Systems:
    """Keycloak, Lago, Keygen and our mailbox."""

    keycloak: Keycloak
    lago: Lago
    keygen: Keygen
    mail: Mail


class UsageFence(Protocol):
    """Around a change of plan: hold new usage back, send what is there, let it run again."""

    def fence(self, tenant: TenantId) -> None: ...

    def flush_now(self, tenant: TenantId) -> bool:
        """True when everything recorded so far has reached Lago."""
        ...

    def unfence(self, tenant: TenantId) -> None: ...


class NoFence:
    """For processes without a meter: there is no usage to hold back."""

    def fence(self, tenant: TenantId) -> None:
        """Nothing to hold back."""

    def flush_now(self, tenant: TenantId) -> bool:  # noqa: ARG002
        return True

    def unfence(self, tenant: TenantId) -> None:
        """Nothing was held back."""


@dataclass(frozen=True)
class Ports:
    """What convergence tells other rooms; wired by the process.

    ``publish`` a snapshot; ``confirm`` that the tenants' last snapshots still hold at an instant; ``record_seats`` used
    now; ``scrub`` a tenant's rows elsewhere when it is erased (in our transaction).
    """

    publish: Callable[[Snapshot], None] = lambda _snapshot: None
    confirm: Callable[[Collection[TenantId], datetime], None] = lambda _tenants, _at: None
    record_seats: Callable[[TenantId, int, datetime], None] = lambda _tenant, _seats, _at: None
    scrub: tuple[Callable[[Session, TenantId], None], ...] = ()
    fence: UsageFence = field(default_factory=NoFence)
