"""The migrations make exactly the tables that the code has, on both databases."""

import pytest

from glue.db import Database
from glue.ops import schema


@pytest.mark.parametrize("meter", [False, True], ids=["main", "meter"])
def test_migrations_make_the_tables_of_the_code(database_url, meter):
    database = Database(database_url, meter=meter)
    schema.upgrade(database, meter=meter)
    assert schema.differences(database, meter=meter) == []
    schema.upgrade(database, meter=meter)
    database.close()
