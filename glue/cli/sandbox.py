"""``glue sandbox``: one server each for Lago, Keygen and the identity provider."""

import typer

app = typer.Typer(no_args_is_help=True)
