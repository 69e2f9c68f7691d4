"""The migrations make exactly the tables that the code has, on both databases, also when two processes start together."""

import threading

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


def test_two_processes_may_start_together(database_url):
    failures = []

    def start():
        database = Database(database_url)
        try:
            schema.upgrade(database)
        except Exception as error:  # noqa: BLE001
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
