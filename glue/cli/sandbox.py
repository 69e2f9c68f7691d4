"""``glue sandbox``: one server each for Lago, Keygen and the identity provider."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.command()
def identity(
    port: Annotated[int, typer.Option(help="Port of the provider; 0 takes a free one.")] = 0,
    control_port: Annotated[int, typer.Option(help="Port that moves the clock and resets; 0 takes a free one.")] = 0,
    state: Annotated[Path | None, typer.Option(help="Folder that keeps everything; without it nothing is kept.")] = None,
    clock: Annotated[Path | None, typer.Option(help="File of a clock shared with other sandboxes.")] = None,
    now: Annotated[str | None, typer.Option(help="Start at this instant (ISO 8601) instead of the present.")] = None,
    realm_file: Annotated[Path | None, typer.Option(help="A Keycloak realm file; ${ENV} and ${ENV:default} are resolved.")] = None,
    smtp: Annotated[str | None, typer.Option(help="HOST:PORT that mails go to, in place of the realm's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it listens as one line of JSON.")] = False,
) -> None:
    """An OpenID provider with hosted pages and Keycloak's admin API."""
    from glue.sandbox.clock import parse_instant
    from glue.sandbox.identity.launch import run

    run(
        port=port,
        control_port=control_port,
        state=state,
        as_json=as_json,
        clock_file=clock,
        now=parse_instant(now) if now else None,
        realm_file=realm_file,
        smtp=smtp,
    )


@app.command()
def keygen(
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.")] = 0,
    control_port: Annotated[int, typer.Option(help="Port that moves the clock, ages, resets and breaks; 0 takes a free one.")] = 0,
    state: Annotated[Path | None, typer.Option(help="Folder that keeps everything; without it nothing is kept.")] = None,
    clock: Annotated[Path | None, typer.Option(help="File of a clock shared with other sandboxes.")] = None,
    now: Annotated[str | None, typer.Option(help="Start at this instant (ISO 8601) instead of the present.")] = None,
    trust: Annotated[Path | None, typer.Option(help="PEM file of an authority that webhook receivers may be certified by.")] = None,
    resolve: Annotated[list[str] | None, typer.Option(help="NAME=ADDRESS of a webhook receiver; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it listens as one line of JSON.")] = False,
) -> None:
    """A Keygen 1.5.1 CE with one account: licenses, machines, files, webhooks."""
    from glue.sandbox.clock import parse_instant
    from glue.sandbox.keygen.server import run

    run(
        port=port,
        control_port=control_port,
        state=state,
        as_json=as_json,
        clock_file=clock,
        now=parse_instant(now) if now else None,
        trust=trust,
        resolve=dict(pair.split("=", 1) for pair in resolve or []),
    )


@app.command()
def lago(
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.")] = 0,
    control_port: Annotated[int, typer.Option(help="Port that moves the clock, runs jobs, resets and breaks; 0 takes a free one.")] = 0,
    state: Annotated[Path | None, typer.Option(help="Folder that keeps everything; without it nothing is kept.")] = None,
    clock: Annotated[Path | None, typer.Option(help="File of a clock shared with other sandboxes.")] = None,
    now: Annotated[str | None, typer.Option(help="Start at this instant (ISO 8601) instead of the present.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it listens as one line of JSON.")] = False,
) -> None:
    """A Lago 1.51.0, open-source edition: plans, subscriptions, usage, invoices, webhooks."""
    from glue.sandbox.clock import parse_instant
    from glue.sandbox.lago.server import run

    run(
        port=port,
        control_port=control_port,
        state=state,
        as_json=as_json,
        clock_file=clock,
        now=parse_instant(now) if now else None,
    )


@app.command()
def mail(
    port: Annotated[int, typer.Option(help="Port of the page and the JSON; 0 takes a free one.")] = 0,
    smtp_port: Annotated[int, typer.Option(help="Port that mails go to; 0 takes a free one.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Say where it listens as one line of JSON.")] = False,
) -> None:
    """A mail server that delivers nothing and shows everything."""
    from glue.sandbox.mail import run

    run(port=port, smtp_port=smtp_port, as_json=as_json)
