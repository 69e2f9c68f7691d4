"""``glue doctor``: what is wrong with this installation, and how to mend it."""

import os
from typing import Annotated

import typer

from glue.cli.printing import out, reporting_errors, show_json


def command(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Check settings, database, clocks, keys and that the three systems answer. Exit code 1 when something is wrong."""
    from glue.adapters import adapters
    from glue.ops.doctor import examine

    with reporting_errors(as_json=as_json):
        services = adapters()
        findings = list(examine(services.settings, dict(os.environ), clock=services.clock, pins=services.pins()))
    if as_json:
        show_json([finding.__dict__ for finding in findings])
    else:
        for finding in findings:
            mark = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "error": "[red]✗[/]"}[finding.level]
            out.print(f"{mark} {finding.subject:<22} {finding.detail}")
            if finding.mend:
                out.print(f"  [dim]{finding.mend}[/]")
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)
