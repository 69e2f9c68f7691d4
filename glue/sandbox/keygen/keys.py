"""The account's keys: made once per state folder; they sign answers, webhooks, license keys and files."""

import base64
import hashlib
import json
import secrets
import uuid
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALGORITHMS = ("ed25519", "rsa-pss-sha256", "rsa-sha256")


class AccountKeys:
    """Who the account is (id, administrator) and what it signs with. Survives a reset; forgotten only with the folder."""

    def __init__(self, folder: Path | None) -> None:
        file = folder / "account.json" if folder else None
        if file and file.exists():
            kept: dict[str, str] = json.loads(file.read_text())
        else:
            kept = _new_account()
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(kept))
                file.chmod(0o600)
        self.account_id, self.admin_id = kept["account_id"], kept["admin_id"]
        self.admin_email, self.admin_password = kept["admin_email"], kept["admin_password"]
        ed25519 = serialization.load_pem_private_key(kept["ed25519"].encode(), None)
        rsa2048 = serialization.load_pem_private_key(kept["rsa2048"].encode(), None)
        if not isinstance(ed25519, Ed25519PrivateKey) or not isinstance(rsa2048, rsa.RSAPrivateKey):
            raise ValueError("account.json does not hold an Ed25519 and an RSA key")
        self._ed25519, self._rsa = ed25519, rsa2048

    def public(self) -> dict[str, str]:
        """As ``data.meta.keys`` of the account: base64 of the hexadecimal Ed25519 key, base64 of the RSA key's PEM."""
        raw = self._ed25519.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        pem = self._rsa.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return {"ed25519": base64.b64encode(raw.hex().encode()).decode(), "rsa2048": base64.b64encode(pem).decode()}

    def sign(self, algorithm: str, message: bytes) -> bytes:
        """Sign with one of ``ALGORITHMS``."""
        if algorithm == "ed25519":
            return self._ed25519.sign(message)
        if algorithm == "rsa-sha256":
            return self._rsa.sign(message, padding.PKCS1v15(), hashes.SHA256())
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
        return self._rsa.sign(message, pss, hashes.SHA256())

    def signature_headers(self, *, algorithm: str, method: str, target: str, host: str, now: datetime, body: bytes) -> dict[str, str]:
        """Date, digest and signature over an answer or a webhook; ``host`` is without port, ``target`` is path and query."""
        date = format_datetime(now, usegmt=True)
        digest = "sha-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
        text = f"(request-target): {method.lower()} {target}\nhost: {host}\ndate: {date}\ndigest: {digest}"
        signature = base64.b64encode(self.sign(algorithm, text.encode())).decode()
        header = f'keyid="{self.account_id}", algorithm="{algorithm}", signature="{signature}", headers="(request-target) host date digest"'
        return {"date": date, "digest": digest, "keygen-signature": header, "keygen-date": date, "keygen-digest": digest}


def _new_account() -> dict[str, str]:
    def pem(key: Any) -> str:
        text: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return text.decode()

    return {
        "account_id": str(uuid.uuid4()),
        "admin_id": str(uuid.uuid4()),
        "admin_email": "admin@glue.test",
        "admin_password": secrets.token_urlsafe(18),
        "ed25519": pem(Ed25519PrivateKey.generate()),
        "rsa2048": pem(rsa.generate_private_key(65537, 2048)),
    }
