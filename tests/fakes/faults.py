"""What can go wrong with a system: not answering, doing it and not saying so, refusing."""

from collections import Counter

from glue.errors import UpstreamRefused, UpstreamUnavailable

ALL = "*"


class Faults:
    """Operations by name; ``*`` is every operation. ``calls`` counts what was asked, refused or not."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.calls: Counter[str] = Counter()
        self.silent: set[str] = set()  # no answer, nothing done
        self.lying: Counter[str] = Counter()  # done, but the answer is lost; so many times
        self.refusing: set[str] = set()
        self.ignoring: set[str] = set()  # answered, nothing done

    def enter(self, operation: str) -> None:
        self.calls[operation] += 1
        if {operation, ALL} & self.silent:
            raise UpstreamUnavailable("does not answer", upstream=self.upstream, operation=operation)
        if operation in self.refusing:
            raise UpstreamRefused("refused", upstream=self.upstream, operation=operation, codes=())

    def leave(self, operation: str) -> None:
        if self.lying[operation] > 0:
            self.lying[operation] -= 1
            raise UpstreamUnavailable("cut off", upstream=self.upstream, operation=operation)

    def ignores(self, operation: str) -> bool:
        return operation in self.ignoring
