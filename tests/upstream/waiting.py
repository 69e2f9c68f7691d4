"""Waiting for what a server does a moment later."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], *, seconds: float = 10) -> None:
    """Return once ``condition`` holds; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
