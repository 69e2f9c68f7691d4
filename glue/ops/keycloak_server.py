"""Starts the installed Keycloak with the repository's realm and themes: ready in seconds, many at once, all on loopback.

    with start(values={"GLUE_PUBLIC_URL": "http://localhost:8300"}) as keycloak:
        keycloak.issuer, keycloak.service_client_secret, ...

Each start copies the prepared database (`keycloak_prepared`) into a folder of its own, links the read-only program and the
themes there, and writes over REST what differs from the day of the import: addresses, ports and secrets given to this start.
Servers of one machine share the realm's signing keys, since they share the import: for development and tests, not for the world.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from glue.errors import Unavailable, UpstreamRefused
from glue.ops import keycloak_install as installed
from glue.ops.keycloak_prepared import ADMIN_CLIENT_ID, Imported, class_archive_options, for_this_start, prepare
from glue.ops.keycloak_process import Process, launch, lay_out
from glue.ops.keycloak_realm import Changes, expand, read_realm

REALM_FOLDER = Path("keycloak-realm")


@dataclass(frozen=True)
class Running:
    """A ready server. Its admin client lives in the realm ``admin_realm``, all others in ``realm``; secrets are plain text."""

    url: str
    realm: str
    issuer: str
    admin_realm: str
    admin_client_id: str
    admin_client_secret: str = field(repr=False)
    service_client_id: str
    service_client_secret: str = field(repr=False)
    portal_client_id: str
    portal_client_secret: str = field(repr=False)
    api_client_id: str
    api_client_secret: str = field(repr=False)
    apply_client_id: str
    apply_client_secret: str = field(repr=False)
    management_url: str
    pid: int
    home: str
    log_file: str
    process: Process | None = field(default=None, repr=False, compare=False)
    temporary: bool = field(default=False, repr=False, compare=False)

    def facts(self) -> dict[str, Any]:
        """Everything a client needs, as plain JSON."""
        return {name: value for name, value in vars(self).items() if name not in {"process", "temporary"}}

    def stop(self) -> None:
        """End the server in good order and remove its folder unless the caller had named one.

        Facts read from another process's output have no ``process``: whoever started it stops it.
        """
        if self.process is not None:
            self.process.stop()
        if self.temporary:
            shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.stop()


def start(
    *,
    realm_folder: Path = REALM_FOLDER,
    values: Mapping[str, str] | None = None,
    port: int = 0,
    management_port: int = 0,
    home: Path | None = None,
    report: installed.Report | None = None,
) -> Running:
    """Start a server and return when health and realm answer; installs and prepares what is missing (minutes, once).

    ``values`` fill the realm file's placeholders (see keycloak-realm/README.md); secrets not given are this machine's own.
    With ``home`` data stay there and a later start continues from them; without, they go when the server stops. A port of
    0 takes a free one. Raises Unavailable, ConfigInvalid.
    """
    installed.install(report=report)
    given, realm = dict(values or {}), read_realm(realm_folder)
    place = home or Path(tempfile.mkdtemp(prefix="glue-keycloak-"))
    process: Process | None = None
    try:
        lay_out(place, themes=realm_folder / "themes")
        if copied := not (place / "imported.json").exists():
            prepared = prepare(realm_folder, given, report=report)
            shutil.copytree(prepared / "h2", place / "data" / "h2", dirs_exist_ok=True)
            shutil.copy(prepared / "imported.json", place)
        if report:
            report("Starting", 0, 0)
        process = _launch_ready(place, realm.name, port, management_port)
        before = Imported.load(place)
        now = for_this_start(realm, before, given, copied=copied)
        if changes := realm.changes(before.values, now.values):
            _write(process.url, realm.name, changes, admin_secret=now.admin_secret)
        now.save(place)
    except BaseException:
        if process is not None:
            process.stop()
        if home is None:
            shutil.rmtree(place, ignore_errors=True)
        raise
    secret_of = {client["clientId"]: expand(client.get("secret", ""), now.values) for client in realm.content["clients"]}
    clients = {name: f"glue-{name}" for name in ("service", "portal", "api", "apply")}
    return Running(
        url=process.url,
        realm=realm.name,
        issuer=f"{process.url}/realms/{realm.name}",
        admin_realm="master",
        admin_client_id=ADMIN_CLIENT_ID,
        admin_client_secret=now.admin_secret,
        **{f"{name}_client_id": client_id for name, client_id in clients.items()},
        **{f"{name}_client_secret": secret_of.get(client_id, "") for name, client_id in clients.items()},
        management_url=process.management_url,
        pid=process.popen.pid,
        home=str(place),
        log_file=str(process.log_file),
        process=process,
        temporary=home is None,
    )


def _launch_ready(home: Path, realm: str, port: int, management_port: int) -> Process:
    """Launch and await; a free port that somebody took in between is tried again with others."""
    for attempt in range(3):
        process = launch(home, port=port, management_port=management_port, options=class_archive_options())
        try:
            process.wait_until_ready(realm)
        except Unavailable as error:
            process.stop()
            if attempt == 2 or (port and management_port) or "Address already in use" not in error.detail:
                raise
        except BaseException:
            process.stop()
            raise
        else:
            return process
    raise AssertionError("unreachable")


def _write(url: str, realm: str, changes: Changes, *, admin_secret: str) -> None:
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        login = {"grant_type": "client_credentials", "client_id": ADMIN_CLIENT_ID, "client_secret": admin_secret}
        token = _checked(client.post("/realms/master/protocol/openid-connect/token", data=login)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        admin = f"/admin/realms/{realm}"
        if changes.realm:
            _checked(client.put(admin, json={"realm": realm} | changes.realm))
        for client_id, changed in changes.clients.items():
            found = _checked(client.get(f"{admin}/clients", params={"clientId": client_id})).json()
            _checked(client.put(f"{admin}/clients/{found[0]['id']}", json=changed))


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    raise UpstreamRefused(
        f"Keycloak answered {answer.status_code} while its realm was brought in line.",
        upstream="keycloak",
        operation=f"{answer.request.method} {answer.request.url.path}",
        status=answer.status_code,
        body=answer.text[:300],
    )
