"""``glue demo``: one customer's story, end to end, on this machine."""

import json
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from glue.cli.printing import err, out, reporting_errors


def command(
    identity: Annotated[str, typer.Option(help="auto, keycloak or sandbox.")] = "auto",
    folder: Annotated[Path, typer.Option(help="Where the transcript goes.")] = Path("var/demo"),
    keep: Annotated[bool, typer.Option("--keep", help="Keep the stack's state and logs beside the transcript.")] = False,
) -> None:
    """Start everything, play ten steps, print what each system says, stop everything. Exit code 1 names the step that broke."""
    from glue.cli.story.steps import STEPS
    from glue.cli.story.world import Said, World
    from glue.ops.stack import Stack

    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    home = (folder / f"run-{secrets.token_hex(4)}").absolute()
    steps: list[dict[str, object]] = []
    broken = ""
    with reporting_errors(), _left_behind_by_nobody(home), Stack(home, Path.cwd()) as stack:
        with err.status("Starting") as status:
            stack.report = status.update
            stack.start(identity=identity, serve=False, apply=False)  # type: ignore[arg-type]
        out.print(f"Identity: {stack.identity}\n")
        world = World(stack)
        for number, (title, play) in enumerate(STEPS, 1):
            began, said, trouble = time.monotonic(), Said(), ""
            try:
                with err.status(f"{number}. {title}"):
                    said = play(world)
            except KeyboardInterrupt:
                raise
            except Exception as error:  # noqa: BLE001 whatever broke the step is its finding
                trouble = f"{type(error).__name__}: {error}"
            seconds = round(time.monotonic() - began, 2)
            steps.append({"n": number, "title": title, "ok": not trouble, "seconds": seconds, **asdict(said)})
            out.print(f"{'[red]✗[/]' if trouble else '[green]✓[/]'} {number}. [bold]{title}[/] [dim]{seconds:.1f} s[/]")
            for system, words in asdict(said).items():
                out.print(f"     {system:<9} {words}", markup=False)
            if trouble:
                broken = f"Step {number} does not hold: {title}. {trouble}"
                steps[-1]["glue"] = trouble
                break
        stack.report = lambda _: None
        _write(folder, stack.identity, time.monotonic() - started, steps)
    if broken:
        err.print(broken, markup=False, style="red")
        err.print(f"Logs: {home / 'logs'}", markup=False)
        raise typer.Exit(1)
    if not keep:
        shutil.rmtree(home, ignore_errors=True)
    out.print(f"\nAll {len(steps)} steps hold, in {time.monotonic() - started:.0f} s. Transcript: {folder / 'transcript.md'}")


@contextmanager
def _left_behind_by_nobody(home: Path) -> Iterator[None]:
    # A step that broke leaves its logs to be read; who stops the story with Ctrl-C wants nothing of it.
    try:
        yield
    except KeyboardInterrupt:
        shutil.rmtree(home, ignore_errors=True)
        raise


def _write(folder: Path, identity: str, seconds: float, steps: list[dict[str, object]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = {"identity": identity, "seconds": round(seconds, 1), "steps": steps}
    _replace(folder / "transcript.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    lines = ["# One customer's story", "", f"Identity: {identity}. {seconds:.0f} seconds.", ""]
    for step in steps:
        lines += [f"## {step['n']}. {step['title']} {'✓' if step['ok'] else '✗'}", ""]
        lines += [f"- **{system}** {step[system]}" for system in ("keycloak", "lago", "keygen", "glue")]
        lines += ["", f"{step['seconds']} s", ""]
    _replace(folder / "transcript.md", "\n".join(lines))


def _replace(file: Path, text: str) -> None:
    # Two runs at once write whole files, one after the other.
    swap = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    swap.write_text(text, encoding="utf-8")
    swap.replace(file)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
