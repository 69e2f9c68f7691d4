"""``glue plan``: what applying the files would change."""

from typing import Annotated

import typer

from glue.cli.printing import err, out, reporting_errors, show_json


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Compare the declared files with Keycloak, Lago and Keygen. Exit code 0: nothing to do, 2: changes."""
    from glue.adapters import adapters
    from glue.catalog.apply import plan_files

    with reporting_errors(as_json=as_json):
        services = adapters()
        with err.status("Reading the systems") as status:
            plan = plan_files(services.settings.config_dir, services.systems(), progress=lambda name: status.update(f"Reading {name}"))
        if as_json:
            show_json(plan.as_json())
        else:
            show(plan)
        if plan.changes:
            raise typer.Exit(2)


def show(plan: object) -> None:
    """Print a plan, grouped by system, then what is there without being declared."""
    from glue.catalog.plan import Plan

    if not isinstance(plan, Plan):
        raise TypeError("a Plan is expected")
    if not plan.changes:
        out.print("No changes: the systems are as the files declare.")
        return
    system = ""
    for change in plan.changes:
        if change.declared.system != system:
            system = change.declared.system
            out.print(f"\n[bold]{system.capitalize()}[/]")
        sign, color = ("+", "green") if change.action == "create" else ("~", "yellow")
        out.print(f"  [{color}]{sign} {change.declared.kind} {change.declared.key}[/]")
        if change.action == "update":
            for difference in change.differences:
                out.print(f"      {difference.place}: {difference.before!r} → {difference.after!r}", markup=False)
        if change.refusal:
            out.print(f"      [red]refused:[/] {change.refusal}")
    creates = sum(change.action == "create" for change in plan.changes)
    out.print(f"\n{creates} to create, {len(plan.changes) - creates} to change. Plan [bold]{plan.digest}[/].")
