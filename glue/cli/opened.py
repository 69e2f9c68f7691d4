"""What commands about running customers share: the services with their databases open, and who is asking."""

import getpass
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer

from glue.converge.tenants import tenant_called, tenants_by
from glue.db import System
from glue.rules.names import TenantId
from glue.wiring import Services, services

Tenant = Annotated[str, typer.Argument(help="The customer: its id, name or mail address.", metavar="TENANT")]
OfTenant = Annotated[str, typer.Option("--tenant", help="The customer: its id, name or mail address.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@contextmanager
def opened(*, alone: bool = False) -> Iterator[Services]:
    """The services of this installation. ``alone``: nobody else may serve it meanwhile (SQLite has one process at work)."""
    service = services()
    with ExitStack() as closing:
        closing.callback(service.close)
        closing.callback(service.meter_database.close)
        if alone:
            service.prepare()
            if service.lock is not None:
                closing.enter_context(service.lock)
        closing.callback(service.database.close)
        yield service


def known(service: Services, text: str) -> TenantId:
    """The customer whom a person means. Raises NotFound, Conflict."""
    with service.database.read(System("an operator names a customer")) as session:
        return tenant_called(session, text)


def owner_of(service: Services, text: str) -> TenantId:
    """The customer whom a license or a person's words mean. Raises NotFound, Conflict."""
    with service.database.read(System("an operator names a license")) as session:
        owners = tenants_by(session, "license", text)
    return owners[0] if owners else known(service, text)


def who() -> str:
    """The person at the terminal, for the timeline."""
    return f"operator {getpass.getuser()}"
