"""``glue cohorts``: who takes part in the beta, codes, the waiting list, and the switches that stop something at once."""

from typing import Annotated

import typer

from glue.cli.opened import AsJson, opened, who
from glue.cli.printing import out, reporting_errors, show_json, show_table

app = typer.Typer(no_args_is_help=True)
CohortCode = Annotated[str, typer.Argument(help="The cohort's code.", metavar="COHORT")]


@app.command("list")
def list_cohorts(*, as_json: AsJson = False) -> None:
    """Declared cohorts with their members."""
    with reporting_errors(as_json=as_json), opened() as service:
        counts = service.rollout.counts()
        rows = [
            (one.code, one.plan, *counts.get(one.code, (0, 0)), one.share, str(one.opens), str(one.ends), one.then)
            for one in service.rollout.cohorts
        ]
    names = ("cohort", "plan", "members", "ever", "share", "opens", "ends", "then")
    if as_json:
        show_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show_table("", names, rows, empty="No cohort is declared in config/cohorts.")


@app.command()
def codes(
    cohort: CohortCode,
    *,
    number: Annotated[int, typer.Option(help="How many codes.")] = 1,
    uses: Annotated[int, typer.Option(help="Registrations by each.")] = 1,
    days: Annotated[int, typer.Option(help="Days they are good for.")] = 30,
    note: Annotated[str, typer.Option(help="What they are for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make invitation codes. They are printed this once and kept as digests only."""
    with reporting_errors(as_json=as_json), opened() as service:
        made = service.invitations.issue(service.rollout.get(cohort).code, number=number, uses=uses, days=days, note=note, by=who())
    if as_json:
        show_json([one.code for one in made])
    else:
        out.print("\n".join(one.code for one in made))


@app.command()
def invite(cohort: CohortCode, *, number: Annotated[int, typer.Option("--next", help="How many, longest waiting first.")]) -> None:
    """Invite confirmed addresses of the waiting list."""
    with reporting_errors(), opened() as service:
        out.print(f"{service.waiting_list.invite_next(service.rollout.get(cohort), number, by=who())} invited.")


@app.command()
def stop(
    switch: Annotated[str, typer.Argument(help="registration, runs or flag:FEATURE.")],
    *,
    reason: Annotated[str, typer.Option(help="Kept, and shown to operators.")],
) -> None:
    """Turn something off for everybody, at once, in every process."""
    with reporting_errors(), opened() as service:
        service.switches.turn(switch, off=True, reason=reason, by=who(), features=service.features)
        out.print("Off.")


@app.command("go-on")
def go_on(switch: Annotated[str, typer.Argument(help="registration, runs or flag:FEATURE.")]) -> None:
    """Turn it on again."""
    with reporting_errors(), opened() as service:
        service.switches.turn(switch, off=False, reason="", by=who(), features=service.features)
        out.print("On.")


@app.command()
def switches(*, as_json: AsJson = False) -> None:
    """Turns of switches, newest first."""
    with reporting_errors(as_json=as_json), opened() as service:
        rows = [
            (f"{turn.at:%Y-%m-%d %H:%M:%S}", turn.name, "off" if turn.off else "on", turn.by, turn.reason)
            for turn in service.switches.history()
        ]
    names = ("at", "switch", "turned", "by", "reason")
    if as_json:
        show_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show_table("", names, rows, empty="Nothing was ever turned off.")
