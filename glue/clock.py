"""Two clocks: business time, which sandboxes may move, and the wall, which nobody moves. Imports nothing of glue.

``now`` is for periods, trials, grace, licenses and holds; ``wall`` for tokens, sessions, time-outs, leases and
logs. In production they are the same.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Protocol


class Clock(Protocol):
    """Source of both times, always in UTC."""

    def now(self) -> datetime:
        """Business time."""
        ...

    def wall(self) -> datetime:
        """Real time."""
        ...


class SystemClock:
    """Production: both clocks are the wall clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wall(self) -> datetime:
        return datetime.now(UTC)


class SharedClock:
    """Beside sandboxes: business time is the wall plus the offset (seconds, decimal text) in a shared file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = timedelta()
        self._read_at = -1.0

    def now(self) -> datetime:
        if monotonic() - self._read_at > 0.05:
            self._read_at = monotonic()
            text = self._file.read_text() if self._file.exists() else ""
            self._offset = timedelta(seconds=float(text or 0))
        return datetime.now(UTC) + self._offset

    def wall(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """Tests: stands still until told to move; both clocks agree unless ``wall`` is given."""

    def __init__(self, now: datetime, wall: datetime | None = None) -> None:
        self._now = now
        self._wall = wall

    def now(self) -> datetime:
        return self._now

    def wall(self) -> datetime:
        return self._wall or self._now

    def advance(self, **by: float) -> None:
        """Move both clocks by ``timedelta(**by)``."""
        self._now += timedelta(**by)
        if self._wall is not None:
            self._wall += timedelta(**by)
