"""The upstreams of an installation, with settings, clock and tiers: all that commands need which open no database."""

from collections.abc import Callable
from dataclasses import dataclass

from glue.catalog.files import load_tiers
from glue.catalog.systems import Systems as CatalogSystems
from glue.clock import Clock, SharedClock, SystemClock
from glue.rules.tiers import Tiers
from glue.settings import Settings
from glue.settings import load as load_settings
from glue.upstream.keycloak import Keycloak
from glue.upstream.keygen import Keygen
from glue.upstream.lago import Lago
from glue.upstream.mail import Mail


@dataclass(frozen=True)
class Adapters:
    """Settings, clock, tiers and the four upstreams: enough for commands that need no database."""

    settings: Settings
    clock: Clock
    tiers: Tiers
    keycloak: Keycloak
    lago: Lago
    keygen: Keygen
    mail: Mail

    def systems(self) -> CatalogSystems:
        """The three systems as the catalog reads and writes them."""
        return CatalogSystems(self.keycloak, self.lago, self.keygen, product_code=self.settings.keygen.product_code)

    def pins(self) -> dict[str, Callable[[], str]]:
        """Calls that read each upstream's identity."""
        return {"keycloak": self.keycloak.realm_id, "lago": self.lago.organization_id, "keygen": self.keygen.account_id}

    def close(self) -> None:
        for upstream in (self.keycloak, self.lago, self.keygen):
            upstream.close()


def adapters(settings: Settings | None = None) -> Adapters:
    """Build the upstreams from the settings (read from the environment when not given). Raises ConfigInvalid."""
    settings = settings or load_settings()
    return Adapters(
        settings=settings,
        clock=SharedClock(settings.clock_file) if settings.clock_file else SystemClock(),
        tiers=load_tiers(settings.config_dir),
        keycloak=Keycloak(settings.keycloak),
        lago=Lago(settings.lago),
        keygen=Keygen(settings.keygen),
        mail=Mail(settings.mail),
    )
