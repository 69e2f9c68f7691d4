from tests.fakes.fixtures import both_worlds, database, empty_store, world

__all__ = ["both_worlds", "database", "empty_store", "world"]
