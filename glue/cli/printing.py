"""How commands print: tables for people, JSON for machines, progress on standard error, errors as three short lines."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from glue import errors

EXIT = {
    errors.ConfigInvalid: 2,
    errors.BadInput: 2,
    errors.NotAllowed: 3,
    errors.LimitReached: 3,
    errors.Conflict: 3,
    errors.UnsafePlan: 3,
    errors.UpstreamUnavailable: 4,
    errors.Unavailable: 4,
}

out = Console(no_color="NO_COLOR" in os.environ, highlight=False, soft_wrap=True)
err = Console(stderr=True, no_color="NO_COLOR" in os.environ, highlight=False, soft_wrap=True)


def show_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str = "Nothing here.") -> None:
    """A table, or one sentence when there is nothing to show."""
    if not rows:
        out.print(empty)
        return
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, no_wrap=place == 0)  # the first names the row: never cut, so that it can be copied
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table)


@contextmanager
def reporting_errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn our errors into words (or a JSON object) and the documented exit code."""
    try:
        yield
    except errors.GlueError as error:
        if as_json:
            show_json({"error": {"code": error.code, "title": error.title, "detail": error.detail, "remedy": error.remedy, **error.fields}})
        else:
            err.print(f"[bold red]{error.title}[/]", error.detail, sep="\n", markup=True)
            if error.remedy:
                err.print(f"[dim]{error.remedy}[/]")
        raise typer.Exit(next((code for kind, code in EXIT.items() if isinstance(error, kind)), 1)) from error
