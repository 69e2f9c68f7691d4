"""``glue backup``: our state in one file."""

from pathlib import Path
from typing import Annotated

import typer

from glue.cli.printing import err, out, reporting_errors, show_json


def command(
    to: Annotated[Path | None, typer.Option(help="File to write; glue-DATE-TIME.tar.gz here when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest.")] = False,
) -> None:
    """Copy customers, usage, runs and files into one file while the service runs. It holds personal data: keep it as safe as the database."""
    from glue.clock import SystemClock
    from glue.ops.backup import write_backup
    from glue.settings import load

    with reporting_errors(as_json=as_json):
        settings, now = load(), SystemClock().now()
        target = to or Path(f"glue-{now:%Y%m%d-%H%M%S}.tar.gz")
        with err.status("Copying the stores") as status:
            manifest = write_backup(
                target, database_url=settings.database_url, data_dir=settings.data_dir, now=now,
                report=lambda what, done, total: status.update(f"{what} {done} of {total}"),
            )  # fmt: skip
        if as_json:
            show_json({"file": str(target), **manifest})
        else:
            out.print(f"Written: {target}, {len(manifest['files'])} files, {target.stat().st_size:,} bytes.", markup=False)
