"""Names that join the three systems, all derived from one tenant id.

The tenant id is the organization's alias in Keycloak, the customer's ``external_id`` in Lago and part of the
license's id in Keygen.
"""

import hashlib
import re
import secrets
import uuid
from datetime import datetime
from typing import NewType

from glue.errors import BadInput

TenantId = NewType("TenantId", str)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: sortable, no letters that look alike
_SHAPE = re.compile(r"t[0-9a-hjkmnp-tv-z]{14}")


def new_tenant_id(now: datetime) -> TenantId:
    """A fresh id: ``t``, nine characters of time in milliseconds, five of chance. Ids sort by their making."""
    chance = "".join(secrets.choice(_ALPHABET) for _ in range(5))
    return TenantId("t" + _base32(int(now.timestamp() * 1000), digits=9) + chance)


def parse_tenant_id(text: str) -> TenantId:
    """Accept ``text`` as a tenant id. Raises BadInput: other strings are dangerous in Lago's paths (a dot cuts them)."""
    if not _SHAPE.fullmatch(text):
        raise BadInput("This is not a tenant id.", field="tenant", expected="t and fourteen lower-case letters or digits")
    return TenantId(text)


def subscription_external_id(tenant: TenantId) -> str:
    """Lago's ``external_id`` of the tenant's one subscription, kept over upgrades and downgrades."""
    return f"sub-{tenant}"


def license_id(tenant: TenantId, product: str, generation: int) -> str:
    """Keygen's id of a tenant's license: name-based, in the shape of UUID version 4 (Keygen 1.5.1 takes no other)."""
    digest = hashlib.sha256(f"license/{tenant}/{product}/{generation}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def organization_name(display_name: str, tenant: TenantId) -> str:
    """Keycloak wants unique names and shows them in pickers and mails: the display name and the id's tail."""
    return f"{display_name} · {tenant[-4:]}"


def _base32(number: int, *, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, rest = divmod(number, 32)
        text = _ALPHABET[rest] + text
    return text
