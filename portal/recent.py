"""Runs of a customer, newest first, as far as this process has a dispatcher."""

from typing import Any

from glue.rules.names import TenantId
from glue.wiring import Services


def recent_runs(services: Services, tenant: TenantId, *, limit: int) -> list[Any]:
    dispatcher = getattr(services, "dispatcher", None)
    return list(dispatcher.runs(tenant, limit=limit)) if dispatcher is not None else []
