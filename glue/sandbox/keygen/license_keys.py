"""License keys: random ones, and signed ones that carry their own facts."""

import base64
import json
import secrets

from glue.sandbox.keygen.account import Account, Row

_SIGNERS = {"ED25519_SIGN": "ed25519", "RSA_2048_PKCS1_SIGN_V2": "rsa-sha256", "RSA_2048_PKCS1_PSS_SIGN_V2": "rsa-pss-sha256"}
_JWT_HEADER = b'{"alg":"RS256"}'
# Which file algorithm goes with a scheme.
FILE_SIGNERS = _SIGNERS | {"RSA_2048_JWT_RS256": "rsa-sha256"}


def make_key(account: Account, license_row: Row, policy: Row, template: str | None) -> str:
    """The key of a new license. With a scheme it is signed once and for ever; ``template`` may hold ``{{id}}``, ``{{expiry}}`` and so on."""
    scheme = policy["scheme"]
    if scheme is None:
        return template or _random_key()
    payload = _fill(template, account, license_row, policy) if template else _default_payload(account, license_row, policy)
    if scheme == "RSA_2048_JWT_RS256":
        body = f"{_url64(_JWT_HEADER)}.{_url64(payload.encode())}".replace("=", "")
        return f"{body}.{_url64(account.keys.sign('rsa-sha256', body.encode())).replace('=', '')}"
    body = f"key/{_url64(payload.encode())}"
    return f"{body}.{_url64(account.keys.sign(_SIGNERS[scheme], body.encode()))}"


def _random_key() -> str:
    digits = secrets.token_hex(15).upper()
    return "-".join(digits[at : at + 6] for at in range(0, 30, 6)) + "-V3"


def _fill(template: str, account: Account, license_row: Row, policy: Row) -> str:
    owner = account.get("users", license_row["owner"])
    values = {
        "account": account.id,
        "product": policy["product"],
        "policy": policy["id"],
        "user": license_row["owner"] or "",
        "email": owner["email"] if owner else "",
        "created": license_row["created"],
        "expiry": license_row["expiry"] or "",
        "duration": policy["duration"] or "",
        "id": license_row["id"],
    }
    for name, value in values.items():
        template = template.replace("{{" + name + "}}", str(value))
    return template


def _default_payload(account: Account, license_row: Row, policy: Row) -> str:
    owner = account.get("users", license_row["owner"])
    facts = {
        "account": {"id": account.id},
        "product": {"id": policy["product"]},
        "policy": {"id": policy["id"], "duration": policy["duration"]},
        "user": {"id": owner["id"], "email": owner["email"]} if owner else None,
        "license": {"id": license_row["id"], "created": license_row["created"], "expiry": license_row["expiry"]},
    }
    return json.dumps(facts, separators=(",", ":"))


def _url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()
