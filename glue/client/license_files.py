"""License files, checked without network: an Ed25519 signature over what the file says (keygen.sh/docs/api/cryptography)."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from glue.client.errors import BadLicenseFile
from glue.client.genuine import is_signed

_KINDS = {"LICENSE FILE": "license", "MACHINE FILE": "machine"}
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class LicenseFacts:
    """What a good file says. ``fingerprint`` is empty in a file of the license; instants are UTC."""

    kind: str
    id: str
    fingerprint: str
    issued_at: datetime
    expires_at: datetime | None
    data: Mapping[str, Any]


def verify_license_file(text: str, *, public_key: bytes | str, now: datetime, fingerprint: str = "") -> LicenseFacts:
    """Check signature, algorithm, dates and, when given, the machine. Raises BadLicenseFile.

    ``public_key`` is 32 bytes, or their base64.
    """
    kind, envelope = _open(text)
    if envelope.get("alg") != "base64+ed25519":
        raise BadLicenseFile(f"The file is signed by {envelope.get('alg')}, base64+ed25519 is expected.")
    encoded = str(envelope.get("enc", ""))
    try:
        key = base64.b64decode(public_key) if isinstance(public_key, str) else public_key
        signature = base64.b64decode(str(envelope.get("sig", "")), validate=True)
        if not _is_signed(key, f"{kind}/{encoded}".encode(), signature):
            raise BadLicenseFile("The signature does not fit the file.")
        content = json.loads(base64.b64decode(encoded, validate=True))
        data, meta = content["data"], content["meta"]
        issued_at = datetime.fromisoformat(meta["issued"])
        expires_at = datetime.fromisoformat(meta["expiry"]) if meta.get("expiry") else None
        attributes = data["attributes"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise BadLicenseFile("The file is broken.") from error
    if issued_at > now + _SKEW:
        raise BadLicenseFile("The file is from the future: compare this machine's clock.")
    if expires_at is not None and expires_at <= now:
        raise BadLicenseFile(f"The file was good until {expires_at:%Y-%m-%d %H:%M} UTC; get a new one.")
    own = str(attributes.get("fingerprint", "")) if kind == "machine" else ""
    if fingerprint and kind == "machine" and own != fingerprint:
        raise BadLicenseFile("The file is of another machine.")
    if attributes.get("suspended") or str(attributes.get("status", "")).upper() in {"SUSPENDED", "BANNED"}:
        raise BadLicenseFile("The license was suspended when the file was made.")
    return LicenseFacts(kind, str(data["id"]), own, issued_at, expires_at, data)


def _is_signed(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:  # the installed command has no compiled parts; this takes 7 ms instead of 0.1
        return is_signed(public_key, message, signature)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _open(text: str) -> tuple[str, dict[str, Any]]:
    lines = text.strip().splitlines()
    for title, kind in _KINDS.items():
        if len(lines) > 2 and lines[0] == f"-----BEGIN {title}-----" and lines[-1] == f"-----END {title}-----":
            try:
                envelope = json.loads(base64.b64decode("".join(lines[1:-1]), validate=True))
            except (binascii.Error, ValueError) as error:
                raise BadLicenseFile("The file is broken.") from error
            if isinstance(envelope, dict):
                return kind, envelope
    raise BadLicenseFile("This is no license file.")
