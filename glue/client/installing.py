"""Installing this client on a machine and removing it: steps that may each be done again, so that a killed run is just started again."""

import getpass
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from glue.client.client import Client
from glue.client.errors import BadLicenseFile, Refused
from glue.client.genuine import LICENSE
from glue.client.license_files import verify_license_file
from glue.client.machine import fingerprint, machine_name
from glue.client.places import WrongUse, config_file, data_folder, launcher, license_file, read_settings, state_folder, write_private
from glue.client.spool import Spool

Report = dict[str, Any]
Settings = dict[str, Any]
Connect = Callable[[Settings], Client]
GONE = {401, 404}  # the license or the machine is no more: there is no place to free


def install(bundle: Path, *, url: str, key: str, ask: bool, connect: Connect) -> Report:
    """License, machine, client, settings, connection, one after the other. ``bundle`` holds checked wheels.

    With a carried license file in the bundle nothing is asked of the network. Raises WrongUse, Refused, Unreachable, BadLicenseFile.
    """
    if launcher().exists() and not _is_ours(launcher()):
        raise WrongUse(f"{launcher()} is there already and is not ours; move it away first.")
    if (bundle / LICENSE).exists():
        return _install_offline(bundle)
    settings = _known_settings() | {name: value for name, value in (("url", url), ("license_key", key)) if value}
    settings.pop("offline", None)
    if not settings.get("license_key"):
        settings["license_key"] = _ask_key(ask=ask, url=url)
    try:
        with connect(settings) as client:
            standing = client.entitlements().get("standing")
            write_private(_progress_file(), json.dumps(settings))
            _tell(2, "license", f"good ({standing})")
            client.activate()
            file = client.license_file()
            _tell(3, "machine", f"{machine_name()} has a place")
    except Refused as error:
        link = f"{error.fields.get('remedy', '')} {settings['url']}/licenses".strip()
        raise Refused(error.fields | {"remedy": link}, status=error.status) from error
    environment = _build_environment(bundle)
    _write_settings(settings | {"public_key": file.public_key}, file.certificate)
    _tell(6, "connection", _test_connection(environment))
    return _finish(environment, good_until=file.expires_at)


def uninstall(*, keep_place: bool, connect: Connect) -> Report:
    """Free this machine's place, then remove what was installed. Usage that was never told stays. Raises Refused, Unreachable."""
    settings, freed = _known_settings(), False
    if settings.get("license_key") and not keep_place:
        with connect(settings) as client:
            client.tell_kept()
            try:
                client.deactivate()
            except Refused as error:
                if error.status not in GONE:
                    raise
        freed = True
    waiting = len(Spool().waiting())
    if freed:
        (state_folder() / "machine-id").unlink(missing_ok=True)
    for file in (license_file(), config_file(), _progress_file()):
        file.unlink(missing_ok=True)
    if _is_ours(launcher()):
        launcher().unlink()
    shutil.rmtree(_environments(), ignore_errors=True)
    for folder in (config_file().parent, data_folder(), state_folder()):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return {"removed": True, "place_freed": freed, "usage_not_told": waiting}


def _install_offline(bundle: Path) -> Report:
    carried = read_settings(bundle / LICENSE)
    own = fingerprint()
    try:
        facts = verify_license_file(carried["certificate"], public_key=carried["public_key"], now=datetime.now(UTC), fingerprint=own)
    except BadLicenseFile as error:
        problem = {"code": "license_file", "detail": str(error), "remedy": f"This machine is {own}. {carried['url']}/licenses"}
        raise Refused(problem, status=200) from error
    _tell(2, "license", f"the carried {facts.kind} file is good")
    _tell(3, "machine", "not asked for: no network is used")
    environment = _build_environment(bundle)
    _write_settings({"url": carried["url"], "public_key": carried["public_key"], "offline": True}, carried["certificate"])
    _tell(6, "connection", "not tested: no network is used")
    return _finish(environment, good_until=facts.expires_at)


def _finish(environment: Path, *, good_until: datetime | None) -> Report:
    for other in _environments().iterdir():
        if other != environment:
            shutil.rmtree(other, ignore_errors=True)
    _progress_file().unlink(missing_ok=True)
    report: Report = {"machine": machine_name(), "fingerprint": fingerprint(), "good_until": good_until}
    report |= {"command": str(launcher()), "environment": str(environment), "settings": str(config_file())}
    if str(launcher().parent) not in os.environ.get("PATH", "").split(os.pathsep):
        report["to_do"] = f"Add {launcher().parent} to your PATH."
    return report


def _known_settings() -> Settings:
    # A run that was killed has asked for the key already.
    return read_settings() | read_settings(_progress_file())


def _progress_file() -> Path:
    return state_folder() / "installation.json"


def _ask_key(*, ask: bool, url: str) -> str:
    try:
        if not ask:
            raise WrongUse(f"A license key is needed: give --key or CODITECT_LICENSE_KEY. It is shown on {url}/licenses.")
        if os.name != "nt":  # input is the script itself, so only a terminal can be asked
            os.close(os.open("/dev/tty", os.O_RDWR))
        return getpass.getpass(f"License key (shown on {url}/licenses): ").strip()
    except (OSError, EOFError) as error:
        raise WrongUse("There is no terminal to ask for the license key: give --key or CODITECT_LICENSE_KEY.") from error


def _build_environment(bundle: Path) -> Path:
    """An environment of its own with the bundle's wheels; they are pure, so to install one is to unpack it."""
    wheels = sorted(bundle.glob("*.whl"))
    digest = hashlib.sha256(b"".join(hashlib.sha256(wheel.read_bytes()).digest() for wheel in wheels)).hexdigest()[:12]
    environment = _environments() / digest
    whole = environment / "installed"
    if not (whole.exists() and _run_client(environment, "--help").returncode == 0):
        shutil.rmtree(environment, ignore_errors=True)
        venv.create(environment, with_pip=False, symlinks=os.name != "nt")
        target = sysconfig.get_path("purelib", "venv", vars={"base": str(environment), "platbase": str(environment)})
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(target)
        whole.write_text("\n".join(wheel.name for wheel in wheels), encoding="utf-8")
    _install_launcher(environment)
    _tell(4, "client", f"installed in {environment}")
    return environment


def _install_launcher(environment: Path) -> None:
    launcher().parent.mkdir(parents=True, exist_ok=True)
    python = _python(environment)
    text = f'@"{python}" -I -m glue.client %*\n' if os.name == "nt" else f'#!/bin/sh\nexec {shlex.quote(python)} -I -m glue.client "$@"\n'
    write_private(launcher(), text, mode=0o700)


def _is_ours(file: Path) -> bool:
    return file.exists() and "-I -m glue.client" in file.read_text(encoding="utf-8", errors="replace")


def _write_settings(settings: Settings, certificate: str) -> None:
    write_private(config_file(), json.dumps(settings, indent=2))
    write_private(license_file(), certificate)
    _tell(5, "settings", f"written to {config_file()}")


def _run_client(environment: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [_python(environment), "-I", "-m", "glue.client", *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 what was just installed


def _test_connection(environment: Path) -> str:
    """The installed command looks for itself."""
    done = _run_client(environment, "doctor", "--json")
    if done.returncode:
        raise OSError(f"The installed command does not work: {(done.stdout or done.stderr).strip()}")
    return f"works ({json.loads(done.stdout)['connection']['standing']})"


def _python(environment: Path) -> str:
    return str(environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def _environments() -> Path:
    return data_folder() / "environments"


def _tell(step: int, name: str, text: str) -> None:
    sys.stderr.write(f"[{step}/6] {name}: {text}\n")
    sys.stderr.flush()
