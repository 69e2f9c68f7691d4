"""A dispatcher for commands: over the installation's own stores, carrying out runs only when asked to."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glue.agents.dispatcher import Dispatcher


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
