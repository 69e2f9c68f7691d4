"""``glue usage``: what customers used, how near their limits they are, and sending it to Lago again."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import typer

from glue.cli.days import Since, Until, span
from glue.cli.opened import AsJson, Tenant, known, opened, who
from glue.cli.printing import out, reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)
MIN = datetime(2000, 1, 1, tzinfo=UTC)


@app.command()
def show(tenant: Tenant, *, since: Since = "", until: Until = "", as_json: AsJson = False) -> None:
    """Used, reserved and left in the running period; with --since also day by day."""
    with reporting_errors(as_json=as_json), opened() as service:
        asked = known(service, tenant)
        usage = service.meter.usage_of(asked)
        days: list[tuple[str, str, Decimal]] = []
        first, end = span(since, until)
        if first:
            for meter in usage["meters"]:
                rows = service.meter.usage_by_day(asked, meter, since=first)
                days += [(row.day, meter, row.units) for row in rows if end is None or row.day < end.date().isoformat()]
    if as_json:
        show_json(usage | ({"days": [dict(zip(("day", "meter", "units"), day, strict=True)) for day in days]} if since else {}))
        return
    figures = [(code, row["used"], row["held"], row["limit"], row["remaining"]) for code, row in usage["meters"].items()]
    show_table("", ("meter", "used", "held", "limit", "remaining"), figures, empty="Nothing is metered yet.")
    if since:
        show_table("\nBy day", ("day", "meter", "units"), sorted(days), empty="Nothing was used.")


@app.command()
def stranded(*, as_json: AsJson = False) -> None:
    """Usage that fits into no open period, and the most it can be worth."""
    from glue.actions.stranded import price_stranded

    with reporting_errors(as_json=as_json), opened() as service:
        rows = [
            (item.fold_id, item.tenant, item.meter, item.units, price_stranded(service.actions, item, service.unit_prices), item.reason)
            for item in service.meter.flush.stranded()
        ]
    names = ("id", "tenant", "meter", "units", "most_cents", "reason")
    if as_json:
        show_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show_table("", names, rows, empty="Nothing is stranded.")


@app.command()
def bill(
    fold: Annotated[str, typer.Argument(help="Its id, as `stranded` shows it.", metavar="ID")],
    *,
    cents: Annotated[int, typer.Option(help="What the customer is asked for; 0 waives it.", min=0)],
) -> None:
    """Bill stranded usage with an invoice of its own, or waive it."""
    from glue.actions.stranded import bill_stranded

    with reporting_errors(), opened() as service:
        try:
            bill_stranded(service.actions, service.meter.flush, fold, cents=cents, by=who())
        finally:
            service.meter.committer.stop()
        out.print("Billed." if cents else "Waived.")


@app.command()
def replay(tenant: Tenant, *, since: Since = "", until: Until = "") -> None:
    """Send usage to Lago again, should it have lost some. What it has already is not counted twice."""
    with reporting_errors(), opened() as service:
        first, end = span(since, until)
        try:
            count = service.meter.send_again(known(service, tenant), since=first or MIN, until=end or service.clock.now())
        finally:
            service.meter.committer.stop()
        out.print(f"{count} events go out again with the next rounds.")
