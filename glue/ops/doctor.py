"""Looks at an installation and says how to mend what is wrong: versions, settings, keys, database, clocks, upstreams."""

import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from glue.clock import Clock
from glue.db import Database
from glue.errors import GlueError
from glue.ops import schema
from glue.settings import Settings, unknown_names


@dataclass(frozen=True)
class Finding:
    """``level`` is ok, warning or error; ``mend`` says what to do."""

    subject: str
    level: str
    detail: str
    mend: str = ""


def examine(settings: Settings, environ: dict[str, str], *, clock: Clock, pins: dict[str, Callable[[], str]]) -> Iterator[Finding]:
    """All findings, one by one. ``pins`` maps each upstream to a call that reads its identity."""
    yield _python()
    yield _sqlite()
    for name in unknown_names(environ):
        yield Finding(
            f"setting {name}", "warning", "Nothing reads this variable.", "Correct its spelling (docs/reference/settings.md) or remove it."
        )
    yield from _database(settings)
    yield _disk(settings)
    for name, read in pins.items():
        yield _upstream(name, read)
    for name, url in (("keycloak", settings.keycloak.url), ("lago", settings.lago.url), ("keygen", settings.keygen.url)):
        yield _clock(name, url, clock)
    yield _keys(settings)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return Finding("python", "ok" if good else "error", version, "" if good else "Install Python 3.11 or newer.")


def _sqlite() -> Finding:
    # 3.51.3 and the backports 3.44.6 and 3.50.7 mend a race that can corrupt a WAL database; we write from one process only.
    good = sqlite3.sqlite_version_info >= (3, 35)
    return Finding("sqlite", "ok" if good else "error", sqlite3.sqlite_version, "" if good else "SQLite 3.35 or newer is needed.")


def _database(settings: Settings) -> Iterator[Finding]:
    for meter in (False, True):
        name = "metering store" if meter else "main store"
        try:
            database = Database(settings.database_url, meter=meter)
            missing = schema.differences(database, meter=meter)
            database.close()
        except Exception as error:  # noqa: BLE001 whatever a driver raises is the finding
            yield Finding(name, "error", f"It cannot be opened: {error}", "Check GLUE_DATABASE_URL, the server and its rights.")
            continue
        if missing:
            yield Finding(
                name, "warning", f"{len(missing)} tables or columns are missing.", "They are made at the next start of `glue serve`."
            )
        else:
            yield Finding(name, "ok", "up to date")


def _disk(settings: Settings) -> Finding:
    folder = Path(settings.database_url.removeprefix("sqlite:///")).parent if settings.database_url.startswith("sqlite") else Path()
    free = shutil.disk_usage(folder if folder.exists() else Path()).free // 2**20
    low = free < 1024
    return Finding("disk", "warning" if low else "ok", f"{free} MiB free", "Less than 1 GiB: make room." if low else "")


def _upstream(name: str, read: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", read())
    except GlueError as error:
        return Finding(
            name, "error", error.detail, error.remedy or f"Check GLUE_{name.upper()}__URL and its secrets, and that {name} runs."
        )


def _clock(name: str, url: str, clock: Clock) -> Finding:
    try:
        answer = httpx.get(url, timeout=5)
        there = parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return Finding(f"clock of {name}", "ok", "it tells no time")
    apart = min(abs(there - clock.wall()), abs(there - clock.now()))
    good = apart < timedelta(seconds=30)
    return Finding(
        f"clock of {name}",
        "ok" if good else "error",
        f"{apart.total_seconds():.0f} s apart",
        "" if good else "Keep both machines' clocks by NTP.",
    )


def _keys(settings: Settings) -> Finding:
    if len(settings.secret_keys[0].get_secret_value()) < 32:
        return Finding("keys", "warning", "The signing key is short.", "`glue init` makes one of 43 characters.")
    return Finding("keys", "ok", f"{len(settings.secret_keys)} signing, {len(settings.lago.webhook_hmac_keys)} webhook")
