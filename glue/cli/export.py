"""``glue export``: files from running systems."""

from pathlib import Path
from typing import Annotated

import typer

from glue.cli.printing import out, reporting_errors


def command(folder: Annotated[Path, typer.Argument(help="Folder to write into; files of the same name are replaced.")]) -> None:
    """Write what Lago holds as declared files: export, then plan, is empty."""
    from glue.adapters import adapters
    from glue.catalog.export import export_lago

    with reporting_errors():
        for file in export_lago(adapters().lago, folder):
            out.print(str(file), markup=False)
