"""``glue runs``: agent runs, and the conversations they leave behind."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def runs() -> None:
    """Keeps the verbs apart from the noun."""


@app.command()
def dedup(
    *,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="{id, messages} lines in, {a, b, label} lines out.")] = False,
) -> None:
    """Find conversations that are the same (duplicate) or nearly (near); reads them from standard input."""
    import sys

    from glue.agents.dedup import find_related, read_conversation
    from glue.cli.json_lines import read_rows, write_row

    conversations, failed = [], False
    for row in read_rows(sys.stdin, needs="messages"):
        try:
            conversations.append(read_conversation(row))
        except ValueError as error:
            failed = True
            write_row({"id": row.get("id"), "error": row.get("error") or str(error)})
    for pair in find_related(conversations):
        if jsonl:
            write_row({"a": pair.a, "b": pair.b, "label": pair.label})
        else:
            typer.echo(f"{pair.label:<10} {pair.a}  {pair.b}")
    raise typer.Exit(int(failed))
