"""Keygen's adapter against the sandbox."""

from collections.abc import Iterator

import pytest
from contract_keygen import KeygenContract

from glue.settings import KeygenSettings
from glue.upstream.keygen import Keygen


@pytest.fixture(scope="module")
def settings(keygen_settings: KeygenSettings) -> KeygenSettings:
    return keygen_settings


@pytest.fixture(scope="module")
def keygen(settings: KeygenSettings) -> Iterator[Keygen]:
    adapter = Keygen(settings)
    yield adapter
    adapter.close()


class TestKeygen(KeygenContract):
    """Run once."""
