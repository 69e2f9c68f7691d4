"""``glue init``: a complete set of settings with fresh secrets. Nothing has a default that somebody else knows."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from glue.cli.printing import out

TEMPLATE = """\
# Settings of this installation; secrets were made by `glue init`. Keep this file private (it is readable by you only).
# Reference: docs/reference/settings.md
GLUE_PUBLIC_URL={public_url}
GLUE_DATABASE_URL=sqlite:///data/glue.db
GLUE_SECRET_KEYS=["{secret_1}"]
GLUE_KEYCLOAK__URL=https://login.example.com
GLUE_KEYCLOAK__SERVICE_CLIENT_SECRET={secret_2}
GLUE_KEYCLOAK__PORTAL_CLIENT_SECRET={secret_3}
GLUE_KEYCLOAK__API_CLIENT_SECRET={secret_4}
GLUE_KEYCLOAK__APPLY_CLIENT_SECRET={secret_5}
GLUE_LAGO__URL=https://billing.example.com
GLUE_LAGO__API_KEY={secret_6}
# Lago shows its HMAC key under Developers, Webhooks; put it here after its first start.
GLUE_LAGO__WEBHOOK_HMAC_KEYS=["{secret_7}"]
GLUE_KEYGEN__URL=https://licensing.example.com
GLUE_KEYGEN__HOST=licensing.example.com
GLUE_KEYGEN__ACCOUNT_ID={account}
GLUE_KEYGEN__ADMIN_EMAIL=admin@example.com
GLUE_KEYGEN__ADMIN_PASSWORD={secret_8}
GLUE_MAIL__HOST=smtp.example.com
GLUE_METRICS_TOKEN={secret_9}
GLUE_INSTALLER_KEY={secret_18}
"""


COMPOSE = """\
# Everything compose/compose.yaml needs; secrets were made by `glue init --compose`. Keep this file private.
DOMAIN={domain}
GLUE_SECRET_KEYS=["{secret_1}"]
GLUE_KEYCLOAK__SERVICE_CLIENT_SECRET={secret_2}
GLUE_KEYCLOAK__PORTAL_CLIENT_SECRET={secret_3}
GLUE_KEYCLOAK__API_CLIENT_SECRET={secret_4}
GLUE_KEYCLOAK__APPLY_CLIENT_SECRET={secret_5}
GLUE_LAGO__API_KEY={secret_6}
# Lago shows its HMAC key under Developers, Webhooks; put it here after its first start.
GLUE_LAGO__WEBHOOK_HMAC_KEYS=["{secret_7}"]
GLUE_KEYGEN__ACCOUNT_ID={account}
GLUE_KEYGEN__ADMIN_EMAIL=admin@{domain}
GLUE_KEYGEN__ADMIN_PASSWORD={secret_8}
GLUE_METRICS_TOKEN={secret_9}
GLUE_INSTALLER_KEY={secret_18}
GLUE_MAIL__HOST=smtp.{domain}
KEYGEN_ACCOUNT_ID={account}
KEYGEN_ADMIN_EMAIL=admin@{domain}
KEYGEN_ADMIN_PASSWORD={secret_8}
KEYGEN_SECRET_KEY_BASE={hex_1}
KEYGEN_ENCRYPTION_PRIMARY_KEY={secret_10}
KEYGEN_ENCRYPTION_DETERMINISTIC_KEY={secret_11}
KEYGEN_ENCRYPTION_KEY_DERIVATION_SALT={secret_12}
KEYCLOAK_BOOTSTRAP_SECRET={secret_13}
LAGO_SECRET_KEY_BASE={hex_2}
LAGO_RSA_PRIVATE_KEY={rsa}
LAGO_ENCRYPTION_PRIMARY_KEY={secret_14}
LAGO_ENCRYPTION_DETERMINISTIC_KEY={secret_15}
LAGO_ENCRYPTION_KEY_DERIVATION_SALT={secret_16}
LAGO_ADMIN_EMAIL=admin@{domain}
LAGO_ADMIN_PASSWORD={secret_17}
POSTGRES_PASSWORD={hex_3}
GLUE_DB_PASSWORD={hex_4}
LAGO_DB_PASSWORD={hex_5}
KEYGEN_DB_PASSWORD={hex_6}
KEYCLOAK_DB_PASSWORD={hex_7}
REDIS_PASSWORD={hex_8}
"""


def command(
    file: Annotated[Path, typer.Argument(help="File to write.")] = Path("glue.env"),
    compose: Annotated[bool, typer.Option("--compose", help="Write what compose/compose.yaml needs instead.")] = False,
    domain: Annotated[str, typer.Option(help="Domain below which the compose stack's names lie.")] = "example.com",
    public_url: Annotated[str, typer.Option(help="Address at which people will reach the portal.")] = "https://portal.example.com",
) -> None:
    """Write an environment file with fresh secrets. An existing file is never replaced."""
    import uuid

    made = {f"secret_{number}": secrets.token_urlsafe(32) for number in range(1, 19)}
    # Passwords inside connection addresses hold hexadecimal digits only; nothing needs quoting.
    made |= {f"hex_{number}": secrets.token_hex(32) for number in range(1, 9)}
    made["rsa"] = _rsa_key() if compose else ""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        out.print(f"{file} is there already and stays as it is. Remove it, or name another file.")
        raise typer.Exit(3) from None
    with os.fdopen(descriptor, "w") as stream:
        stream.write((COMPOSE if compose else TEMPLATE).format(public_url=public_url, domain=domain, account=uuid.uuid4(), **made))
    out.print(f"Wrote {file} (readable by you only). Put your addresses in, then run `glue doctor`.")


def _rsa_key() -> str:
    """Lago wants base64 of a PEM on one line."""
    import base64

    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return base64.b64encode(pem).decode()
