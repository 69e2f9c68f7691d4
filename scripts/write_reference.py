"""Writes the reference pages that code knows best: settings, commands, errors, API routes. A test compares them."""

import os
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel

from glue import errors
from glue.app.problems import STATUS
from glue.cli import NOUNS
from glue.cli.printing import EXIT
from glue.settings import Settings, known_names

TARGET = Path("docs/reference")


def settings_page() -> str:
    """Every variable with its default and what it is for."""
    defaults = {f"GLUE_{name}".upper(): field.default for name, field in Settings.model_fields.items() if not field.is_required()}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            inner_fields = field.annotation.model_fields.items()
            defaults |= {f"GLUE_{name}__{inner}".upper(): own.default for inner, own in inner_fields if not own.is_required()}
    lines = [
        "# Settings",
        "",
        "Environment variables; each may also be given as NAME_FILE with the path of a file that holds the value.",
        "What has no default must be set. `glue init` writes a complete set with fresh secrets.",
        "",
    ]
    lines += ["| variable | default | for |", "|---|---|---|"]
    for name, text in known_names().items():
        default = (
            f"`{defaults[name]}`"
            if name in defaults and defaults[name] not in ("", None)
            else "none"
            if name in defaults
            else "**must be set**"
        )
        lines.append(f"| `{name}` | {default} | {text} |")
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Every command's own help."""
    lines = [
        "# Commands",
        "",
        "`glue NOUN [VERB] --help` says the same. Exit codes: 0 done, 1 failed, 2 wrong use or changes waiting, 3 refused by a rule,",
        "4 an upstream could not be reached, 130 interrupted. Tables become JSON with `--json`; `NO_COLOR` is honored.",
        "",
    ]
    environ = os.environ | {"NO_COLOR": "1", "COLUMNS": "100", "TERM": "dumb"}
    for noun, text in sorted(NOUNS.items()):
        lines += [f"## glue {noun}", "", text, "", "```text"]
        done = subprocess.run([sys.executable, "-m", "glue", noun, "--help"], capture_output=True, text=True, env=environ, check=True)  # noqa: S603
        lines += [line.rstrip() for line in done.stdout.strip().splitlines()]
        lines += ["```", ""]
    return "\n".join(lines)


def errors_page() -> str:
    """The tree with codes, HTTP statuses and exit codes."""
    lines = [
        "# Errors",
        "",
        "Answers of the API are `application/problem+json` with `code`, `title`, `detail`, `remedy` and the fields named here.",
        "",
        "| code | status | exit code | what it says |",
        "|---|---|---|---|",
    ]
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.GlueError):
            status = next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)
            code = next((exit_code for ancestor, exit_code in EXIT.items() if issubclass(kind, ancestor)), 1)
            lines.append(f'| <a id="{kind.code}"></a>`{kind.code}` | {status} | {code} | {kind.title} |')
    return "\n".join(lines) + "\n"


PAGES = {"settings.md": settings_page, "commands.md": commands_page, "errors.md": errors_page}


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, write in PAGES.items():
        (TARGET / name).write_text(write(), encoding="utf-8")
        print(TARGET / name)


if __name__ == "__main__":
    main()
