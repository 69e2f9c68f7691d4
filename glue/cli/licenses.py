"""``glue licenses``: a customer's license as Keygen has it; its file; a new key."""

from pathlib import Path
from secrets import token_hex
from typing import Annotated

import typer

from glue.cli.opened import AsJson, Tenant, known, opened, who
from glue.cli.printing import out, reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(tenant: Tenant, *, as_json: AsJson = False) -> None:
    """The license, without its key."""
    from glue.actions.machines import read_license

    with reporting_errors(as_json=as_json), opened() as service:
        view = read_license(service.actions, known(tenant))
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
def rotate(tenant: Tenant) -> None:
    """A new key; the old one stops and machines have to be activated again."""
    from glue.actions.machines import rotate_license

    with reporting_errors(), opened() as service:
        rotate_license(service.actions, known(tenant), by=who(), nonce=token_hex(8))
        out.print("A new license is on its way; the old key has stopped.")


@app.command()
def file(
    tenant: Tenant,
    *,
    to: Annotated[Path, typer.Option(help="File to write.")],
    fingerprint: Annotated[str, typer.Option(help="Of a machine; without it the license's own file.")] = "",
) -> None:
    """A signed file that proves the license offline."""
    from glue.actions.machines import check_out

    with reporting_errors(), opened() as service:
        found = check_out(service.actions, known(tenant), fingerprint=fingerprint)
        to.write_text(found.certificate, encoding="utf-8")
        out.print(f"Good until {found.expires_at}.")
