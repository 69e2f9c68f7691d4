"""``glue machines``: the machines of a customer's license."""

from typing import Annotated

import typer

from glue.cli.opened import AsJson, OfTenant, opened, owner_of, who
from glue.cli.printing import out, reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_machines(*, tenant: OfTenant, as_json: AsJson = False) -> None:
    """Active machines."""
    from glue.actions.machines import read_license

    with reporting_errors(as_json=as_json), opened() as service:
        view = read_license(service.actions, owner_of(service, tenant))
    rows = [(one.id, one.fingerprint, one.name, one.platform, one.created_at) for one in view.machines] if view else []
    names = ("id", "fingerprint", "name", "platform", "since")
    if as_json:
        show_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show_table("", names, rows, empty="No machines.")


@app.command()
def activate(
    fingerprint: Annotated[str, typer.Argument(help="What identifies the machine.")],
    *,
    tenant: OfTenant,
    name: str = "",
    platform: str = "",
) -> None:
    """Activate a machine, if there is a place."""
    from glue.actions import machines

    with reporting_errors(), opened() as service:
        found = machines.activate(
            service.actions, owner_of(service, tenant), fingerprint=fingerprint, name=name, platform=platform, by=who()
        )
        out.print(f"Active: {found.id}")


@app.command()
def remove(machine: Annotated[str, typer.Argument(help="Its id, fingerprint or name.")], *, tenant: OfTenant) -> None:
    """Free a machine's place."""
    from glue.actions import machines

    with reporting_errors(), opened() as service:
        machines.deactivate(service.actions, owner_of(service, tenant), machine, by=who())
        out.print("Removed.")
