"""Keygen: licenses, machines, signed files and what files declare. Thread-safe; errors from one tree."""

from glue.upstream.keygen.declared import PolicyEntitlements, WebhookEvent
from glue.upstream.keygen.machines import Machines

__all__ = ["Keygen", "WebhookEvent"]


class Keygen(PolicyEntitlements, Machines):
    """Everything we ask Keygen. Build one per process."""
