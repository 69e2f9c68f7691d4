"""The prepared database (the realm, imported once) and the archive of loaded classes: what makes later starts quick."""

import hashlib
import json
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from glue.errors import ConfigInvalid, Unavailable
from glue.ops import keycloak_install as installed
from glue.ops.keycloak_process import launch, lay_out
from glue.ops.keycloak_realm import RealmFile, Values, read_realm

ADMIN_CLIENT_ID = "glue-bootstrap"
LOCAL_PORTAL = {"GLUE_PUBLIC_URL": "http://localhost:8300"}
LOCAL_MAIL = {"GLUE_MAIL__HOST": "127.0.0.1", "GLUE_MAIL__PORT": "8325", "GLUE_MAIL__STARTTLS": "false"}
TRAINING_SECONDS = 240


@dataclass(frozen=True)
class Imported:
    """What a database was imported (or last brought in line) with."""

    values: dict[str, str]
    admin_secret: str

    @classmethod
    def load(cls, folder: Path) -> "Imported":
        return cls(**json.loads((folder / "imported.json").read_text(encoding="utf-8")))

    def save(self, folder: Path) -> None:
        file = folder / "imported.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"values": self.values, "admin_secret": self.admin_secret}), encoding="utf-8")


def prepare(realm_folder: Path, given: Mapping[str, str], *, report: installed.Report | None = None) -> Path:
    """The folder with the prepared database of this realm file, imported now unless an earlier start did so.

    ``given`` are values of the file's placeholders. Secrets not given are made up and kept; addresses not given are local
    ones. Raises ConfigInvalid for a placeholder that nothing fills, and for a file that Keycloak refuses.
    """
    realm = read_realm(realm_folder)
    values = completed(realm, given)
    folder = installed.cache_folder() / f"realm-{realm.digest(values)}"
    if not folder.is_dir():
        with installed.locked("prepare"):
            if not folder.is_dir():
                if report:
                    report("Importing the realm, once", 0, 0)
                _import(realm, values, folder)
    return folder


def completed(realm: RealmFile, given: Values) -> dict[str, str]:
    """Values for every placeholder that needs one: given, local, or a new secret."""
    local = LOCAL_PORTAL | ({} if "GLUE_MAIL__HOST" in given else LOCAL_MAIL)
    values: dict[str, str] = {}
    missing = []
    for name, default in realm.names().items():
        if name in given or name in local:
            values[name] = given.get(name) or local.get(name, "")
        elif default is None and name.endswith("_SECRET"):
            values[name] = secrets.token_urlsafe(24)
        elif default is None:
            missing.append(name)
    if missing:
        raise ConfigInvalid(f"{realm.path} needs values for {', '.join(sorted(missing))}.", remedy="Set them in the environment.")
    return values


def for_this_start(realm: RealmFile, before: Imported, given: Values, *, copied: bool) -> Imported:
    """What a database must stand for now: as ``before``, with the values given to this start.

    A database just ``copied`` from the prepared one keeps its secrets only: its addresses are of whoever prepared it.
    """
    kept = {name: value for name, value in before.values.items() if name.endswith("_SECRET") or not copied}
    return Imported(completed(realm, kept | dict(given)), before.admin_secret)


def class_archive() -> Path:
    """Where the archive of loaded classes for this Keycloak and this Java belongs (Java 25 and newer can use one)."""
    java = installed.get_java()
    made_of = (java.home / "lib" / "modules", installed.distribution_folder() / "lib" / "quarkus" / "generated-bytecode.jar")
    mark = hashlib.sha256(repr([(file.resolve(), file.stat().st_mtime_ns) for file in made_of]).encode()).hexdigest()[:12]
    return installed.cache_folder() / f"keycloak-{installed.VERSION}-{mark}.aot"


def class_archive_options() -> list[str]:
    """Java options that use the archive when it is there."""
    if installed.get_java().major < 25 or not class_archive().is_file():
        return []
    return [f"-XX:AOTCache={class_archive()}", "-Xlog:aot=off", "-Xlog:cds=off"]


def archive_classes(prepared: Path, realm_folder: Path, *, report: installed.Report | None = None) -> bool:
    """Run the prepared server once and keep what Java loaded: later starts take two thirds of the time. False: Java too old."""
    if installed.get_java().major < 25:
        return False
    with installed.locked("archive"):
        if class_archive().is_file():
            return True
        if report:
            report("Archiving loaded classes, once (about half a minute)", 0, 0)
        realm = read_realm(realm_folder)
        with tempfile.TemporaryDirectory(dir=installed.cache_folder(), prefix=".archive-") as place:
            home = Path(place)
            lay_out(home, themes=realm_folder / "themes")
            shutil.copytree(prepared / "h2", home / "data" / "h2")
            process = launch(home, options=[f"-XX:AOTCacheOutput={home / 'classes.aot'}"])
            try:
                process.wait_until_ready(realm.name)
                httpx.get(f"{process.url}/realms/{realm.name}/account", follow_redirects=True, trust_env=False)  # loads the pages' classes
            finally:
                process.stop(patience_seconds=TRAINING_SECONDS)
            if not (home / "classes.aot").is_file():
                raise Unavailable(
                    "Java wrote no archive of classes.", remedy="Servers start without it, only slower. Check the disk (200 MB)."
                )
            (home / "classes.aot").rename(class_archive())
    return True


def _import(realm: RealmFile, values: dict[str, str], folder: Path) -> None:
    imported = Imported(values, secrets.token_urlsafe(24))
    bootstrap = {"KC_BOOTSTRAP_ADMIN_CLIENT_ID": ADMIN_CLIENT_ID, "KC_BOOTSTRAP_ADMIN_CLIENT_SECRET": imported.admin_secret}
    with tempfile.TemporaryDirectory(dir=installed.cache_folder(), prefix=".prepare-") as place:
        home, result = Path(place) / "home", Path(place) / "result"
        lay_out(home, themes=realm.path.parent / "themes")
        (home / "data" / "import").mkdir()
        shutil.copy(realm.path, home / "data" / "import" / f"{realm.name}-realm.json")
        process = launch(home, environment=bootstrap | values, options=class_archive_options(), words=["--import-realm"])
        try:
            process.wait_until_ready(realm.name)
        except Unavailable as error:
            raise ConfigInvalid(f"Keycloak did not import {realm.path}. {error.detail}", remedy="Correct the file.") from error
        finally:
            process.stop()
        result.mkdir(mode=0o700)
        (home / "data" / "h2").rename(result / "h2")
        imported.save(result)
        result.rename(folder)
