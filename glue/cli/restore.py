"""``glue restore``: our state from a backup."""

from pathlib import Path
from typing import Annotated

import typer

from glue.cli.opened import opened, who
from glue.cli.printing import out, reporting_errors


def command(
    file: Annotated[Path, typer.Argument(help="What `glue backup` wrote.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Replace our state by a backup's, then have every customer looked at. Stop the service first; what was there is kept beside it."""
    from glue.clock import SystemClock
    from glue.converge.tenants import tenants_on_plan
    from glue.db import System
    from glue.dirty import mark_all
    from glue.ops.backup import restore_backup
    from glue.settings import load

    with reporting_errors():
        settings, now = load(), SystemClock().now()
        if not yes:
            typer.confirm(f"Replace the state at {settings.database_url.rpartition('@')[2]} by {file}?", abort=True)
        with opened(alone=True) as service:
            service.database.close()
            service.meter_database.close()
            manifest = restore_backup(
                file, database_url=settings.database_url, data_dir=settings.data_dir, aside=f".before-restore-{now:%Y%m%d-%H%M%S}"
            )
            service.prepare()
            with service.database.write(System("everything may have changed since the backup")) as session:
                tenants = tenants_on_plan(session, "")
                mark_all(session, tenants, why=f"{who()} restored {file.name}", now=service.clock.now())
        out.print(f"Restored from {manifest['made_at']}; {len(tenants)} customers are looked at after the next start.", markup=False)
