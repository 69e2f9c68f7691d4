"""Lago's adapter against the sandbox."""

from collections.abc import Iterator

import pytest
from contract_lago import LagoContract

from glue.settings import LagoSettings
from glue.upstream.lago import Lago


@pytest.fixture(scope="module")
def settings(lago_settings: LagoSettings) -> LagoSettings:
    return lago_settings


@pytest.fixture(scope="module")
def lago(settings: LagoSettings) -> Iterator[Lago]:
    adapter = Lago(settings)
    yield adapter
    adapter.close()


class TestLago(LagoContract):
    """Run once."""
