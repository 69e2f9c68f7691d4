"""``glue issues``: tickets as issues at GitHub or Forgejo, and a plan of milestones and issues in one file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from glue.cli.opened import AsJson, opened
from glue.cli.printing import out, reporting_errors, show_json
from glue.errors import BadInput

app = typer.Typer(no_args_is_help=True)


@app.command("import")
def import_plan(
    file: Annotated[Path, typer.Argument(help="YAML or JSON; - reads standard input.")],
    *,
    preview: Annotated[bool, typer.Option("--preview", help="Only tell. Exit code 2 when something would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the milestones and issues that are missing, and open or close those the file says otherwise."""
    with reporting_errors(as_json=as_json), opened() as service:
        from glue.support.issue_plans import bring, parse_plan

        brought = bring(service.issue_tracker, parse_plan(_read(file)), write=not preview)
    if as_json:
        show_json({"milestones": brought.milestones, "issues": brought.issues, "changed": brought.changed})
    else:
        lines = [f"milestone  {title}" for title in brought.milestones] + [f"issue      {title}" for title in brought.issues]
        lines += [f"state of   {title}" for title in brought.changed]
        out.print("\n".join(lines) or "Everything is there.", markup=False, highlight=False)
    if preview and (brought.milestones or brought.issues or brought.changed):
        raise typer.Exit(2)


@app.command("export")
def export_plan(*, as_json: AsJson = False) -> None:
    """The tracker's milestones and issues as such a file, without what is personal."""
    with reporting_errors(as_json=as_json), opened() as service:
        from glue.support.issue_plans import read_tracker, write_plan

        sys.stdout.write(write_plan(read_tracker(service.issue_tracker), as_json=as_json))


@app.command()
def link(
    ticket: Annotated[str, typer.Argument(help="The ticket's id.")],
    *,
    issue: Annotated[int | None, typer.Option(help="Number of a known issue; without it a new one is made.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report a ticket as an issue, without what is personal; from then on both tell the same."""
    with reporting_errors(as_json=as_json), opened() as service:
        made = service.issue_links.link(ticket, number=issue)
    if as_json:
        show_json({"ticket": made.ticket_id, "issue": made.number, "url": made.url})
    else:
        out.print(f"{made.ticket_id} is issue {made.number} {made.url}".rstrip(), markup=False, highlight=False)


@app.command()
def sync(*, as_json: AsJson = False) -> None:
    """Bring every linked ticket and issue up to date now. Exit code 4 when one could not be."""
    with reporting_errors(as_json=as_json), opened() as service:
        failed = service.issue_links.poll()
    if as_json:
        show_json({"failed": failed})
    else:
        out.print(f"{failed} could not be brought up to date." if failed else "Both sides tell the same.")
    if failed:
        raise typer.Exit(4)


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read.", field="file", expected="a readable text file") from error
