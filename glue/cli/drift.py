"""``glue drift``: where the three systems differ from what they should say, why, and what was done about it."""

from datetime import timedelta

import typer

from glue.cli.opened import AsJson, Tenant, known, opened, who
from glue.cli.printing import out, reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(*, mended_days: int = 0, as_json: AsJson = False) -> None:
    """What waits for a person; with --mended-days also what was found and put right."""
    from glue.converge.drift import mended_drift, open_drift
    from glue.db import System

    with reporting_errors(as_json=as_json), opened() as service:
        since = service.clock.now() - timedelta(days=mended_days)
        with service.database.read(System("an operator reads the drift of all customers")) as session:
            lines = open_drift(session) + (mended_drift(session, since=since) if mended_days else [])
    if as_json:
        show_json([vars(line) for line in lines])
    else:
        rows = [(line.tenant, line.field, line.expected, line.found, line.state, line.cause) for line in lines]
        show_table("", ("tenant", "field", "expected", "found", "state", "cause"), rows, empty="No drift.")


@app.command()
def check(*, as_json: AsJson = False) -> None:
    """Read everybody's three systems now and say what differs, changing nothing. Exit code 1 when something does."""
    from sqlmodel import col, select

    from glue.converge.tenants import Tenant as Row
    from glue.db import System

    differing = []
    with reporting_errors(as_json=as_json), opened() as service:
        with service.database.read(System("drift is proven for all customers")) as session:
            tenants = list(session.exec(select(Row.tenant_id).where(col(Row.erased_at).is_(None))))
        for tenant in tenants:
            decision, observed = service.converge.preview(known(tenant))
            names = [change.name for change in decision.changes] + [item.name for item in decision.findings]
            names += [f"{part} (could not be read)" for part in sorted(observed.failed)]
            if names:
                differing.append({"tenant": tenant, "fields": names})
    if as_json:
        show_json({"tenants": len(tenants), "differing": differing})
    else:
        rows = [(item["tenant"], ", ".join(item["fields"])) for item in differing]
        show_table("", ("tenant", "differs in"), rows, empty=f"No drift: {len(tenants)} customers tell one story.")
    if differing:
        raise typer.Exit(1)


@app.command()
def restore(tenant: Tenant, field: str) -> None:
    """Decide against somebody's edit: our value is written again."""
    from glue.converge.drift import decide_against

    with reporting_errors(), opened() as service:
        with service.database.write(known(tenant)) as session:
            decide_against(session, known(tenant), field, by=who())
        service.look_at(known(tenant), why=f"{who()} decided about {field}")
        out.print("It is written again at the next look.")


@app.command()
def confirm() -> None:
    """Let losses happen that were held because many customers would have lost something at once."""
    from glue.converge.breaker import confirm_losses
    from glue.db import System
    from glue.dirty import Priority, mark_all

    with reporting_errors(), opened() as service:
        now = service.clock.now()
        with service.database.write(System("an operator confirms what the breaker holds")) as session:
            waiting = confirm_losses(session, now=now, by=who())
            mark_all(session, waiting, why=f"{who()} confirmed the losses", now=now, priority=Priority.HINT)
        out.print(f"Confirmed for {len(waiting)} customers.")
