"""Starts programs of ours that print one line of JSON when they are ready, and stops them again, whatever happens."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glue.errors import Unavailable

Ready = dict[str, Any]


class Process:
    """One running program. Its output goes to ``log``; ``ready`` is the JSON line it printed."""

    def __init__(
        self, name: str, words: list[str], *, log: Path, environ: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start ``glue WORDS``. Raises nothing yet: call ``wait_ready``."""
        self.name = name
        self.log = log
        self.ready: Ready = {}
        self._line = ""
        self._answered = threading.Event()
        log.parent.mkdir(parents=True, exist_ok=True)
        self._output = log.open("wb")
        self._popen = subprocess.Popen(  # noqa: S603 our own program
            [sys.executable, "-m", "glue", *words],
            stdout=subprocess.PIPE,
            stderr=self._output,
            stdin=subprocess.DEVNULL,
            env=dict(os.environ if environ is None else environ),
            cwd=cwd,
            # Ctrl-C reaches the whole terminal group: only the parent may react, and it stops the rest in order.
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True, name=f"{name}-output").start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def wait_ready(self, seconds: float = 60) -> Ready:
        """The ready line. Raises Unavailable with the end of the log when the program ends or stays silent."""
        deadline = time.monotonic() + seconds
        while not self._answered.wait(0.05):
            if not self.running or time.monotonic() > deadline:
                said = self._tail()
                self.stop()
                raise Unavailable(f"{self.name} did not start: {said}", remedy=f"The whole log is {self.log}.")
        return self.ready

    def stop(self, seconds: float = 30) -> None:
        """Ask it to stop, wait, and end its group if it does not."""
        if self.running:
            self._popen.terminate()
            try:
                self._popen.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self._popen.pid, signal.SIGKILL)
                self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()
        self._output.close()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def _read(self) -> None:
        stream = self._popen.stdout
        if stream is None:
            return
        try:
            for raw in stream:
                if not self.ready and raw.startswith(b"{"):
                    self.ready = json.loads(raw)
                    self._answered.set()
                else:
                    self._output.write(raw)
                    self._output.flush()
        except ValueError:
            return  # closed while stopping

    def _tail(self) -> str:
        self._output.flush()
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])[-600:] or "it said nothing"
