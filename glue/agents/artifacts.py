"""Files that runs make: content by its digest in a folder of the tenant's, so that writing twice is writing once."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from glue.errors import Unavailable
from glue.rules.names import TenantId


class ArtifactStore:
    """``folder/tenant/ab/abcdef…``: what is there is complete and never changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, tenant: TenantId, content: bytes) -> str:
        """Keep ``content``; its digest (SHA-256, hex)."""
        digest = hashlib.sha256(content).hexdigest()
        place = self._place(tenant, digest)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=place.parent)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(place)
        return digest

    def get(self, tenant: TenantId, digest: str) -> bytes:
        """Raises Unavailable when the folder lost it."""
        try:
            return self._place(tenant, digest).read_bytes()
        except FileNotFoundError as error:
            raise Unavailable("This file is not in the store of this machine.", remedy="Restore the data folder from a backup.") from error

    def forget(self, tenant: TenantId) -> None:
        """Remove every file of the tenant."""
        shutil.rmtree(self._folder / tenant, ignore_errors=True)

    def _place(self, tenant: TenantId, digest: str) -> Path:
        return self._folder / tenant / digest[:2] / digest
