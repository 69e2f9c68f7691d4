"""Spans of whole days, as commands take them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from glue.errors import BadInput

Since = Annotated[str, typer.Option(help="First day, YYYY-MM-DD.")]
Until = Annotated[str, typer.Option(help="Last day, YYYY-MM-DD.")]


def span(since: str, until: str) -> tuple[datetime | None, datetime | None]:
    """[first moment, end) in UTC; None where no day was given. Raises BadInput."""
    return _day(since, "since"), (day + timedelta(days=1) if (day := _day(until, "until")) else None)


def _day(text: str, field: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadInput("This is not a day.", field=field, expected="YYYY-MM-DD") from error
