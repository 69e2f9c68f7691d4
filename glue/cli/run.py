"""``glue run``: quote, accept, watch, and take the files; or write a script that does it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from glue.agents.dispatcher import Dispatcher
    from glue.agents.views import RunView
    from glue.rules.names import TenantId


def command(
    text: Annotated[str, typer.Argument(help="What you want to have done, in plain language.")],
    *,
    tenant: Annotated[str, typer.Option(envvar="GLUE_TENANT", help="For which customer; it pays the credits.")] = "",
    without: Annotated[list[str] | None, typer.Option(help="Leave this optional step out; may be repeated.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept the quote without asking.")] = False,
    to: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("runs"),
    script: Annotated[Path | None, typer.Option(help="Write a script for this work instead of running it.")] = None,
    config_dir: Annotated[Path, typer.Option(envvar="GLUE_CONFIG_DIR", help="Folder that holds config/, for --script.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="The run as one JSON object; implies --yes.")] = False,
) -> None:
    """Carry out a piece of work under a binding price. Exit code 3: it waits for approval or was refused."""
    from glue.cli.printing import out, reporting_errors, show_json
    from glue.errors import BadInput

    with reporting_errors(as_json=as_json):
        if script is not None:
            _write_script(text, script, config_dir)
            return
        if not tenant:
            raise BadInput("Work is done for a customer.", field="tenant", expected="--tenant or GLUE_TENANT")
        run = _run(text, tenant, without or [], yes=yes or as_json, to=to)
        if as_json:
            show_json(run.model_dump(mode="json"))
        else:
            out.print(f"{run.id}: {run.state.replace('_', ' ')}, {run.cost} of {run.cap} credits. {run.error}".rstrip())
            for artifact in run.artifacts:
                out.print(f"  {to / run.id / artifact.name}")
    raise typer.Exit({"completed": 0, "waiting_approval": 3, "paused": 3}.get(run.state, 1))


def _run(text: str, tenant_id: str, without: list[str], *, yes: bool, to: Path) -> "RunView":
    from glue.cli.dispatching import dispatching
    from glue.cli.quote import show_quote
    from glue.rules.names import parse_tenant_id

    tenant = parse_tenant_id(tenant_id)
    with dispatching(carry_out=True) as dispatcher:
        quote = dispatcher.quote(tenant, text, asked_by="command line", without=without)
        if not yes:
            show_quote(quote)
            typer.confirm("Accept?", abort=True)
        run = watch(dispatcher, tenant, dispatcher.accept(tenant, quote.id, asked_by="command line", key=quote.id).id)
        for artifact in run.artifacts:
            place = to / run.id / Path(artifact.name).name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(dispatcher.artifact(tenant, run.id, artifact.name)[1])
        return run


def watch(dispatcher: "Dispatcher", tenant: "TenantId", run_id: str) -> "RunView":
    """Tell on standard error what happens until the run ends or waits for a person."""
    from glue.cli.printing import err

    last = 0
    while True:
        run = dispatcher.run_of(tenant, run_id)
        for event in dispatcher.events(tenant, run_id, after=last):
            last = event.number
            if event.kind.startswith("step_"):
                err.print(f"{event.kind.replace('_', ' ')}: {event.data.get('step')}", style="dim")
        if run.state not in {"queued", "running"}:
            return run
        time.sleep(0.1)


def _write_script(text: str, file: Path, config_dir: Path) -> None:
    from glue.agents.planning import plan_route
    from glue.agents.registry import load_registry
    from glue.agents.scripts import write_script
    from glue.agents.understanding import analyse
    from glue.cli.printing import out

    route = plan_route(analyse(text), load_registry(config_dir))
    file.write_text(write_script(text, route), encoding="utf-8")
    file.chmod(0o755)
    out.print(f"Wrote {file}. Run it with GLUE_URL and GLUE_TOKEN set.")
