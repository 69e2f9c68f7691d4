"""``glue do``: plain language to one command, shown before it runs."""

from typing import Annotated, Any

import typer


def command(
    text: Annotated[str | None, typer.Argument(help="What you want, in plain language.")] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask before running what changes something.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the command.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Show the command as one JSON object and stop.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="With --dry-run: {id, text} lines in, {id, command, args} lines out.")] = False,
) -> None:
    """Find the one command a sentence asks for, show it, and run it."""
    from glue.agents.router import NONE, route
    from glue.cli.json_lines import answer_texts, write_row

    if jsonl:
        if not dry_run:
            typer.echo("--jsonl only shows commands: add --dry-run.", err=True)
            raise typer.Exit(2)
        raise typer.Exit(answer_texts(_brief))
    if text is None:
        typer.echo("Say what you want.", err=True)
        raise typer.Exit(2)
    routed = route(text)
    argv = compose_argv(routed.command, routed.args, text)
    if as_json:
        write_row({"command": routed.command, "args": routed.args, "argv": argv, "confidence": routed.confidence, "why": routed.why})
        return
    if routed.command == NONE:
        typer.echo(f"Nothing to run: {routed.why}.")
        raise typer.Exit(0 if dry_run else 3)
    typer.echo(" ".join(["glue", *map(_shown, argv)]))
    if dry_run:
        return
    if routed.changes and not yes:
        typer.confirm("Run it?", abort=True)
    _execute(argv)


def _brief(text: str) -> dict[str, Any]:
    from glue.agents.router import route

    routed = route(text)
    return {"command": routed.command, "args": routed.args}


# Arguments that a command takes by position; all others are options of the same name.
_POSITIONAL = ("tenant", "license", "machine", "run", "ticket", "delivery", "file")
# Nouns whose object is something else: there a tenant only narrows the list.
_TENANT_IS_OPTION = ("licenses", "machines", "runs", "tickets", "feedback")
# Where a command calls a thing otherwise than people do; what the files would change is one command.
_CALLED = {("tenants", "status"): "standing", ("inbox", "status"): "state", ("runs", "status"): "state", ("machines", "license"): "tenant"}
_SAME = {"diff": "plan"}


def compose_argv(command: str, args: dict[str, str], text: str) -> list[str]:
    """The words after ``glue``; agent work gets the sentence itself."""
    words = [_SAME.get(word, word) for word in command.split()[1:]]
    if not words:
        return []
    if words[0] in ("quote", "run"):
        return [*words, text]
    for name, value in args.items():
        by_position = name in _POSITIONAL and not (name == "tenant" and words[0] in _TENANT_IS_OPTION) and (words[0], name) not in _CALLED
        words += [value] if by_position else [f"--{_CALLED.get((words[0], name), name)}", value]
    return words


def _shown(word: str) -> str:
    import shlex

    return shlex.quote(word)


def _execute(argv: list[str]) -> None:
    from glue.cli import NOUNS, build

    if argv[0] not in NOUNS:
        typer.echo(f"This installation has no command “glue {argv[0]}”.", err=True)
        raise typer.Exit(3)
    build(argv)(argv)
