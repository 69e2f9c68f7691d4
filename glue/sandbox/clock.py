"""The virtual clock: real time plus an offset, shared by all sandboxes (and by glue) through one small file."""

from datetime import UTC, datetime, timedelta
from pathlib import Path


class VirtualClock:
    """Tells the sandboxes' time: the wall clock plus an offset in seconds.

    With a ``file`` the offset lives there as decimal text, so that several processes agree; whoever moves the
    clock writes it. Without one the offset is this process's own.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._offset = 0.0
        self._mtime_ns = -1

    @property
    def offset_seconds(self) -> float:
        """Seconds by which this clock is ahead of the wall clock (negative: behind)."""
        if self._file is not None:
            try:
                mtime_ns = self._file.stat().st_mtime_ns
                if mtime_ns != self._mtime_ns:
                    self._offset, self._mtime_ns = float(self._file.read_text() or 0), mtime_ns
            except FileNotFoundError:
                self._offset = 0.0
        return self._offset

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds)

    def set(self, instant: datetime) -> None:
        """Move to ``instant``, in either direction; time goes on from there."""
        self._offset = (instant - datetime.now(UTC)).total_seconds()
        if self._file is not None:
            swap = self._file.with_suffix(".swap")
            swap.write_text(repr(self._offset))
            swap.replace(self._file)


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 instant; without an offset it is UTC. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
