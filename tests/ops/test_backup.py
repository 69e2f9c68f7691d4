"""A backup holds everything of ours, is refused when it is damaged, and brings it back on both databases."""

import shutil
import tarfile
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from glue.db import Database, System
from glue.dirty import Dirty, mark
from glue.errors import BadInput, ConfigInvalid, Unavailable
from glue.ops import schema
from glue.ops.backup import read_backup, restore_backup, write_backup

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SCOPE = System("a test")


@pytest.fixture
def stores(database_url):
    if database_url.startswith("postgresql") and shutil.which("pg_dump") is None:
        pytest.skip("PostgreSQL's client programs are not installed")
    main, meter = Database(database_url), Database(database_url, meter=True)
    schema.upgrade(main)
    schema.upgrade(meter, meter=True)
    yield main, meter
    main.close()
    meter.close()


def _mark(main, tenant):
    with main.write(SCOPE) as session:
        mark(session, tenant, why="a test", now=NOW)


def _marked(main):
    with main.read(SCOPE) as session:
        return sorted(session.scalars(sa.select(Dirty.tenant_id)))


def test_state_comes_back_as_it_was(stores, database_url, tmp_path):
    main, meter = stores
    files = tmp_path / "files"
    (files / "ab").mkdir(parents=True)
    (files / "ab" / "lesson").write_text("Embeddings")
    _mark(main, "t1")
    with meter.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into meter.fences (tenant_id, until) values ('t1', 5)"
                if not meter.is_sqlite
                else "insert into fences (tenant_id, until) values ('t1', 5)"
            )
        )
    file = tmp_path / "backup.tar.gz"
    manifest = write_backup(file, database_url=database_url, data_dir=files, now=NOW)
    assert file.stat().st_mode & 0o077 == 0, "it holds personal data"
    assert "files/ab/lesson" in manifest["files"]

    _mark(main, "t2")
    (files / "ab" / "lesson").unlink()
    main.close()
    meter.close()
    restore_backup(file, database_url=database_url, data_dir=files, aside=".old")
    assert _marked(main) == ["t1"]
    assert (files / "ab" / "lesson").read_text() == "Embeddings"
    with meter.engine.connect() as connection:
        assert (
            connection.execute(sa.text("select until from fences" if meter.is_sqlite else "select until from meter.fences")).scalar() == 5
        )


def test_copy_is_whole_while_others_write(sqlite_url, tmp_path):
    main = Database(sqlite_url)
    schema.upgrade(main)
    with main.write(SCOPE) as session:
        mark(session, "t1", why="a test", now=NOW)
        write_backup(tmp_path / "b.tar.gz", database_url=sqlite_url, data_dir=tmp_path / "none", now=NOW)
    manifest = read_backup(tmp_path / "b.tar.gz", tmp_path / "out")
    assert list(manifest["files"]) == ["stores/glue.db"]
    copy = Database(f"sqlite:///{tmp_path / 'out/stores/glue.db'}")
    assert _marked(copy) == [], "what was not committed is not in it"
    copy.close()
    main.close()


def test_damaged_backup_changes_nothing(sqlite_url, tmp_path):
    main = Database(sqlite_url)
    schema.upgrade(main)
    _mark(main, "t1")
    file = tmp_path / "b.tar.gz"
    write_backup(file, database_url=sqlite_url, data_dir=tmp_path / "none", now=NOW)
    read_backup(file, tmp_path / "out")
    (tmp_path / "out/stores/glue.db").write_bytes(b"something else")
    with tarfile.open(file, "w:gz") as archive:
        archive.add(tmp_path / "out", arcname=".")
    for bad in (file, tmp_path / "missing", __file__):
        with pytest.raises(BadInput):
            restore_backup(bad if bad == file else tmp_path / bad, database_url=sqlite_url, data_dir=tmp_path / "none", aside=".old")
    assert _marked(main) == ["t1"]
    main.close()


def test_archive_that_leaves_its_folder_is_refused(tmp_path):
    (tmp_path / "x").write_text("x")
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "x", arcname="../../evil")
    with pytest.raises(BadInput):
        read_backup(tmp_path / "evil.tar.gz", tmp_path / "out")
    assert not (tmp_path.parent / "evil").exists()


def test_nothing_to_copy_and_another_kind_of_database_are_told(sqlite_url, tmp_path):
    with pytest.raises(Unavailable, match="no store"):
        write_backup(tmp_path / "b", database_url=f"sqlite:///{tmp_path / 'none.db'}", data_dir=tmp_path, now=NOW)
    main = Database(sqlite_url)
    schema.upgrade(main)
    main.close()
    write_backup(tmp_path / "b", database_url=sqlite_url, data_dir=tmp_path / "none", now=NOW)
    with pytest.raises(ConfigInvalid, match="sqlite"):
        restore_backup(tmp_path / "b", database_url="postgresql://nobody@127.0.0.1:1/none", data_dir=tmp_path, aside=".old")
