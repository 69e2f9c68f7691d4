"""``glue inbox``: what came in, what was made of it, and what nobody can know without asking a person."""

from typing import Annotated

import typer

from glue.cli.days import Since, Until, span
from glue.cli.opened import AsJson, opened, who
from glue.cli.printing import out, reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_deliveries(
    *,
    source: Annotated[str, typer.Option(help="lago, keygen or keycloak.")] = "",
    state: Annotated[str, typer.Option(help="understood or parked.")] = "",
    since: Since = "",
    until: Until = "",
    limit: int = 50,
    as_json: AsJson = False,
) -> None:
    """Deliveries, newest first."""
    with reporting_errors(as_json=as_json), opened() as service:
        first, end = span(since, until)
        rows, total = service.deliveries.page(source=source, state=state, since=first, until=end, limit=limit)
    lines = [(row.id, f"{row.received_at:%Y-%m-%d %H:%M:%S}", row.source, row.kind, row.state, row.tenants) for row in rows]
    names = ("id", "at", "source", "kind", "state", "tenants")
    if as_json:
        show_json({"total": total, "deliveries": [dict(zip(names, line, strict=True)) for line in lines]})
    else:
        show_table("", names, lines, empty="Nothing came in.")


@app.command()
def replay(delivery: Annotated[int, typer.Argument(help="Its number, as `list` shows it.")]) -> None:
    """Look again at the customers a delivery named."""
    with reporting_errors(), opened() as service:
        out.print(f"Marked: {', '.join(service.deliveries.replay(delivery)) or 'nobody'}")


@app.command()
def drain() -> None:
    """Converge everything that is due, in this process. Exit code 1 when something has to be tried again."""
    with reporting_errors(), opened(alone=True) as service:
        outcomes = service.worker.run_until_empty()
    again = [outcome for outcome in outcomes if outcome.retry_after_seconds is not None]
    out.print(f"{len(outcomes)} looked at, {sum(len(outcome.written) for outcome in outcomes)} fields written, {len(again)} to try again.")
    if again:
        raise typer.Exit(1)


@app.command()
def unclear(*, as_json: AsJson = False) -> None:
    """Effects that may have happened or were refused: only a person can say."""
    with reporting_errors(as_json=as_json), opened() as service:
        rows = [(row.key, row.kind, row.state, row.tenant_id, row.error) for row in service.effects.list_unclear()]
    names = ("key", "kind", "state", "tenant", "error")
    if as_json:
        show_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show_table("", names, rows, empty="Everything is clear.")


@app.command("send-again")
def send_again(key: str) -> None:
    """Let an unclear effect happen (again)."""
    with reporting_errors(), opened() as service:
        tenant = service.effects.send_again(key)
        service.look_at(tenant, why=f"{who()} had {key} sent again")
        out.print("It is sent at the next look.")
