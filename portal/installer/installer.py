"""What is served: scripts with the key and checksum pinned in them, the signed bundle, and one to carry to a machine without network."""

import base64
import json
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import glue
from portal.installer.bundle import NAME, Bundle, pack, sign, tar

HERE = Path(__file__).parent
CARRIED = "offline.json"


class Installer:
    """One per process. The bundle is made when it is first asked for, in a fraction of a second."""

    def __init__(self, key: str, *, url: str) -> None:
        """``key`` is a seed of 32 bytes in base64 (the URL-safe one), ``url`` the portal's address."""
        self._key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)))
        self._url = url

    @cached_property
    def bundle(self) -> Bundle:
        return pack(self._key)

    @property
    def public_key(self) -> str:
        """Base64 of 32 bytes."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    @property
    def public_key_pem(self) -> str:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def script(self, name: str) -> str:
        """``install.sh`` or ``install.ps1``, ready to run."""
        checker = Path(str(glue.__file__)).parent / "client" / "genuine.py"
        pinned = {"URL": self._url, "VERSION": self.bundle.version, "SHA256": self.bundle.sha256, "PUBLIC_KEY": self.public_key}
        text = (HERE / name).read_text(encoding="utf-8")
        for word, value in (pinned | {"CHECKER": checker.read_text(encoding="utf-8").rstrip()}).items():
            text = text.replace(f"@{word}@", value)
        return text

    def files(self) -> dict[str, bytes]:
        """What lies below the bundle's address, by name."""
        checksum = f"{self.bundle.sha256}  {NAME}\n"
        return {NAME: self.bundle.content, f"{NAME}.sha256": checksum.encode(), f"{NAME}.sig": self.bundle.signature.encode()}

    def offline(self, *, certificate: str, license_public_key: bytes) -> bytes:
        """Bundle, license file and the key that proves it, in one archive; both parts are signed."""
        carried = json.dumps(
            {"url": self._url, "public_key": base64.b64encode(license_public_key).decode(), "certificate": certificate}
        ).encode()
        signed = {
            CARRIED: carried,
            f"{CARRIED}.sha256": sha256(carried).hexdigest().encode(),
            f"{CARRIED}.sig": sign(self._key, carried).encode(),
        }
        scripts = {name: self.script(name).encode() for name in ("install.sh", "install.ps1")}
        return tar(self.files() | signed | scripts)
