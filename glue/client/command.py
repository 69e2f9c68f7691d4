"""``coditect``: what a customer has on a machine: status, activate, deactivate, check, doctor.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused (the reason in words), 4 the service could not be reached.
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from glue.client.client import Client
from glue.client.errors import BadLicenseFile, ClientError, Refused, Unreachable
from glue.client.license_files import LicenseFacts, verify_license_file
from glue.client.machine import fingerprint, machine_name

app = typer.Typer(no_args_is_help=True, help="Your license on this machine.")
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Report = dict[str, Any]


def config_file() -> Path:
    """Where the settings are: ``$XDG_CONFIG_HOME/coditect/config.json``, readable by you only."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "coditect" / "config.json"


def license_file() -> Path:
    return config_file().with_name("license.lic")


@app.command()
def activate(
    url: Annotated[str, typer.Option(envvar="CODITECT_URL", help="Address of the portal.")] = "",
    key: Annotated[str, typer.Option(envvar="CODITECT_LICENSE_KEY", help="License key.")] = "",
    as_json: AsJson = False,
) -> None:
    """Give this machine a place of your plan and store a signed file that is good offline."""

    def work() -> Report:
        settings = _settings() | {name: value for name, value in (("url", url), ("license_key", key)) if value}
        if not settings.get("url") or not settings.get("license_key"):
            raise Refused({"detail": "An address and a license key are needed.", "remedy": "See --help.", "code": "bad_input"}, status=0)
        with Client(settings["url"], license_key=settings["license_key"]) as client:
            client.activate()
            file = client.license_file()
        _write(config_file(), json.dumps(settings | {"public_key": file.public_key}, indent=2))
        _write(license_file(), file.certificate)
        return {"machine": machine_name(), "fingerprint": fingerprint(), "good_until": file.expires_at}

    _report(work, as_json=as_json)


@app.command()
def status(as_json: AsJson = False) -> None:
    """What the stored file says; needs no network."""
    _report(lambda: _facts_report(_stored()), as_json=as_json)


@app.command()
def check(meter: str = "api_calls", units: float = 1, as_json: AsJson = False) -> None:
    """Ask whether so much may be used now. Exit code 3: it may not."""

    def work() -> Report:
        settings = _settings()
        with Client(settings.get("url", ""), license_key=settings.get("license_key", "")) as client:
            answer = client.check(meter, units)
        if not answer.get("allowed"):
            raise Refused({"detail": f"Not allowed: {answer.get('reason')}.", "code": "limit_reached", **answer}, status=200)
        return answer

    _report(work, as_json=as_json)


@app.command()
def deactivate(as_json: AsJson = False) -> None:
    """Free this machine's place and forget the file."""

    def work() -> Report:
        settings = _settings()
        with Client(settings.get("url", ""), license_key=settings.get("license_key", "")) as client:
            client.deactivate()
        license_file().unlink(missing_ok=True)
        return {"machine": machine_name(), "active": False}

    _report(work, as_json=as_json)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at settings, file, clock and connection, and say what to do."""
    findings: Report = {}
    failed = 0
    for name, look in (("settings", _look_at_settings), ("file", lambda: _facts_report(_stored())), ("connection", _look_at_connection)):
        try:
            findings[name] = look()
        except (ClientError, OSError, ValueError) as error:
            findings[name], failed = {"problem": str(error)}, 1
    _print(findings, as_json=as_json)
    raise typer.Exit(failed)


def _look_at_settings() -> Report:
    settings = _settings()
    if not settings:
        raise ValueError(f"There are no settings in {config_file()}: run `coditect activate`.")
    if config_file().stat().st_mode & 0o077:
        raise ValueError(f"{config_file()} can be read by others: chmod 600 it.")
    return {"file": str(config_file()), "url": settings.get("url")}


def _look_at_connection() -> Report:
    settings = _settings()
    with Client(settings.get("url", ""), license_key=settings.get("license_key", "")) as client:
        return {"standing": client.entitlements().get("standing")}


def _stored() -> LicenseFacts:
    settings = _settings()
    if not license_file().exists():
        raise BadLicenseFile("This machine is not activated: run `coditect activate`.")
    text = license_file().read_text(encoding="utf-8")
    return verify_license_file(text, public_key=settings.get("public_key", ""), now=datetime.now(UTC), fingerprint=fingerprint())


def _facts_report(facts: LicenseFacts) -> Report:
    return {"active": True, "kind": facts.kind, "id": facts.id, "issued_at": facts.issued_at, "good_until": facts.expires_at}


def _settings() -> dict[str, str]:
    if not config_file().exists():
        return {}
    settings = json.loads(config_file().read_text(encoding="utf-8"))
    return dict(settings) if isinstance(settings, dict) else {}


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    swap = file.with_name(f".{file.name}.swap")
    with os.fdopen(os.open(swap, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    swap.replace(file)


def _report(work: Callable[[], Report], *, as_json: bool) -> None:
    try:
        _print(work(), as_json=as_json)
    except Unreachable as error:
        _fail({"error": "unreachable", "detail": str(error)}, 4, as_json=as_json)
    except Refused as error:
        _fail({"error": error.code, "detail": str(error)}, 2 if error.status == 0 else 3, as_json=as_json)
    except (BadLicenseFile, OSError, ValueError) as error:
        _fail({"error": "failed", "detail": str(error)}, 1, as_json=as_json)


def _fail(report: Report, code: int, *, as_json: bool) -> None:
    if as_json:
        _print(report, as_json=True)
    else:
        sys.stderr.write(f"{report['detail']}\n")
    raise typer.Exit(code)


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(report, default=str) + "\n")
        return
    for name, value in report.items():
        sys.stdout.write(f"{name:<14} {value}\n")


def main() -> None:
    """Entry point of ``coditect``."""
    app()
