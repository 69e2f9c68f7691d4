"""The bundle: wheels of the client and of what it needs, made from what is installed here, so that a machine needs no package index.

Equal code makes equal bytes: several hosts serve one bundle under one signature.
"""

import base64
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import glue
from glue.errors import ConfigInvalid

NAME = "coditect.tar.gz"
NEEDS = "httpx"  # everything the client imports beside the standard library
_NOT_PACKED = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Bundle:
    """``signature`` is base64 of 64 bytes over ``content``; ``version`` names exactly these bytes."""

    content: bytes
    sha256: str
    signature: str
    version: str


def pack(key: Ed25519PrivateKey) -> Bundle:
    """Make and sign the bundle. Raises ConfigInvalid when something the client needs has compiled parts."""
    release = metadata.version("coditect-glue")
    wheels = dict(_wheel_of(distribution) for distribution in _needed(NEEDS))
    wheels |= dict([_own_wheel(release)])
    content = tar(wheels)
    digest = hashlib.sha256(content).hexdigest()
    return Bundle(content, digest, sign(key, content), f"{release}-{digest[:12]}")


def sign(key: Ed25519PrivateKey, content: bytes) -> str:
    return base64.b64encode(key.sign(content)).decode()


def tar(files: Files) -> bytes:
    """A compressed archive whose bytes depend on names and contents only."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), 9, mtime=0)


def _needed(name: str) -> list[metadata.Distribution]:
    """``name`` and what it needs here, without extras."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [name]
    while waiting:
        distribution = metadata.distribution(waiting.pop())
        found[distribution.name] = distribution
        for requirement in distribution.requires or []:
            match = re.match(r"[\w.-]+", requirement)
            if match and "extra ==" not in requirement and match[0] not in found and _is_here(match[0]):
                waiting.append(match[0])
    return list(found.values())


def _is_here(name: str) -> bool:
    # Needed by older Pythons only: then it is not here, and not needed by any that can run the client.
    return any(True for _ in metadata.distributions(name=name))


def _wheel_of(distribution: metadata.Distribution) -> tuple[str, bytes]:
    if "Root-Is-Purelib: true" not in (distribution.read_text("WHEEL") or ""):
        raise ConfigInvalid(f"{distribution.name} has compiled parts and cannot be packed for every machine.")
    packed = [file for file in distribution.files or [] if not {"..", "__pycache__"} & set(file.parts) and file.name not in _NOT_PACKED]
    return _wheel(distribution.name, distribution.version, {str(file): Path(str(file.locate())).read_bytes() for file in packed})


def _own_wheel(release: str) -> tuple[str, bytes]:
    room = Path(str(glue.__file__)).parent
    sources = [room / "__init__.py", *sorted((room / "client").glob("*.py"))]
    info = f"coditect_client-{release}.dist-info"
    files = {str(source.relative_to(room.parent)): source.read_bytes() for source in sources}
    about = f"Metadata-Version: 2.1\nName: coditect-client\nVersion: {release}\nRequires-Python: >=3.11\nRequires-Dist: {NEEDS}\n"
    files[f"{info}/METADATA"] = about.encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: coditect-glue\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/entry_points.txt"] = b"[console_scripts]\ncoditect = glue.client.command:main\n"
    return _wheel("coditect-client", release, files)


def _wheel(name: str, version: str, files: Files) -> tuple[str, bytes]:
    stem = f"{re.sub(r'[-_.]+', '_', name)}-{version}"
    info = next(top for top in (path.partition("/")[0] for path in files) if top.endswith(".dist-info"))
    record = "".join(f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in sorted(files.items()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in [*sorted(files.items()), (f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode())]:
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return f"{stem}-py3-none-any.whl", packed.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
