"""Keycloak, Lago, Keygen and mail in memory: they hold state, fail when told to, and speak the adapters' language."""

from tests.fakes.faults import Faults
from tests.fakes.keycloak import FakeKeycloak
from tests.fakes.keygen import FakeKeygen
from tests.fakes.lago import FakeLago
from tests.fakes.mail import FakeMail

__all__ = ["FakeKeycloak", "FakeKeygen", "FakeLago", "FakeMail", "Faults"]
