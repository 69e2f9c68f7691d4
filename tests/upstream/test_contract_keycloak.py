"""Keycloak's adapter against the identity sandbox and against a real Keycloak."""

from collections.abc import Iterator

import pytest
from contract_keycloak import KeycloakContract

from glue.settings import KeycloakSettings
from glue.upstream.keycloak import Keycloak


@pytest.fixture(scope="module", params=["identity_settings", pytest.param("keycloak_settings", marks=pytest.mark.keycloak)])
def settings(request: pytest.FixtureRequest) -> KeycloakSettings:
    made: KeycloakSettings = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="module")
def keycloak(settings: KeycloakSettings) -> Iterator[Keycloak]:
    adapter = Keycloak(settings)
    yield adapter
    adapter.close()


class TestKeycloak(KeycloakContract):
    """Run once for each of them."""
