"""``glue licenses``: customers' licenses as Keygen has them; their files; new keys."""

from pathlib import Path
from secrets import token_hex
from typing import Annotated

import typer

from glue.cli.opened import AsJson, OfTenant, known, opened, owner_of, who
from glue.cli.printing import out, reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)
License = Annotated[str, typer.Argument(help="The license's id, or its customer.", metavar="LICENSE")]


@app.command("list")
def list_licenses(*, tenant: OfTenant = "", limit: int = 100, as_json: AsJson = False) -> None:
    """Licenses, the newest customer's first."""
    from sqlmodel import col, select

    from glue.converge.tenants import Tenant
    from glue.db import System

    with reporting_errors(as_json=as_json), opened() as service:
        query = select(Tenant).where(col(Tenant.license_id) != "").order_by(col(Tenant.created_at).desc()).limit(limit)
        query = query.where(Tenant.tenant_id == known(service, tenant)) if tenant else query
        with service.database.read(System("an operator lists licenses")) as session:
            rows = [(row.license_id, row.tenant_id, row.display_name, row.tier, row.standing) for row in session.exec(query)]
    names = ("id", "tenant", "name", "tier", "standing")
    if as_json:
        show_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show_table("", names, rows, empty="No licenses.")


@app.command()
def show(license: License, *, as_json: AsJson = False) -> None:  # noqa: A002
    """The license, without its key."""
    from glue.actions.machines import read_license

    with reporting_errors(as_json=as_json), opened() as service:
        view = read_license(service.actions, owner_of(service, license))
    if view is None:
        show_json(None) if as_json else out.print("The license is still being made.")
        return
    held = view.license
    facts = {"id": held.id, "status": held.status, "suspended": held.suspended, "expiry": held.expiry, "policy": held.policy_id}
    facts |= {"machines": len(view.machines), "most_machines": view.limit}
    if as_json:
        show_json(facts)
    else:
        show_table("", ("fact", "value"), list(facts.items()))


@app.command()
def revoke(license: License) -> None:  # noqa: A002
    """Make a license invalid. It stays so until `glue drift repair CUSTOMER --field license.suspended`, or a new one by `reissue`."""
    from glue.actions.machines import revoke_license

    with reporting_errors(), opened() as service:
        revoke_license(service.actions, owner_of(service, license), by=who(), nonce=token_hex(8))
        out.print("Revoked.")


@app.command()
def reissue(license: License) -> None:  # noqa: A002
    """A new license with a new key; the old key stops and machines have to be activated again."""
    from glue.actions.machines import reissue_license

    with reporting_errors(), opened() as service:
        reissue_license(service.actions, owner_of(service, license), by=who(), nonce=token_hex(8))
        out.print("A new license is on its way; the old key has stopped.")


@app.command()
def file(
    license: License,  # noqa: A002
    *,
    to: Annotated[Path, typer.Option(help="File to write.")],
    fingerprint: Annotated[str, typer.Option(help="Of a machine; without it the license's own file.")] = "",
) -> None:
    """A signed file that proves the license offline."""
    from glue.actions.machines import check_out

    with reporting_errors(), opened() as service:
        found = check_out(service.actions, owner_of(service, license), fingerprint=fingerprint)
        to.write_text(found.certificate, encoding="utf-8")
        out.print(f"Good until {found.expires_at}.")
