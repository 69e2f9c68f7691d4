"""Requests that must not be lost: written down before they are sent, sent again with the same key, never counted twice."""

import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glue.client.errors import Refused
from glue.client.places import state_folder

MOST_FACTS = 500  # in one request
_ABOUT_THE_REQUEST = {400, 404, 409, 413, 422}


@dataclass(frozen=True)
class Kept:
    """One request; ``key`` makes repeating it harmless. Facts of usage have a key each as well."""

    path: str
    body: Any
    key: str


class Spool:
    """A folder of requests (default: ``$XDG_STATE_HOME/coditect/usage``). Safe for several processes.

    What the service can never take moves to ``refused`` beside them, with the reason; the rest goes on.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder() / "usage"

    def keep(self, request: Kept) -> Path:
        """On disk when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        swap = self.folder / f".{name}"
        with swap.open("x", encoding="utf-8") as stream:
            json.dump(asdict(request), stream)
            stream.flush()
            os.fsync(stream.fileno())
        file = swap.rename(self.folder / f"{name}.json")
        _sync_folder(self.folder)
        return file

    def waiting(self) -> list[Path]:
        """What is still to be told, oldest first."""
        return sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []

    def refused(self) -> list[Path]:
        return sorted((self.folder / "refused").glob("*.json"))

    def tell(self, send: Callable[[Kept], object]) -> dict[Path, Refused]:
        """Send everything, oldest first, usage joined to larger requests. Answers what was refused for good.

        Raises what says that the service, or our right to use it, is missing now: then the rest stays.
        """
        refused: dict[Path, Refused] = {}
        batch: list[tuple[Path, Kept]] = []
        for file in self.waiting():
            try:
                request = Kept(**json.loads(file.read_text(encoding="utf-8")))
            except FileNotFoundError:
                continue  # another process told it
            joins = isinstance(request.body, list)
            if batch and not (joins and sum(len(kept.body) for _, kept in batch) + len(request.body) <= MOST_FACTS):
                refused |= self._tell_batch(batch, send)
                batch = []
            batch.append((file, request))
            if not joins:
                refused |= self._tell_batch(batch, send)
                batch = []
        return refused | (self._tell_batch(batch, send) if batch else {})

    def _tell_batch(self, batch: list[tuple[Path, Kept]], send: Callable[[Kept], object]) -> dict[Path, Refused]:
        first = batch[0][1]
        joined = first if len(batch) == 1 else Kept(first.path, [fact for _, kept in batch for fact in kept.body], secrets.token_hex(16))
        try:
            send(joined)
        except Refused as error:
            if error.status not in _ABOUT_THE_REQUEST:
                raise
            if len(batch) > 1:  # one of them cannot be taken: alone they show which
                return {file: why for entry in batch for file, why in self._tell_batch([entry], send).items()}
            self._set_aside(batch[0][0], error)
            return {batch[0][0]: error}
        for file, _ in batch:
            file.unlink(missing_ok=True)
        return {}

    def _set_aside(self, file: Path, error: Refused) -> None:
        aside = self.folder / "refused"
        aside.mkdir(exist_ok=True, mode=0o700)
        (aside / f"{file.stem}.reason").write_text(str(error), encoding="utf-8")
        file.rename(aside / file.name)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
