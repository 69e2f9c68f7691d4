"""``coditect``: what a customer has on a machine: status, activate, deactivate, check, doctor, uninstall.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused (the reason in words), 4 the service could not be reached, 130 interrupted; of the
installers also 5: the bundle is not genuine.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from glue.client import installing
from glue.client.client import Client
from glue.client.errors import BadLicenseFile, ClientError, Refused, Unreachable
from glue.client.license_files import LicenseFacts, verify_license_file
from glue.client.machine import fingerprint, machine_name
from glue.client.places import WrongUse, config_file, license_file, read_settings, write_private
from glue.client.spool import Spool

Report = dict[str, Any]
Options = argparse.Namespace


def activate(options: Options) -> Report:
    """Give this machine a place of your plan and store a signed file that is good offline."""
    given = {"url": options.url or os.environ.get("CODITECT_URL"), "license_key": options.key or os.environ.get("CODITECT_LICENSE_KEY")}
    settings = read_settings() | {name: value for name, value in given.items() if value}
    settings.pop("offline", None)
    with _client(settings) as client:
        client.activate()
        file = client.license_file()
    write_private(config_file(), json.dumps(settings | {"public_key": file.public_key}, indent=2))
    write_private(license_file(), file.certificate)
    return {"machine": machine_name(), "fingerprint": fingerprint(), "good_until": file.expires_at}


def status(_options: Options) -> Report:
    """What the stored file says; needs no network."""
    facts = _stored()
    return {"active": True, "kind": facts.kind, "id": facts.id, "issued_at": facts.issued_at, "good_until": facts.expires_at}


def deactivate(_options: Options) -> Report:
    """Free this machine's place and forget the file."""
    with _client(read_settings()) as client:
        client.deactivate()
    license_file().unlink(missing_ok=True)
    return {"machine": machine_name(), "active": False}


def check(options: Options) -> Report:
    """Ask whether so much of a meter (or a feature) may be used now. Exit code 3: it may not."""
    with _client(read_settings()) as client:
        answer = client.check(feature=options.feature) if options.feature else client.check(options.meter, options.units)
        _renew(client)
    if not answer.get("allowed"):
        raise Refused(answer | {"detail": f"Not allowed: {answer.get('reason')}.", "code": str(answer.get("reason"))}, status=200)
    return answer


def install(options: Options) -> Report:
    """What the installers run, after they have checked the bundle."""
    given = {"url": options.url or os.environ.get("CODITECT_URL", ""), "key": options.key or os.environ.get("CODITECT_LICENSE_KEY", "")}
    return installing.install(options.bundle, **given, ask=not options.yes, connect=_client)


def uninstall(options: Options) -> Report:
    """Free this machine's place and remove the command, its settings and its file."""
    return installing.uninstall(keep_place=options.keep_place, connect=_client)


def doctor(_options: Options) -> Report:
    """Look at settings, file, connection and usage not told yet, and say what to do."""
    looks: dict[str, Callable[[], Any]] = {
        "settings": _look_at_settings,
        "file": lambda: status(_options),
        "connection": _look_at_connection,
        "usage": _look_at_usage,
    }
    findings: Report = {}
    for name, look in looks.items():
        try:
            findings[name] = look()
        except (ClientError, WrongUse, OSError, ValueError) as error:
            findings[name] = {"problem": str(error)}
    findings["failed"] = any("problem" in found for found in findings.values())
    return findings


def _look_at_settings() -> Report:
    if not read_settings():
        raise WrongUse(f"There are no settings in {config_file()}: run `coditect activate`.")
    if config_file().stat().st_mode & 0o077:
        raise WrongUse(f"{config_file()} can be read by others: chmod 600 it.")
    return {"file": str(config_file()), "url": read_settings().get("url")}


def _look_at_connection() -> Report:
    if read_settings().get("offline"):
        return {"offline": True}
    with _client(read_settings()) as client:
        standing = client.entitlements().get("standing")
        _renew(client)
        return {"standing": standing}


def _look_at_usage() -> Report:
    spool = Spool()
    if refused := spool.refused():
        raise WrongUse(f"{len(refused)} reports of usage were refused; the reasons are in {spool.folder / 'refused'}.")
    return {"waiting": len(spool.waiting())}


def _stored() -> LicenseFacts:
    if not license_file().exists():
        raise BadLicenseFile("This machine is not activated: run `coditect activate`.")
    text = license_file().read_text(encoding="utf-8")
    return verify_license_file(text, public_key=read_settings().get("public_key", ""), now=datetime.now(UTC), fingerprint=fingerprint())


def _renew(client: Client) -> None:
    """Whoever talks to the service anyway has a file that is good for long. Where it cannot be signed anew, the old one stays."""
    if not license_file().exists():
        return
    with suppress(BadLicenseFile):
        facts = _stored()
        if facts.expires_at is None or datetime.now(UTC) < facts.issued_at + (facts.expires_at - facts.issued_at) / 2:
            return
    with suppress(ClientError):
        write_private(license_file(), client.license_file().certificate)


def _client(settings: dict[str, Any]) -> Client:
    if not settings.get("url") or not settings.get("license_key"):
        raise WrongUse("An address and a license key are needed: run `coditect activate --url URL --key KEY`.")
    return Client(settings["url"], license_key=settings["license_key"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="coditect", description="Your license on this machine.", epilog=(__doc__ or "").split("\n\n")[1])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for work in (status, activate, deactivate, check, doctor, install, uninstall):
        text = (work.__doc__ or "").strip()
        command = commands.add_parser(work.__name__, help=text, description=text)
        command.set_defaults(work=work)
        command.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
        if work in {activate, install}:
            command.add_argument("--url", default="", help="address of the portal (or CODITECT_URL)")
            command.add_argument("--key", default="", help="license key (or CODITECT_LICENSE_KEY, which no process list shows)")
        if work is install:
            command.add_argument("--bundle", type=Path, required=True, help="folder with the checked bundle")
        if work in {install, uninstall}:
            command.add_argument("--yes", action="store_true", help="ask nothing")
        if work is uninstall:
            command.add_argument("--keep-place", action="store_true", help="ask nothing of the network; the place stays taken")
        if work is check:
            command.add_argument("meter", nargs="?", default="api_calls", help="what is metered; default api_calls")
            command.add_argument("--units", default="1", help="how much; default 1")
            command.add_argument("--feature", default="", help="ask for a feature instead")
    return parser


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and print its report. Answers the exit code."""
    options = _parser().parse_args(arguments)
    try:
        report: Report = options.work(options)
    except WrongUse as error:
        return _fail("wrong_use", error, 2, as_json=options.as_json)
    except Unreachable as error:
        return _fail("unreachable", error, 4, as_json=options.as_json)
    except Refused as error:
        return _fail(error.code, error, 3, as_json=options.as_json)
    except KeyboardInterrupt as error:
        return _fail("interrupted", error, 130, as_json=options.as_json)
    except (BadLicenseFile, OSError, ValueError) as error:
        return _fail("failed", error, 1, as_json=options.as_json)
    _print(report, as_json=options.as_json)
    return 1 if report.get("failed") else 0


def _fail(code: str, error: BaseException, exit_code: int, *, as_json: bool) -> int:
    if as_json:
        _print({"error": code, "detail": str(error)}, as_json=True)
    else:
        sys.stderr.write(f"{error}\n")
    return exit_code


def _print(report: Report, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(report, default=str) + "\n")
        return
    for name, value in report.items():
        sys.stdout.write(f"{name:<14} {value}\n")


def main() -> None:
    """Entry point of ``coditect``."""
    sys.exit(run())
