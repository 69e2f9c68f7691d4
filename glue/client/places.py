"""Where the client keeps what it keeps, by the XDG rules on every system. What is secret is readable by its owner only."""

import json
import os
from pathlib import Path
from typing import Any


class WrongUse(Exception):
    """Something has to be given first."""


def config_file() -> Path:
    """Where the settings are: ``$XDG_CONFIG_HOME/coditect/config.json``, readable by you only."""
    return _home("XDG_CONFIG_HOME", ".config") / "config.json"


def license_file() -> Path:
    return config_file().with_name("license.lic")


def state_folder() -> Path:
    """``$XDG_STATE_HOME/coditect``: usage not told yet, what an installation has reached."""
    return _home("XDG_STATE_HOME", ".local/state")


def data_folder() -> Path:
    """``$XDG_DATA_HOME/coditect``: the environment that the command runs in."""
    return _home("XDG_DATA_HOME", ".local/share")


def launcher() -> Path:
    """The command itself, in the folder for a user's own programs."""
    return Path.home() / ".local" / "bin" / ("coditect.cmd" if os.name == "nt" else "coditect")


def read_settings(file: Path | None = None) -> dict[str, Any]:
    """What ``config.json`` (or ``file``) holds; empty when there is none."""
    try:
        settings = json.loads((file or config_file()).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return dict(settings) if isinstance(settings, dict) else {}


def write_private(file: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file at once and whole."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    swap = file.with_name(f".{file.name}.swap")
    with os.fdopen(os.open(swap, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    swap.replace(file)


def _home(variable: str, otherwise: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / otherwise) / "coditect"
