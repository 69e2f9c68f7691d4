import pytest

from glue.db import Database
from tests.fakes.world import World


@pytest.fixture
def database(tmp_path):
    store = Database(f"sqlite:///{tmp_path / 'glue.db'}")
    yield store
    store.close()


@pytest.fixture
def world(database):
    return World(database)
