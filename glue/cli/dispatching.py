"""A dispatcher for commands: over the installation's own stores, carrying out runs only when asked to."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glue.agents.dispatcher import Dispatcher
    from glue.rules.names import TenantId


def customer(text: str) -> "TenantId":
    """The customer whom a person means by id, name or mail address. Raises NotFound, Conflict."""
    from glue import wiring
    from glue.converge.tenants import tenant_called
    from glue.db import System
    from glue.errors import BadInput
    from glue.rules.names import parse_tenant_id

    with suppress(BadInput):
        return parse_tenant_id(text)
    database = wiring.services().database
    try:
        with database.read(System("an operator names a customer")) as session:
            return tenant_called(session, text)
    finally:
        database.close()


@contextmanager
def dispatching(*, carry_out: bool = False) -> Iterator["Dispatcher"]:
    """The dispatcher of the settings' installation. Raises ConfigInvalid, also when a running service has the SQLite files."""
    from glue import wiring

    services = wiring.services()
    services.prepare()
    with ExitStack() as closing:
        if services.lock is not None:
            closing.enter_context(services.lock)
        for close in (
            services.database.close,
            services.meter_database.close,
            services.close,
            services.meter.stop,
            services.dispatcher.stop,
        ):
            closing.callback(close)
        if carry_out:
            services.dispatcher.start()
        yield services.dispatcher
