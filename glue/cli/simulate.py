"""``glue simulate``: let time pass and outages happen in the sandboxes of a running ``glue up``."""

import os
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from glue.cli.printing import err, out, reporting_errors
from glue.errors import BadInput, NotFound

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Option(help="Where `glue up` keeps its state.")]
UP = Path("var/up")


@app.command("time")
def move_time(
    *,
    days: Annotated[float, typer.Option(help="How far to go on.")] = 0,
    to: Annotated[str, typer.Option(help="Or an instant to go to, ISO 8601 with a time zone.")] = "",
    folder: Folder = UP,
) -> None:
    """Let days pass: invoices, trials, expiries and jobs fall due as in life. There is no way back."""
    import httpx

    with reporting_errors():
        facts = _facts(folder)
        if to:
            body: dict[str, object] = {"now": _instant(to).isoformat()}
        elif days > 0:
            body = {"advance_seconds": timedelta(days=days).total_seconds()}
        else:
            raise BadInput("How far?", field="days", expected="a number above 0, or --to")
        with err.status("Time passes"):
            # One clock is shared by both; the second call waits for what fell due in the other system.
            for number, name in enumerate(("LAGO_CONTROL", "KEYGEN_CONTROL")):
                answer = httpx.post(f"{facts[name]}/clock", json=body if number == 0 else {}, timeout=300, trust_env=False)
                answer.raise_for_status()
        out.print(f"It is now {answer.json()['now']}.")


@app.command()
def outage(
    system: Annotated[Literal["keycloak", "lago", "keygen", "mail"], typer.Argument(help="Which.")],
    *,
    seconds: Annotated[float, typer.Option(help="How long.", min=0.1, max=3600)] = 30,
    folder: Folder = UP,
) -> None:
    """Let a system hang: it takes connections and does not answer; then it goes on. Ctrl-C ends the outage early."""
    with reporting_errors():
        process = int(_facts(folder)[f"{system.upper()}_PID"])
        try:
            os.kill(process, signal.SIGSTOP)
        except ProcessLookupError as error:
            raise NotFound(f"{system} does not run any more.", remedy="Start `glue up`.") from error
        try:
            with err.status(f"{system} hangs for {seconds:g} seconds"):
                time.sleep(seconds)
        finally:
            os.kill(process, signal.SIGCONT)
        out.print(f"{system} answers again.")


def _facts(folder: Path) -> dict[str, str]:
    """What a running stack left behind. Raises NotFound."""
    file = folder / "settings.env"
    if not file.exists():
        raise NotFound(f"No stack keeps its state in {folder}.", remedy="Start `glue up`, or name its --folder.")
    lines = (line.partition("=") for line in file.read_text(encoding="utf-8").splitlines())
    return {name: value.strip("'") for name, _, value in lines}


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BadInput("This is not an instant.", field="to", expected="for example 2027-01-31T12:00+00:00")
    return found
