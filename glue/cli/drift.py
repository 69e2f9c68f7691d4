"""``glue drift``: where the three systems differ from what they should say, why, and what was done about it."""

from datetime import timedelta
from typing import Annotated

import typer

from glue.cli.opened import AsJson, known, opened, who
from glue.cli.printing import out, reporting_errors, show_json, show_table
from glue.errors import BadInput
from glue.rules.names import TenantId

app = typer.Typer(no_args_is_help=True)
MaybeTenant = Annotated[str, typer.Argument(help="Only this customer: its id, name or mail address.", metavar="[TENANT]")]


@app.command()
def show(tenant: MaybeTenant = "", *, mended_days: int = 0, as_json: AsJson = False) -> None:
    """What waits for a person; with --mended-days also what was found and put right."""
    from glue.converge.drift import mended_drift, open_drift
    from glue.db import System
    from glue.rules.changes import value_in_words

    with reporting_errors(as_json=as_json), opened() as service:
        since = service.clock.now() - timedelta(days=mended_days)
        with service.database.read(System("an operator reads the drift of all customers")) as session:
            lines = open_drift(session) + (mended_drift(session, since=since) if mended_days else [])
        if tenant:
            asked = known(service, tenant)
            lines = [line for line in lines if line.tenant == asked]
    if as_json:
        show_json([vars(line) for line in lines])
    else:
        rows = [
            (line.tenant, line.field, value_in_words(line.expected), value_in_words(line.found), line.state, line.cause) for line in lines
        ]
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
            decision, observed = service.converge.preview(TenantId(tenant))
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
def repair(
    tenant: MaybeTenant = "",
    *,
    field: Annotated[str, typer.Option(help="Decide against somebody's edit of it: our value is written again.")] = "",
) -> None:
    """Have what differs made right: one customer's, or everybody's who shows drift. What a person has to decide stays without --field."""
    from glue.converge.drift import decide_against, open_drift
    from glue.db import System

    with reporting_errors(), opened() as service:
        if tenant:
            asked = [known(service, tenant)]
        else:
            with service.database.read(System("an operator repairs the drift of all customers")) as session:
                asked = sorted({TenantId(line.tenant) for line in open_drift(session)})
        if field:
            if not tenant:
                raise BadInput("Whose?", field="tenant", expected="one customer, when a field is decided")
            with service.database.write(asked[0]) as session:
                decide_against(session, asked[0], field, by=who())
        for one in asked:
            service.look_at(one, why=f"{who()} asked for a repair")
        out.print(f"{len(asked)} to be looked at next.")


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
