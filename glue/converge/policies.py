"""Keygen's ids of the declared policies, found by the name that `glue apply` wrote into their metadata."""

from threading import Lock
from time import monotonic

from glue.errors import UpstreamError
from glue.upstream.keygen import Keygen

FRESH_SECONDS = 60
RETRY_SECONDS = 5


class PolicyBook:
    """Remembers the ids for a minute; an incomplete list is asked for again after seconds."""

    def __init__(self, keygen: Keygen, *, product: str, expected: frozenset[str]) -> None:
        self._keygen = keygen
        self._product = product
        self._expected = expected
        self._ids: dict[str, str] = {}
        self._read_at = float("-inf")
        self._lock = Lock()

    def ids(self) -> dict[str, str]:
        """Declared policy → id. What is known stays known while Keygen does not answer."""
        with self._lock:
            age = monotonic() - self._read_at
            if age > (FRESH_SECONDS if self._expected <= self._ids.keys() else RETRY_SECONDS):
                self._read_at = monotonic()
                try:
                    self._ids = self._ids | self._read()
                except UpstreamError:
                    # Whoever needs one that is missing is told so by a finding; the license itself is read by its own call.
                    return self._ids
            return self._ids

    def _read(self) -> dict[str, str]:
        product = self._keygen.find_product(self._product)
        if product is None:
            return {}
        rows = self._keygen.list_policies(str(product["id"]))
        return {row["metadata"]["policy"]: str(row["id"]) for row in rows if (row.get("metadata") or {}).get("policy")}
