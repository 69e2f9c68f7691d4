"""Lago: customers, subscriptions, invoices, usage, wallets and what files declare. Thread-safe; errors from one tree."""

from glue.upstream.lago.customers import Customers
from glue.upstream.lago.declared import Declared
from glue.upstream.lago.invoices import Invoices
from glue.upstream.lago.subscriptions import ALL_STATUSES, Subscriptions
from glue.upstream.lago.usage import SendResult, Usage, UsageEvent
from glue.upstream.lago.wallets import Wallets

__all__ = ["ALL_STATUSES", "Lago", "SendResult", "UsageEvent"]


class Lago(Customers, Subscriptions, Invoices, Usage, Wallets, Declared):
    """Everything we ask Lago. Build one per process."""
