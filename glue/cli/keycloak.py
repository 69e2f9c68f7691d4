"""``glue keycloak``: install, prepare and start a real Keycloak on this machine."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn

from glue.cli.printing import err, reporting_errors
from glue.ops import keycloak_install as installed
from glue.ops.keycloak_prepared import archive_classes
from glue.ops.keycloak_prepared import prepare as prepare_realm
from glue.ops.keycloak_server import REALM_FOLDER
from glue.ops.keycloak_server import start as start_server

app = typer.Typer(no_args_is_help=True)

Repository = Annotated[
    str,
    typer.Option(
        envvar="GLUE_MAVEN_REPOSITORY", help="Base address of a Maven repository, for a host without Maven; default Maven Central."
    ),
]
RealmFolder = Annotated[Path, typer.Option(help="Folder with the realm file and the themes.", exists=True, file_okay=False)]


@app.command()
def install(repository: Repository = "") -> None:
    """Fetch, check, unpack and build Keycloak in the cache (some 360 MB); nothing to do when it is there."""
    with _told() as report:
        folder = installed.install(repository=repository, report=report)
        java = installed.get_java()
    typer.echo(f"Keycloak {installed.VERSION} is in {folder}; it runs on Java {java.major} from {java.source} ({java.home}).")


@app.command()
def prepare(repository: Repository = "", realm_folder: RealmFolder = REALM_FOLDER) -> None:
    """Install, import the realm once and archive Java's classes (166 MB), so that every later start is quick."""
    with _told() as report:
        installed.install(repository=repository, report=report)
        folder = prepare_realm(realm_folder, _given(), report=report)
        archived = archive_classes(folder, realm_folder, report=report)
    typer.echo(f"The realm is prepared in {folder}{'' if archived else '; this Java is too old for an archive of classes'}.")


@app.command()
def start(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 0,
    management_port: Annotated[int, typer.Option(help="Port of health and metrics on loopback; 0 takes a free one.")] = 0,
    home: Annotated[Path | None, typer.Option(help="Folder that keeps the data; without it they go with the server.")] = None,
    realm_folder: RealmFolder = REALM_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON, with all secrets, when ready.")] = False,
) -> None:
    """Start Keycloak with the realm and stay until Ctrl-C or SIGTERM.

    GLUE_… variables in the environment fill the placeholders of the realm file; secrets that are not given are made up.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with _told() as report:
            running = start_server(
                realm_folder=realm_folder, values=_given(), port=port, management_port=management_port, home=home, report=report
            )
        with running:
            facts = running.facts()
            shown = {name: value for name, value in facts.items() if not name.endswith("_secret")}  # not on a screen; --json has them
            typer.echo(json.dumps(facts) if as_json else "\n".join(f"{name:>20}  {value}" for name, value in shown.items()))
            sys.stdout.flush()
            code = running.process.popen.wait() if running.process else 0
            err.print(f"Keycloak ended by itself with code {code}; see {running.log_file}.", markup=False)
            raise typer.Exit(1)
    except KeyboardInterrupt:
        err.print("Stopped.")


def _interrupt(_: int, __: object) -> None:
    raise KeyboardInterrupt


def _given() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("GLUE_") and value}


@contextmanager
def _told() -> Iterator[installed.Report]:
    """Show progress on a terminal (on stderr), one line a step elsewhere; turn errors into a message and an exit code."""
    bar = Progress(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=err, transient=True)

    def report(what: str, done: int, whole: int) -> None:
        if not bar.tasks or bar.tasks[-1].description != what:
            for earlier in bar.tasks:
                bar.update(earlier.id, visible=False)
            bar.add_task(what, total=whole or None)
            if not err.is_terminal:
                err.print(f"{what} …")
        bar.update(bar.tasks[-1].id, completed=done, total=whole or None)

    with reporting_errors(), bar if err.is_terminal else nullcontext():
        yield report
