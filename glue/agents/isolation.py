"""Commands that agents produced, run where they can do no harm: bubblewrap without network, home or writable system, or not at all.

Inside: a fresh `/work` (the step's files) and `/tmp`, the system's programs read-only, no other process, no capability, no
dangerous system call, limits on memory, processes, file size, open files and time. Afterwards the whole process group is killed.
"""

import contextlib
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from glue.agents.seccomp import build_filter
from glue.errors import Unavailable

SECONDS = 20.0
MOST_OUTPUT = 256_000
_PREFIX = "glue-step-"
_CLAIMED_WITHIN = 60.0  # seconds: a new folder may not be claimed yet
_MEMORY = 512 * 2**20
_FILE = 16 * 2**20
# Set inside: in the sandbox's own user namespace only its processes count, outside all those of the service's user would.
_FEW_PROCESSES = ("prlimit", "--nproc=64:64", "--")
_OPEN_FILES = 128
_MOST_FILES = 200
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache")


@dataclass(frozen=True)
class Ran:
    """``files`` are what lies in the work folder afterwards, by relative name; links are left out."""

    exit_code: int
    output: bytes
    timed_out: bool
    files: Mapping[str, bytes]


def run_isolated(command: Sequence[str], files: Mapping[str, bytes], *, seconds: float = SECONDS) -> Ran:
    """Run a command over these files. Raises Unavailable when this machine has no working sandbox: then nothing runs."""
    if not has_sandbox():
        raise Unavailable("Commands cannot run here: there is no working sandbox.", remedy="Install bubblewrap and allow user namespaces.")
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder, _claimed(folder), tempfile.TemporaryFile() as output:
        work = Path(folder) / "work"
        for name, content in files.items():
            place = (work / name).resolve()
            if not place.is_relative_to(work.resolve()):
                raise ValueError(f"{name} leaves the work folder")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        work.mkdir(exist_ok=True)
        filtered = os.memfd_create("filter", 0)
        os.write(filtered, build_filter() or b"")
        os.lseek(filtered, 0, os.SEEK_SET)
        process = subprocess.Popen(  # noqa: S603  # the command runs inside the sandbox
            [*_sandbox(work, filtered), *_FEW_PROCESSES, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            env={}, pass_fds=(filtered,), preexec_fn=_limit,  # noqa: PLW1509  # only sets limits, touches no lock
        )  # fmt: skip
        os.close(filtered)
        timed_out = False
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return Ran(process.returncode, output.read(MOST_OUTPUT), timed_out, _collect(work))


def remove_left_over() -> None:
    """Files of steps whose process was killed: nobody claims their folder any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or still claimed
            if time.time() - folder.stat().st_mtime > _CLAIMED_WITHIN:
                with _claimed(folder):
                    shutil.rmtree(folder)


@contextlib.contextmanager
def _claimed(folder: str | Path) -> Iterator[None]:
    """While this process lives the folder is its own. Raises OSError when it is another's."""
    claim = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(claim)


@cache
def has_sandbox() -> bool:
    """Whether bubblewrap is here and can make the namespaces it needs."""
    if shutil.which("bwrap") is None or build_filter() is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run([*_sandbox(Path(folder)), *_FEW_PROCESSES, "true"], capture_output=True, timeout=20, check=False, env={})  # noqa: S603
    return tried.returncode == 0


def _sandbox(work: Path, filtered: int | None = None) -> list[str]:
    binds = [part for place in _SYSTEM if Path(place).exists() for part in ("--ro-bind", place, place)]
    return [
        shutil.which("bwrap") or "bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
        "--uid", "65534", "--gid", "65534", "--hostname", "step", *binds, "--proc", "/proc", "--dev", "/dev", "--size", str(_FILE * 4), "--tmpfs",
        "/tmp", "--bind", str(work), "/work", "--chdir", "/work",  # noqa: S108  # a file system of its own
        "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/work", "--setenv", "LANG", "C.UTF-8", "--remount-ro", "/",
        *(("--seccomp", str(filtered)) if filtered is not None else ()), "--",
    ]  # fmt: skip


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_FSIZE, _FILE),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CPU, int(SECONDS)),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _collect(work: Path) -> dict[str, bytes]:
    """Plain files, without following any link, up to bounds."""
    found: dict[str, bytes] = {}
    for folder, _folders, names in os.walk(work, followlinks=False):
        for name in names:
            place = Path(folder) / name
            if len(found) < _MOST_FILES and not place.is_symlink() and place.is_file() and place.stat().st_size <= _FILE:
                found[str(place.relative_to(work))] = place.read_bytes()
    return found
