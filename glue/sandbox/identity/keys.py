"""The realm's keys: RS256 for tokens that others read, HS512 for those that only we read. Made once per state folder."""

import base64
import hashlib
import json
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, RSAKey


class Keys:
    """Signs and reads the realm's tokens; also keeps the secret of the sandbox's own admin client."""

    def __init__(self, folder: Path | None) -> None:
        path = folder / "keys.json" if folder else None
        kept = json.loads(path.read_text()) if path and path.exists() else None
        if kept is None:
            kept = {"sign": _new_rsa(), "encrypt": _new_rsa(), "hmac": secrets.token_hex(64), "admin_secret": secrets.token_urlsafe(24)}
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(kept))
                path.chmod(0o600)
        self.admin_secret: str = kept["admin_secret"]
        self._sign, self._encrypt = RSAKey.import_key(kept["sign"]), RSAKey.import_key(kept["encrypt"])
        self._hmac = OctKey.import_key(kept["hmac"].encode())
        self.kid = self._sign.thumbprint()
        digest = hashlib.sha256(kept["hmac"].encode()).hexdigest()
        self._hmac_kid = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"

    def sign(self, claims: dict[str, Any], *, typ: str = "JWT") -> str:
        """An RS256 token, readable with the public keys."""
        return jwt.encode({"alg": "RS256", "typ": typ, "kid": self.kid}, claims, self._sign)

    def seal(self, claims: dict[str, Any]) -> str:
        """An HS512 token (refresh, action and cookie tokens), for ourselves."""
        return jwt.encode({"alg": "HS512", "typ": "JWT", "kid": self._hmac_kid}, claims, self._hmac, algorithms=["HS512"])

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of an RS256 token of ours, None when it is not one. Times are not looked at."""
        return self._decode(token, self._sign, "RS256")

    def unseal(self, token: str) -> dict[str, Any] | None:
        """The claims of an HS512 token of ours, None when it is not one. Times are not looked at."""
        return self._decode(token, self._hmac, "HS512")

    def _decode(self, token: str, key: RSAKey | OctKey, algorithm: str) -> dict[str, Any] | None:
        try:
            return jwt.decode(token, key, algorithms=[algorithm]).claims
        except (JoseError, ValueError):
            return None

    def public_key(self) -> str:
        """The signing key as Keycloak's realm page shows it: base64 of its DER form."""
        der = self._sign.public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def jwks(self) -> dict[str, Any]:
        """The public key set: one key to encrypt, one to sign."""
        return {"keys": [_public(self._encrypt, "RSA-OAEP", "enc"), _public(self._sign, "RS256", "sig")]}


def _new_rsa() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _public(key: RSAKey, algorithm: str, use: str) -> dict[str, Any]:
    certificate = _certificate(key)
    thumb = [base64.urlsafe_b64encode(digest(certificate).digest()).rstrip(b"=").decode() for digest in (hashlib.sha1, hashlib.sha256)]
    numbers = key.as_dict(private=False)
    return {
        "kid": key.thumbprint(),
        "kty": "RSA",
        "alg": algorithm,
        "use": use,
        "x5c": [base64.b64encode(certificate).decode()],
        "x5t": thumb[0],
        "x5t#S256": thumb[1],
        "n": numbers["n"],
        "e": numbers["e"],
    }


def _certificate(key: RSAKey) -> bytes:
    """A self-signed certificate of fixed dates and number, so that it is the same at every start."""
    private = key.private_key
    assert private, "only our own keys come here"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "glue")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(1)
    builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=3650))
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
