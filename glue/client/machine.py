"""What this machine is known by: a digest of its own ids, the same after every start, telling nobody the ids themselves."""

import hashlib
import platform
import uuid
from pathlib import Path

from glue.client.places import state_folder, write_private

_MADE_UP = 1 << 40  # no network card was found, the number is a new one in every process


def fingerprint() -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(f"coditect/{_own_id()}/{platform.system()}/{platform.machine()}".encode()).hexdigest()


def machine_name() -> str:
    return platform.node()[:100] or "machine"


def platform_name() -> str:
    return f"{platform.system().lower()} {platform.machine()}"[:100]


def _own_id() -> str:
    for file in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            text = Path(file).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text:
            return text
    node = uuid.getnode()
    return f"{node:012x}" if not node & _MADE_UP else _kept_id()


def _kept_id() -> str:
    """An id made once: a machine that has none of its own must still be the same one tomorrow."""
    file = state_folder() / "machine-id"
    if not file.exists():
        write_private(file, uuid.uuid4().hex)
    return file.read_text(encoding="ascii")
