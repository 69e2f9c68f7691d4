"""Shared by all tests: an environment without settings of this machine, and the plugins with servers and databases."""

import os

import pytest

pytest_plugins = ["tests.fixtures_sandbox", "tests.fixtures_keycloak", "tests.fixtures_database"]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("GLUE_") and not name.startswith("GLUE_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")


def pytest_terminal_summary(terminalreporter):
    """One closing list of what this machine could not run, and why."""
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        terminalreporter.section("not run here")
        for reason, count in sorted(reasons.items()):
            terminalreporter.write_line(f"{count:4} {reason}")
