"""``glue feedback``: what customers say and rate."""

import typer

from glue.cli.days import Since, Until, span
from glue.cli.opened import AsJson, OfTenant, known, opened
from glue.cli.printing import reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_feedback(*, tenant: OfTenant = "", since: Since = "", until: Until = "", limit: int = 50, as_json: AsJson = False) -> None:
    """Feedback, newest first. An address is shown only where its owner agreed to be written to."""
    with reporting_errors(as_json=as_json), opened() as service:
        first, end = span(since, until)
        of = known(service, tenant) if tenant else None
        rows, total = service.feedback.page(of=of, since=first, until=end, limit=limit)
    lines = [(f"{row.at:%Y-%m-%d %H:%M}", row.tenant_id, row.rating, row.page, row.author if row.contact else "", row.text) for row in rows]
    names = ("at", "tenant", "rating", "page", "contact", "text")
    if as_json:
        show_json({"total": total, "feedback": [dict(zip(names, line, strict=True)) for line in lines]})
    else:
        show_table("", names, lines, empty="No feedback.")


@app.command()
def themes(*, as_json: AsJson = False) -> None:
    """What feedback is about, by words, most first."""
    with reporting_errors(as_json=as_json), opened() as service:
        rows = service.feedback.themes()
    if as_json:
        show_json(dict(rows))
    else:
        show_table("", ("theme", "texts"), rows, empty="No feedback.")
