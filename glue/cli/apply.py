"""``glue apply``: exactly the plan that was read."""

from typing import Annotated

import typer

from glue.cli.plan import show
from glue.cli.printing import err, out, reporting_errors, show_json


def command(
    digest: Annotated[str, typer.Argument(help="Digest of the plan that was read; without it the plan is shown and asked about.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for machines that just planned.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Make the systems say what the files declare. A killed run is finished by running it again."""
    from glue.adapters import adapters
    from glue.catalog.apply import apply_plan, plan_files

    with reporting_errors(as_json=as_json):
        services = adapters()
        systems = services.systems()
        with err.status("Reading the systems"):
            plan = plan_files(services.settings.config_dir, systems)
        if not as_json:
            show(plan)
        if plan.changes:
            if not digest and not yes:
                typer.confirm("Make these changes?", abort=True)
            with err.status("Applying") as status:
                apply_plan(plan, systems, digest=digest or plan.digest, progress=lambda change: status.update(change.name))
        if as_json:
            show_json({"applied": plan.as_json()})
        elif plan.changes:
            out.print(f"Applied {len(plan.changes)} changes.")
