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
"""


def command(
    file: Annotated[Path, typer.Argument(help="File to write.")] = Path("glue.env"),
    public_url: Annotated[str, typer.Option(help="Address at which people will reach the portal.")] = "https://portal.example.com",
) -> None:
    """Write an environment file with fresh secrets. An existing file is never replaced."""
    import uuid

    made = {f"secret_{number}": secrets.token_urlsafe(32) for number in range(1, 10)}
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        out.print(f"{file} is there already and stays as it is. Remove it, or name another file.")
        raise typer.Exit(3) from None
    with os.fdopen(descriptor, "w") as stream:
        stream.write(TEMPLATE.format(public_url=public_url, account=uuid.uuid4(), **made))
    out.print(f"Wrote {file} (readable by you only). Put your addresses in, then run `glue doctor`.")
