"""What this machine is known by: a digest of its own ids, the same after every start, telling nobody the ids themselves."""

import hashlib
import platform
import uuid
from pathlib import Path


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
    return f"{uuid.getnode():012x}"
