"""What a machine fetches to install the client: two scripts, the signed bundle, the key that signs it; and one bundle to carry."""

from functools import cached_property

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from glue.actions.machines import check_out
from glue.errors import NotFound
from glue.wiring import Services
from portal.installer import Installer
from portal.site import Site

FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
FRESH = {"Cache-Control": "no-cache"}


class Served:
    """The installer, when this installation has a key for it."""

    def __init__(self, services: Services) -> None:
        self._settings = services.settings

    @cached_property
    def installer(self) -> Installer:
        key = self._settings.installer_key
        if key is None:
            raise NotFound("No installer is served here.", remedy="Its operator sets GLUE_INSTALLER_KEY.")
        return Installer(key.get_secret_value(), url=self._settings.public_url)


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter()
    served = Served(services)

    @router.get("/install.sh")
    @router.get("/install.ps1")
    def script(request: Request) -> Response:
        return PlainTextResponse(served.installer.script(request.url.path.lstrip("/")), headers=FRESH)

    @router.get("/install/key.pem")
    def key() -> Response:
        return PlainTextResponse(served.installer.public_key_pem, headers=FRESH)

    @router.get("/install/{version}/{name}")
    def file(version: str, name: str) -> Response:
        """The address holds the bundle's digest: what was said for one version is never answered with another."""
        found = served.installer.files().get(name) if version == served.installer.bundle.version else None
        if found is None:
            raise NotFound("There is no such file of this version.", remedy="Get the install script again.")
        return Response(found, media_type="application/octet-stream", headers=FOR_EVER)

    @router.get("/licenses/offline")
    def offline(request: Request, machine: str = "") -> Response:
        """Installer and a signed file for one machine (by id or fingerprint), or for the license when none is named."""
        person = site.people.get(request)
        person.must(*person.roles)
        signed = check_out(services.actions, person.tenant, fingerprint=machine)
        carried = served.installer.offline(certificate=signed.certificate, license_public_key=services.keygen.public_key())
        headers = {"Content-Disposition": 'attachment; filename="coditect-offline.tar.gz"', "Cache-Control": "no-store"}
        return Response(carried, media_type="application/gzip", headers=headers)

    return router
