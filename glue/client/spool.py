"""Usage that could not be told yet: kept in a file of its own each, told again with the same key, never lost and never doubled."""

import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Fact = dict[str, Any]


class Spool:
    """A folder of facts (default: ``$XDG_STATE_HOME/coditect/usage``). Safe for several processes."""

    def __init__(self, folder: Path | None = None) -> None:
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        self.folder = folder or state / "coditect" / "usage"

    def keep(self, facts: list[Fact]) -> None:
        """On disk when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        swap = self.folder / f".{name}"
        with swap.open("x", encoding="utf-8") as stream:
            json.dump(facts, stream)
            stream.flush()
            os.fsync(stream.fileno())
        swap.rename(self.folder / f"{name}.json")

    def tell(self, send: Callable[[list[Fact]], None]) -> int:
        """Send what is kept, oldest first, and forget what was taken; stops at the first error. Returns how many facts went."""
        told = 0
        for file in self.files():
            try:
                facts = json.loads(file.read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue  # another process told it
            send(facts)
            file.unlink(missing_ok=True)
            told += len(facts)
        return told

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []
