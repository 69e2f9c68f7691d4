"""Our own state in one file, and back: both stores, the runs' store and the files that agents made.

What Keycloak, Lago and Keygen hold is theirs and backed up with them; after a restore every customer is looked at, and what
changed there since is found. A store is copied while the service runs: first the main one, then runs, usage and files, so that
whatever an earlier copy names the later ones have.
"""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy.engine import URL, make_url

from glue.errors import BadInput, ConfigInvalid, Unavailable

FORMAT = 1
MANIFEST = "manifest.json"
DUMP = "postgres.dump"
STORES = ("glue.db", "runs.db", "meter.db")  # in the order of copying; the first under its own name
Report = Callable[[str, int, int], None]


def write_backup(target: Path, *, database_url: str, data_dir: Path, now: datetime, report: Report = lambda *_: None) -> dict[str, Any]:
    """Write ``target`` (a tar.gz, only its owner may read it) and answer its manifest. Raises Unavailable when a store cannot be copied."""
    url = make_url(database_url)
    unfinished = target.with_name(f".{target.name}.part")
    with tempfile.TemporaryDirectory(prefix="glue-backup-") as folder:
        stores = _copy_sqlite(url, Path(folder)) if url.get_backend_name() == "sqlite" else _dump_postgres(url, Path(folder))
        parts = [*((f"stores/{store.name}", store) for store in stores), *_files(data_dir)]
        manifest: dict[str, Any] = {"format": FORMAT, "kind": url.get_backend_name(), "made_at": now.isoformat(), "files": {}}
        try:
            with _private(unfinished) as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
                for number, (name, file) in enumerate(parts, 1):
                    report("Packing", number, len(parts))
                    manifest["files"][name] = _digest(file)
                    with file.open("rb") as content:
                        _add(archive, name, content, file.stat().st_size)
                about = json.dumps(manifest, indent=1).encode()
                _add(archive, MANIFEST, io.BytesIO(about), len(about))
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    return manifest


def read_backup(source: Path, folder: Path) -> dict[str, Any]:
    """Unpack a backup into ``folder`` and answer its manifest. Raises BadInput unless every file is there and as it was written."""
    try:
        with tarfile.open(source, "r:gz") as archive:
            for member in archive:
                _unpack(archive, member, folder)
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, tarfile.TarError, EOFError, ValueError) as error:
        raise BadInput(f"{source} is not a backup of ours: {error}", field="file", expected="a file that glue backup wrote") from error
    if manifest.get("format") != FORMAT:
        raise BadInput("This backup has another format.", field="file", expected=f"format {FORMAT}")
    for name, digest in manifest["files"].items():
        file = folder / name
        if not file.is_file() or _digest(file) != digest:
            raise BadInput(f"{name} in the backup is damaged.", field="file", expected="what its manifest says")
    return dict(manifest)


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Plain files below ``folder`` only, readable by their owner alone. ``extractall(filter=…)`` is younger than Debian 12's Python 3.11.2."""
    target, content = folder / member.name, archive.extractfile(member) if member.isfile() else None
    if content is None or not target.resolve().is_relative_to(folder.resolve()):
        raise tarfile.TarError(f"{member.name} does not belong in it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, _private(target) as stream:
        shutil.copyfileobj(content, stream)


def restore_backup(source: Path, *, database_url: str, data_dir: Path, aside: str) -> dict[str, Any]:
    """Replace our state by the backup's; what was there stays beside it, its names ending in ``aside``. Nobody may serve meanwhile.

    Raises BadInput for a damaged backup (nothing has changed then), ConfigInvalid for one of the other kind of database.
    """
    url = make_url(database_url)
    with tempfile.TemporaryDirectory(prefix="glue-restore-") as folder:
        manifest = read_backup(source, Path(folder))
        if manifest["kind"] != url.get_backend_name():
            raise ConfigInvalid(
                f"The backup is of {manifest['kind']}, the settings name {url.get_backend_name()}.", remedy="Set GLUE_DATABASE_URL."
            )
        if url.get_backend_name() == "sqlite":
            _put_sqlite(url, Path(folder) / "stores", aside)
        else:
            _load_postgres(url, Path(folder) / "stores" / DUMP)
        _put_files(Path(folder) / "files", data_dir, aside)
    return manifest


def _copy_sqlite(url: URL, folder: Path) -> list[Path]:
    copies = []
    for store, place in _places(url).items():
        if place.exists():
            copies.append(folder / store)
            with sqlite3.connect(place, timeout=60) as source, sqlite3.connect(folder / store) as copy:
                source.backup(copy, pages=2000)
            source.close()
            copy.close()
    if not copies:
        raise Unavailable(f"There is no store at {url.database}.", remedy="Check GLUE_DATABASE_URL.")
    return copies


def _put_sqlite(url: URL, stores: Path, aside: str) -> None:
    for store, place in _places(url).items():
        place.parent.mkdir(parents=True, exist_ok=True)
        for old in (place, place.with_name(f"{place.name}-wal"), place.with_name(f"{place.name}-shm")):
            if old.exists():
                old.replace(old.with_name(old.name + aside))
        if (stores / store).exists():
            _put(stores / store, place)


def _places(url: URL) -> dict[str, Path]:
    main = Path(url.database or "")
    return {STORES[0]: main} | {store: main.with_name(store) for store in STORES[1:]}


def _dump_postgres(url: URL, folder: Path) -> list[Path]:
    _run_tool("pg_dump", url, "--format=custom", "--no-owner", "--file", str(folder / DUMP))
    return [folder / DUMP]


def _load_postgres(url: URL, dump: Path) -> None:
    _run_tool("pg_restore", url, "--clean", "--if-exists", "--no-owner", "--single-transaction", str(dump))


def _run_tool(tool: str, url: URL, *words: str) -> None:
    program = shutil.which(tool)
    if program is None:
        raise ConfigInvalid(f"{tool} is not installed here.", remedy="Install PostgreSQL's client programs, of the server's version.")
    plain = url.set(drivername="postgresql", password=None).render_as_string()
    environ = os.environ | ({"PGPASSWORD": str(url.password)} if url.password else {})
    done = subprocess.run([program, "--dbname", plain, *words], env=environ, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Unavailable(f"{tool} failed: {done.stderr.strip()[-400:]}", remedy="Check the database and the program's version.")


def _files(data_dir: Path) -> Iterator[tuple[str, Path]]:
    if data_dir.is_dir():
        databases = {name + tail for name in STORES for tail in ("", "-wal", "-shm")}
        for file in sorted(data_dir.rglob("*")):
            if file.is_file() and not file.is_symlink() and file.name not in databases and not file.name.endswith(".lock"):
                yield f"files/{file.relative_to(data_dir)}", file


def _put_files(files: Path, data_dir: Path, aside: str) -> None:
    # Files are named by their content: those that are there already are the same, none is taken away.
    for file in sorted(files.rglob("*")) if files.is_dir() else ():
        place = data_dir / file.relative_to(files)
        if file.is_file() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            _put(file, place)
        elif file.is_file() and _digest(place) != _digest(file):
            place.replace(place.with_name(place.name + aside))
            _put(file, place)


def _put(file: Path, place: Path) -> None:
    unfinished = place.with_name(f".{place.name}.part")
    with _private(unfinished) as stream, file.open("rb") as content:
        shutil.copyfileobj(content, stream)
    unfinished.replace(place)


def _private(file: Path) -> io.BufferedWriter:
    file.unlink(missing_ok=True)
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    archive.addfile(entry, content)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
