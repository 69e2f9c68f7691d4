"""``glue runs``: agent runs, and the conversations they leave behind."""

from typing import Annotated

import typer

from glue.cli.days import Since, Until, span

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


_Tenant = Annotated[str, typer.Option("--tenant", envvar="GLUE_TENANT", help="Whose run it is.")]
_AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_runs(
    *,
    tenant: Annotated[str, typer.Option(envvar="GLUE_TENANT", help="Only this customer's.")] = "",
    state: Annotated[str, typer.Option(help="Only those in this state, for example failed.")] = "",
    since: Since = "",
    until: Until = "",
    limit: int = 50,
    as_json: _AsJson = False,
) -> None:
    """Runs, newest first."""
    from glue.cli.dispatching import customer, dispatching
    from glue.cli.printing import reporting_errors, show_json, show_table

    with reporting_errors(as_json=as_json), dispatching() as dispatcher:
        first, end = span(since, until)
        found = dispatcher.runs(customer(tenant) if tenant else None, state=state, since=first, until=end, limit=limit)
        if as_json:
            show_json([run.model_dump(mode="json") for run in found])
        else:
            show_table(
                "",
                ["run", "customer", "state", "credits", "cap", "request"],
                [(r.id, r.tenant, r.state, r.cost, r.cap, r.text[:60]) for r in found],
            )


@app.command()
def show(run: str, *, tenant: _Tenant, as_json: _AsJson = False) -> None:
    """A run with its steps and files."""
    _act("run_of", run, tenant, as_json=as_json)


@app.command()
def cancel(run: str, *, tenant: _Tenant, as_json: _AsJson = False) -> None:
    """Stop a run: what was done is paid, the rest of its credits goes back."""
    _act("cancel", run, tenant, as_json=as_json, asked_by="command line")


@app.command()
def pause(run: str, *, tenant: _Tenant, as_json: _AsJson = False) -> None:
    """Stop before the next step."""
    _act("pause", run, tenant, as_json=as_json, asked_by="command line")


@app.command()
def resume(run: str, *, tenant: _Tenant, as_json: _AsJson = False) -> None:
    """Carry a paused run on, as soon as a worker runs."""
    _act("resume", run, tenant, as_json=as_json, asked_by="command line")


@app.command()
def approve(
    run: str,
    *,
    tenant: _Tenant,
    extra: Annotated[int | None, typer.Option(help="Credits on top of the cap.")] = None,
    as_json: _AsJson = False,
) -> None:
    """Let a run that reached its cap spend more."""
    _act("approve", run, tenant, as_json=as_json, asked_by="command line", extra=extra)


@app.command("retry-step")
def retry_step(run: str, step: str, *, tenant: _Tenant, as_json: _AsJson = False) -> None:
    """Do a failed step of a failed run again."""
    _act("retry_step", run, tenant, step, as_json=as_json, asked_by="command line")


@app.command()
def export(
    run: str, *, tenant: _Tenant, form: Annotated[str, typer.Option("--format", help="markdown, json or html.")] = "markdown"
) -> None:
    """A run with its files as one document on standard output."""
    from glue.agents.library import EXPORT_TYPES
    from glue.cli.dispatching import customer, dispatching
    from glue.cli.printing import reporting_errors
    from glue.errors import BadInput

    with reporting_errors():
        chosen = next((known for known in EXPORT_TYPES if known == form), None)
        if chosen is None:
            raise BadInput("There is no such format.", field="format", expected=", ".join(EXPORT_TYPES))
        with dispatching() as dispatcher:
            typer.echo(dispatcher.library.export(customer(tenant), run, form=chosen))


@app.command()
def search(words: str, *, tenant: _Tenant, as_json: _AsJson = False) -> None:
    """Requests and files with all these words."""
    from glue.cli.dispatching import customer, dispatching
    from glue.cli.printing import reporting_errors, show_json, show_table

    with reporting_errors(as_json=as_json), dispatching() as dispatcher:
        found = dispatcher.library.search(customer(tenant), words)
        if as_json:
            show_json([hit.model_dump(mode="json") for hit in found])
        else:
            show_table("", ["run", "file", "text"], [(hit.run_id, hit.name, hit.excerpt[:80]) for hit in found])


