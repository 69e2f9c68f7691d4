"""Fixtures that every area shares."""

pytest_plugins = ["fixtures_sandbox"]
