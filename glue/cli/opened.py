"""What commands about running customers share: the services with their databases open, and who is asking."""

import getpass
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

import typer

from glue.rules.names import TenantId, parse_tenant_id
from glue.wiring import Services, services

Tenant = Annotated[str, typer.Argument(help="The customer's id: t and fourteen letters or digits.", metavar="TENANT")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@contextmanager
def opened(*, alone: bool = False) -> Iterator[Services]:
    """The services of this installation. ``alone``: nobody else may serve it meanwhile (SQLite has one process at work)."""
    service = services()
    with ExitStack() as closing:
        closing.callback(service.close)
        if alone:
            service.prepare()
            closing.callback(service.meter_database.close)
            if service.lock is not None:
                closing.enter_context(service.lock)
        closing.callback(service.database.close)
        yield service


def known(text: str) -> TenantId:
    """A customer's id as typed. Raises BadInput."""
    return parse_tenant_id(text)


def who() -> str:
    """The person at the terminal, for the timeline."""
    return f"operator {getpass.getuser()}"
