"""``glue issues``: tickets as issues of a tracker (GitHub or Forgejo), and plans of milestones and issues."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from glue.cli.opened import AsJson, opened
from glue.cli.printing import out, reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)


@app.command()
def link(
    ticket: Annotated[str, typer.Argument(metavar="TICKET")],
    *,
    issue: Annotated[int, typer.Option(help="A known issue; without it a new one is reported.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Report a ticket as an issue, without personal data, and keep both together from then on."""
    with reporting_errors(as_json=as_json), opened() as service:
        found = service.issue_links.link(ticket, number=issue or None)
    if as_json:
        show_json({"ticket": ticket, "issue": found.number, "url": found.url})
    else:
        out.print(f"{ticket} is issue {found.number}. {found.url}".strip(), markup=False)


@app.command()
def sync() -> None:
    """Bring linked tickets and issues up to date now; a running service does so by itself."""
    with reporting_errors(), opened() as service:
        service.issue_links.poll()
        out.print("Up to date.")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="YAML or JSON with `milestones` and `issues`.", exists=True, dir_okay=False)],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the milestones and issues of a plan that are not there yet; known ones (by title) stay as they are."""
    from ruamel.yaml import YAML, YAMLError

    from glue.errors import BadInput
    from glue.support.plan_file import import_plan, parse_plan

    with reporting_errors(as_json=as_json), opened() as service:
        try:
            document = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
        except (YAMLError, UnicodeDecodeError) as error:
            raise BadInput(f"{file} is neither YAML nor JSON.", field="file", expected="milestones and issues") from error
        made = import_plan(service.issue_tracker, parse_plan(document), dry_run=dry_run)
    if as_json:
        show_json(
            {"milestones": made.milestones, "issues": made.issues, "known": made.known, "taken_out": made.taken_out, "dry_run": dry_run}
        )
        return
    rows = [("milestone", title) for title in made.milestones] + [("issue", title) for title in made.issues]
    show_table("Would be made" if dry_run else "Made", ("what", "title"), rows, empty="Nothing new.")
    out.print(f"{made.known} were there; {made.taken_out} pieces of personal data taken out.")


@app.command("export")
def export_file(*, as_json: AsJson = False) -> None:
    """The tracker's milestones and issues as a plan's file, on standard output: YAML, or JSON with --json."""
    from ruamel.yaml import YAML

    from glue.support.plan_file import export_plan

    with reporting_errors(as_json=as_json), opened() as service:
        plan = export_plan(service.issue_tracker)
    if as_json:
        sys.stdout.write(json.dumps(plan, indent=2, ensure_ascii=False) + "\n")
    else:
        writer = YAML()
        writer.width = 10_000
        writer.dump(plan, sys.stdout)
