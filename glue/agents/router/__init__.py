"""Plain language to one command of ours, or to none. Offline and deterministic; destructive ones only on a clear order."""

from glue.agents.router.commands import COMMANDS, DESTRUCTIVE, NONE, READ_ONLY
from glue.agents.router.routing import RoutedCommand, route

__all__ = ["COMMANDS", "DESTRUCTIVE", "NONE", "READ_ONLY", "RoutedCommand", "route"]
