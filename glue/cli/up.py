"""``glue up``: the whole stack on this machine, left running."""

import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from glue.cli.printing import err, out, reporting_errors, show_json


def command(
    folder: Annotated[Path, typer.Option(help="Where the stack keeps its state; the next start goes on from there.")] = Path("var/up"),
    identity: Annotated[str, typer.Option(help="auto, keycloak or sandbox.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as one JSON object.")] = False,
) -> None:
    """Start everything, print a line per service and address, and stay until Ctrl-C, which stops everything."""
    from glue.ops.stack import Stack

    signal.signal(signal.SIGTERM, _interrupt)
    with reporting_errors(as_json=as_json), err.status("Starting") as status:
        stack = Stack(folder.absolute(), Path.cwd(), report=status.update).start(identity=identity)  # type: ignore[arg-type]
    with stack:
        addresses = stack.addresses()
        if as_json:
            show_json(addresses)
        else:
            width = max(map(len, addresses))
            for name, address in addresses.items():
                out.print(f"  {name:<{width}}  {address}", markup=False)
            out.print(f"\nIdentity: {stack.identity}. Logs: {stack.folder / 'logs'}. Ctrl-C stops everything.", markup=False)
        try:
            while all(process.running for process in stack.processes.values()):
                time.sleep(0.5)
            gone = next(name for name, process in stack.processes.items() if not process.running)
            err.print(f"[red]{gone} ended by itself[/]; see {stack.processes[gone].log}")
            raise typer.Exit(1)
        except KeyboardInterrupt:
            err.print("\nStopping")


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
