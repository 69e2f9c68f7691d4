"""``glue agents``: the registry, what a request would need, and how well quotes held."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def agents() -> None:
    """Keeps the verbs apart from the noun."""


@app.command()
def analyse(
    text: Annotated[str | None, typer.Argument(help="The request, in English, German, Spanish, French or Portuguese.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The whole analysis as one JSON object.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Read {id, text} lines from standard input, answer each with one line.")] = False,
) -> None:
    """Say what a request asks for: task type, complexity, extras, and the words that decided."""
    from dataclasses import asdict

    from glue.agents.understanding import analyse as analyse_text
    from glue.cli.json_lines import Row, answer_texts, write_row

    def brief(request: str) -> Row:
        found = analyse_text(request)
        return {
            "task_type": found.task_type,
            "complexity": found.complexity,
            "expects_support": list(found.supports),
            "confidence": found.confidence,
        }

    if jsonl:
        raise typer.Exit(answer_texts(brief))
    if text is None:
        typer.echo("Give a text, or --jsonl with lines on standard input.", err=True)
        raise typer.Exit(2)
    if as_json:
        write_row(asdict(analyse_text(text)))
        return
    _print_analysis(text)


def _print_analysis(text: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from glue.agents.understanding import analyse as analyse_text

    found = analyse_text(text)
    details = found.details
    table = Table(show_header=False, box=None)
    rows = {
        "task type": found.task_type,
        "complexity": found.complexity,
        "also wanted": ", ".join(found.supports),
        "levels": ", ".join(details.skill_levels),
        "modules": "" if details.modules is None else str(details.modules),
        "deliverables": ", ".join(details.deliverables),
        "by when": details.timeline or "",
        "language": details.language,
        "confidence": f"{found.confidence:.2f}",
        "decided by": ", ".join(f"{word.word} ({word.start}–{word.end}: {word.speaks_for})" for word in found.evidence),
        "to ask": found.question or "",
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, str(value))
    Console().print(table)


@app.command("list")
def list_agents(
    *,
    config_dir: Annotated[Path, typer.Option(envvar="GLUE_CONFIG_DIR", help="Folder that holds config/.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="All entries as JSON.")] = False,
) -> None:
    """The registry: who does what, with which model and tools, at which price."""
    from glue.agents.registry import load_registry
    from glue.cli.printing import reporting_errors, show_json, show_table

    with reporting_errors(as_json=as_json):
        registry = load_registry(config_dir)
        if as_json:
            show_json([agent.model_dump(mode="json") for agent in registry])
            return
        rows = [
            (
                agent.code,
                agent.kind,
                ", ".join(agent.fit),
                f"{agent.smallest}–{agent.largest}",
                agent.model,
                f"{agent.price.step} + {agent.price.per_1k_tokens}/1k tokens",
            )
            for agent in registry
        ]
        show_table("", ["agent", "kind", "task types", "sizes", "model", "credits"], rows)


@app.command()
def calibration(*, as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False) -> None:
    """How well quotes held: the share of runs that ended within theirs, and cost against expectation."""
    from glue.cli.dispatching import dispatching
    from glue.cli.printing import reporting_errors, show_json, show_table

    with reporting_errors(as_json=as_json), dispatching() as dispatcher:
        found = dispatcher.calibration()
        if as_json:
            show_json(found)
        else:
            show_table("", ["what", "value"], [(name.replace("_", " "), value) for name, value in found.items()])
