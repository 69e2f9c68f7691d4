"""A rate limit in memory: the generic cell rate algorithm, one number an address."""

from collections import OrderedDict


class Rate:
    """``burst`` at once, then ``per_second``. Bounded: the address unseen for longest is forgotten first."""

    def __init__(self, *, per_second: float, burst: int, most_addresses: int = 10_000) -> None:
        self._step = 1 / per_second
        self._slack = burst / per_second
        self._most = most_addresses
        self._due: OrderedDict[str, float] = OrderedDict()

    def allows(self, address: str, now: float) -> bool:
        """Whether the address may try at ``now`` (seconds); asking costs nothing."""
        return max(0.0, self._due.get(address, now) - now) + self._step <= self._slack

    def spend(self, address: str, now: float) -> None:
        """Count one try."""
        self._due[address] = max(self._due.get(address, now), now) + self._step
        self._due.move_to_end(address)
        if len(self._due) > self._most:
            self._due.popitem(last=False)
