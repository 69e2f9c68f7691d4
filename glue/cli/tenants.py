"""``glue tenants``: customers as we know them: look, invite, change, suspend, end."""

from pathlib import Path
from secrets import token_hex
from typing import Annotated

import typer

from glue.cli.opened import AsJson, Tenant, known, opened, who
from glue.cli.printing import out, reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_tenants(
    *,
    standing: Annotated[str, typer.Option(help="Only those who stand so, for example past_due.")] = "",
    plan: Annotated[str, typer.Option(help="Only those on this plan: its tier's code.")] = "",
    limit: int = 100,
    as_json: AsJson = False,
) -> None:
    """Customers, newest first."""
    from sqlmodel import col, select

    from glue.converge.tenants import Tenant as Row
    from glue.db import System

    with reporting_errors(as_json=as_json), opened() as service:
        query = select(Row).order_by(col(Row.created_at).desc()).limit(limit)
        query = query.where(Row.standing == standing) if standing else query
        query = query.where(Row.tier == plan.lower()) if plan else query
        with service.database.read(System("an operator lists customers")) as session:
            rows = [(row.tenant_id, row.display_name, row.tier, row.standing, row.reason) for row in session.exec(query)]
    names = ("tenant", "name", "tier", "standing", "reason")
    if as_json:
        show_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show_table("", names, rows, empty="No customers.")


@app.command()
def show(tenant: Tenant, *, as_json: AsJson = False) -> None:
    """What we know about one customer, what is open, and what happened last."""
    from glue.converge.drift import open_drift
    from glue.converge.tenants import get_tenant
    from glue.converge.timeline import read_timeline
    from glue.rules.changes import value_in_words

    with reporting_errors(as_json=as_json), opened() as service:
        asked = known(service, tenant)
        with service.database.read(asked) as session:
            row = get_tenant(session, asked)
            lines, entries = open_drift(session, tenant=asked), read_timeline(session, asked, limit=20)
        if as_json:
            hidden = {"snapshot", "seen", "registration_key"}
            timeline = [entry.model_dump(mode="json") for entry in entries]
            show_json(row.model_dump(mode="json", exclude=hidden) | {"open": [vars(line) for line in lines], "timeline": timeline})
            return
        facts = [(name, getattr(row, name)) for name in ("display_name", "email", "tier", "standing", "reason", "intent", "blocked")]
        show_table("", ("fact", "value"), [*facts, ("overrides", row.overrides or "")])
        show_table(
            "\nOpen",
            ("field", "expected", "found", "state"),
            [(x.field, value_in_words(x.expected), value_in_words(x.found), x.state) for x in lines],
        )
        show_table("\nLately", ("at", "what", "why"), [(f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.text, entry.cause) for entry in entries])


@app.command()
def converge(tenant: Tenant) -> None:
    """Have a customer looked at as soon as a worker is free."""
    with reporting_errors(), opened() as service:
        service.look_at(known(service, tenant), why=f"{who()} asked for a look")
        out.print("Marked.")


@app.command()
def invite(
    tenant: Tenant,
    *,
    email: Annotated[str, typer.Option(help="Whom.")],
    role: Annotated[str, typer.Option(help="admin, billing or member.")] = "member",
) -> None:
    """Invite a person into a customer's team, if a seat is free."""
    from glue.actions import team

    with reporting_errors(), opened() as service:
        done = team.invite(service.actions, known(service, tenant), email=email, role=role, by=who(), nonce=token_hex(8))
        out.print("Invited." if done else "Keycloak does not answer; the invitation goes out as soon as it does.")


@app.command("change-plan")
def change_plan(tenant: Tenant, *, plan: Annotated[str, typer.Option(help="The tier's code, for example team.")]) -> None:
    """Move a customer to another plan: up at once, down at the period's end."""
    from glue.actions import plans

    with reporting_errors(), opened() as service:
        plans.change_plan(service.actions, known(service, tenant), plan.lower(), by=who())
        out.print("The plan changes at the next look.")


@app.command()
def cancel(tenant: Tenant, *, now: Annotated[bool, typer.Option("--now", help="At once instead of at the period's end.")] = False) -> None:
    """End a customer's subscription."""
    from glue.actions import plans

    with reporting_errors(), opened() as service:
        plans.cancel(service.actions, known(service, tenant), when="now" if now else "end", by=who())
        out.print("The subscription ends at the next look." if now else "The subscription ends with its period.")


@app.command()
def erase(
    tenant: Tenant,
    *,
    confirm: Annotated[str, typer.Option(prompt="The organization's name, to be sure", help="The organization's name, letter by letter.")],
) -> None:
    """Delete everything held about a customer whose subscription has ended. There is no way back."""
    from glue.actions import privacy

    with reporting_errors(), opened() as service:
        privacy.erase(service.actions, known(service, tenant), confirm=confirm, by=who())
        out.print("It is erased at the next look.")


@app.command()
def suspend(
    tenant: Tenant, *, reason: Annotated[str, typer.Option(prompt="Reason (the customer reads it)", help="The customer reads it.")]
) -> None:
    """Lock a customer out until `resume`."""
    from glue.actions import privacy

    with reporting_errors(), opened() as service:
        privacy.block(service.actions, known(service, tenant), reason=reason, by=who())
        out.print("Suspended.")


@app.command()
def resume(tenant: Tenant) -> None:
    """Let a customer in again."""
    from glue.actions import privacy

    with reporting_errors(), opened() as service:
        privacy.unblock(service.actions, known(service, tenant), by=who())
        out.print("Let in again.")


@app.command()
def grant(
    tenant: Tenant,
    *,
    seats: int | None = None,
    machines: int | None = None,
    programs: int | None = None,
    limit: Annotated[list[str], typer.Option(help="meter=units, or meter=unlimited; may be repeated.")] = [],  # noqa: B006
    feature: Annotated[list[str], typer.Option(help="feature=on or feature=off; may be repeated.")] = [],  # noqa: B006
) -> None:
    """Set what a customer has on top of its tier: exactly this; without options the tier alone."""
    from glue.actions.grants import grant as grant_overrides
    from glue.actions.grants import parse_overrides

    with reporting_errors(), opened() as service:
        overrides = parse_overrides(service.tiers, seats=seats, machines=machines, programs=programs, limits=limit, features=feature)
        grant_overrides(service.actions, known(service, tenant), overrides, by=who())
        out.print("Granted.")


@app.command()
def export(
    tenant: Tenant, *, to: Annotated[Path | None, typer.Option(help="File to write, a ZIP; named after the customer when left out.")] = None
) -> None:
    """Everything held about a customer, as the customer gets it."""
    from glue.actions import privacy

    with reporting_errors(), opened() as service:
        asked = known(service, tenant)
        file = to or Path(f"{asked}.zip")
        file.write_bytes(privacy.export(service.actions, asked))
        out.print(f"Written: {file}")
