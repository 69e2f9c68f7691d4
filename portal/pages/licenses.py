"""The license key, its machines, a signed file for a machine without network, a new key."""

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from glue.actions.machines import check_out, deactivate, reissue_license
from glue.rules.facts import Machine
from glue.wiring import Services
from portal.site import FormText, Site


@dataclass(frozen=True)
class LicensesPage:
    """``key`` is empty while the license is being made. ``reason`` says why it is suspended.

    ``install_line`` is empty when no installer is served.
    """

    key: str
    suspended: bool
    reason: str
    expires_at: datetime | None
    machines: tuple[Machine, ...]
    machines_limit: int
    can_manage: bool
    stale_since: datetime | None
    install_line: str
    windows_line: str
    key_address: str
    nonce: str


def routes(site: Site, services: Services) -> APIRouter:
    router = APIRouter(prefix="/licenses")

    @router.get("")
    def page(request: Request) -> Response:
        person = site.people.get(request)
        look = site.known.license(person.tenant)
        view, record = look.value, services.actions.record(person.tenant)
        suspended = view is not None and (view.license.suspended or not record.standing.may_use)
        reason = site.known.standing(person.tenant, fresh_seconds=15).reason if suspended else ""
        writer, url = site.writer(request, person), services.settings.public_url
        context = LicensesPage(
            key=view.license.key if view else "",
            suspended=suspended,
            reason=writer.text(reason) if reason else "",
            expires_at=view.license.expiry if view else None,
            machines=view.machines if view else (),
            machines_limit=view.limit if view else services.actions.grants(person.tenant).machines,
            can_manage=person.may(),
            stale_since=look.stale_since,
            install_line=f"curl -fsSL {url}/install.sh | sh" if services.settings.installer_key else "",
            windows_line=f"irm {url}/install.ps1 | iex",
            key_address=f"{url}/install/key.pem",
            nonce=site.new_form().nonce,
        )
        return site.page(request, "licenses", context, title="Licenses", person=person, current="licenses")

    @router.get("/file")
    def file(request: Request, machine: str = "") -> Response:
        """A signed file for one machine, or for the license when none is named."""
        person = site.people.get(request)
        person.must(*person.roles)
        signed = check_out(services.actions, person.tenant, fingerprint=machine)
        name = "machine.lic" if machine else "license.lic"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return Response(signed.certificate, media_type="text/plain; charset=utf-8", headers=headers)

    @router.post("/remove")
    def remove(request: Request, machine: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()
        said = site.writer(request, person).text("The machine was removed; its place is free.")
        return site.let_go(request, "/licenses", lambda: deactivate(services.actions, person.tenant, machine, by=person.email), said)

    @router.post("/rotate")
    def rotate(request: Request, nonce: FormText = "") -> Response:
        person = site.people.get(request)
        person.must()

        def action() -> str:
            reissue_license(services.actions, person.tenant, by=person.email, nonce=nonce)
            settled = services.actions.wait_until_settled(person.tenant, seconds=8)
            said = site.writer(request, person).text("There is a new key; the old one no longer works.")
            site.tell_outcome(request, done=settled, said=said)
            return "/licenses"

        return site.once(request, nonce, action)

    return router
