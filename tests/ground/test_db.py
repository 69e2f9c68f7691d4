import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel, select

from glue.db import Database, System
from glue.errors import NotAllowed
from glue.rules.names import TenantId
from glue.support.feedback import Feedback

ALICE, BOB = TenantId("t00000000000001"), TenantId("t00000000000002")
EVERYBODY = System("this test looks at everything")


def note(**fields):
    """Any table of a tenant's serves here."""
    return Feedback(rating=5, **fields)


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'glue.db'}")
    SQLModel.metadata.tables["feedback"].create(database.engine)
    with database.write(EVERYBODY) as session:
        session.add(note(tenant_id=ALICE, text="alice's", at=datetime.now(UTC)))
        session.add(note(tenant_id=BOB, text="bob's", at=datetime.now(UTC)))
    yield database
    database.close()


def test_a_tenants_session_sees_only_its_own_rows(database):
    with database.read(ALICE) as session:
        assert [note.text for note in session.exec(select(Feedback))] == ["alice's"]
        assert session.exec(select(sa.func.count()).select_from(Feedback)).one() == 1


def test_a_tenants_session_cannot_fetch_another_tenants_row_by_id(database):
    with database.read(EVERYBODY) as session:
        foreign = next(note.id for note in session.exec(select(Feedback)) if note.tenant_id == BOB)
    with database.read(ALICE) as session:
        assert session.get(Feedback, foreign) is None


def test_a_tenants_session_cannot_write_another_tenants_row(database):
    with pytest.raises(NotAllowed), database.write(ALICE) as session:
        session.add(note(tenant_id=BOB, text="forged", at=datetime.now(UTC)))


def test_bulk_updates_and_deletes_stay_with_the_tenant(database):
    with database.write(ALICE) as session:
        session.execute(sa.update(Feedback).values(text="changed"))
        session.execute(sa.delete(Feedback).where(Feedback.text == "bob's"))
    with database.read(EVERYBODY) as session:
        assert sorted(note.text for note in session.exec(select(Feedback))) == ["bob's", "changed"]


@pytest.mark.parametrize("scope", ["", None, System("")])
def test_a_session_without_tenant_or_reason_is_refused(database, scope):
    with pytest.raises(NotAllowed), database.read(scope):
        pass


def test_nothing_is_kept_when_the_block_fails(database):
    with pytest.raises(NotAllowed), database.write(ALICE) as session:
        session.add(note(tenant_id=ALICE, text="lost", at=datetime.now(UTC)))
        session.flush()
        session.add(note(tenant_id=BOB, text="forged", at=datetime.now(UTC)))
    with database.read(ALICE) as session:
        assert len(session.exec(select(Feedback)).all()) == 1


def test_instants_come_back_in_utc_and_naive_ones_are_refused(database):
    with database.read(ALICE) as session:
        assert session.exec(select(Feedback)).one().at.tzinfo == UTC
    with pytest.raises(sa.exc.StatementError), database.write(ALICE) as session:
        session.add(note(tenant_id=ALICE, text="naive", at=datetime(2026, 1, 1)))


def test_sqlite_is_durable_and_keeps_foreign_keys(database):
    with database.engine.connect() as connection:
        pragmas = {name: connection.exec_driver_sql(f"pragma {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_every_system_session_names_its_reason():
    """Reasons are literal texts, so that this list can be read: who may see all tenants, and why."""
    reasons = []
    for file in [*Path("glue").rglob("*.py"), *Path("portal").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "System":
                reason = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
                assert len(reason) > 10, f"{file}:{node.lineno}"
                reasons.append(reason)
    assert reasons


def test_a_connection_in_use_when_the_database_closes_is_closed_once_given_back(database_url):
    database = Database(database_url)
    with database.read(System("a thread at work when the process ends")) as session:
        used = session.connection().connection.driver_connection
        database.close()
        assert session.execute(sa.text("select 1")).scalar_one() == 1
    with pytest.raises(Exception, match="closed"):
        used.execute("select 1")