@app.command()
def checkpoint(run: str, name: str, *, tenant: _Tenant) -> None:
    """Name the present state of a run's files."""
    from glue.cli.dispatching import customer, dispatching
    from glue.cli.printing import out, reporting_errors

    with reporting_errors(), dispatching() as dispatcher:
        kept = dispatcher.library.keep(customer(tenant), run, name, by="command line")
        out.print(f"Kept: {kept.name}, {kept.files} files.", markup=False)


@app.command()
def checkpoints(
    run: str,
    *,
    tenant: _Tenant,
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones too.")] = False,
    as_json: _AsJson = False,
) -> None:
    """Named states of a run's files, oldest first."""
    from glue.cli.dispatching import customer, dispatching
    from glue.cli.printing import reporting_errors, show_json, show_table

    with reporting_errors(as_json=as_json), dispatching() as dispatcher:
        found = dispatcher.library.checkpoints(customer(tenant), run, archived=archived)
        if as_json:
            show_json([one.model_dump(mode="json") for one in found])
        else:
            show_table("", ["name", "files", "by", "at"], [(one.name, one.files, one.by, one.at) for one in found], empty="No checkpoints.")


@app.command()
def compare(
    run: str,
    first: str,
    second: Annotated[str, typer.Argument(help="Another checkpoint; the present state when left out.")] = "",
    *,
    tenant: _Tenant,
    as_json: _AsJson = False,
) -> None:
    """Which files differ between two checkpoints, or one and now."""
    from glue.cli.dispatching import customer, dispatching
    from glue.cli.printing import reporting_errors, show_json, show_table

    with reporting_errors(as_json=as_json), dispatching() as dispatcher:
        found = dispatcher.library.compare(customer(tenant), run, first, second or None)
        if as_json:
            show_json(found.model_dump(mode="json"))
        else:
            rows = [(kind, name) for kind in ("added", "removed", "changed") for name in getattr(found, kind)]
            show_table("", ["what", "file"], rows, empty="They are the same.")


@app.command("roll-back")
def roll_back(run: str, name: str, *, tenant: _Tenant) -> None:
    """Bring a run's files back to a checkpoint; what is there is kept as one first."""
    from glue.cli.dispatching import customer, dispatching
    from glue.cli.printing import out, reporting_errors

    with reporting_errors(), dispatching() as dispatcher:
        found = dispatcher.library.restore(customer(tenant), run, name, by="command line")
        out.print(f"{len(found.added)} files back, {len(found.removed)} away, {len(found.changed)} as they were.")


@app.command()
def archive(run: str, name: str, *, tenant: _Tenant) -> None:
    """Put a checkpoint out of sight; it can still be rolled back to."""
    from glue.cli.dispatching import customer, dispatching
    from glue.cli.printing import out, reporting_errors

    with reporting_errors(), dispatching() as dispatcher:
        dispatcher.library.archive(customer(tenant), run, name)
        out.print("Archived.")


def _act(verb: str, run_id: str, tenant: str, *more: str, as_json: bool, **said: str | int | None) -> None:
    from glue.cli.dispatching import customer, dispatching
    from glue.cli.printing import out, reporting_errors, show_json, show_table

    with reporting_errors(as_json=as_json), dispatching() as dispatcher:
        run = getattr(dispatcher, verb)(customer(tenant), run_id, *more, **said)
        if as_json:
            show_json(run.model_dump(mode="json"))
            return
        out.print(f"{run.id}: {run.state.replace('_', ' ')}, {run.cost} of {run.cap} credits. {run.error}".rstrip())
        show_table("", ["step", "agent", "state", "credits", "tokens"], [(s.name, s.agent, s.state, s.cost, s.tokens) for s in run.steps])
        show_table("", ["file", "title", "bytes"], [(a.name, a.title, a.bytes) for a in run.artifacts], empty="No files yet.")
