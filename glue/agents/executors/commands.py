"""Steps done by a command of the operator's own, named in the agent's file: inside the sandbox, or not at all.

The command finds `request.json` ({request, step, task, size, language, levels, modules, findings, most_tokens}) and earlier files
under `in/`; files that it leaves under `out/` are the step's. Exit code 0 says that they count.
"""

import json
import mimetypes
from pathlib import PurePosixPath

from glue.agents.executors import BudgetReached, File, Outcome, Report, StepUnusable, Work
from glue.agents.isolation import run_isolated

_TYPES = {".md": "text/markdown", ".json": "application/json"}
_LONGEST_NAME = 80


class CommandExecutor:
    """Does steps of agents whose `model` is `command`. What it makes is priced by its length; no model's tokens are counted."""

    name = "command"

    def perform(self, work: Work, *, most_tokens: int, report: Report) -> Outcome:
        """Raises BudgetReached, StepUnusable, Unavailable (no working sandbox on this machine: then nothing runs)."""
        label = f"{self.name}:{work.agent.code}"
        given = {f"in/{name}": file.content for name, file in work.inputs.items()}
        ran = run_isolated(work.agent.command, {**given, "request.json": _request(work, most_tokens), "out/.here": b""})
        if ran.exit_code or ran.timed_out:
            how = "ran out of time" if ran.timed_out else f"ended with exit code {ran.exit_code}"
            said = ran.output.decode(errors="replace").strip()[-300:]
            raise StepUnusable(f"The command {how}. {said}".strip(), model=label, remedy="Mend the command, then do the step again.")
        made = sorted((PurePosixPath(path), content) for path, content in ran.files.items() if path.startswith("out/"))
        files = tuple(_as_file(path, content) for path, content in made if not path.name.startswith("."))
        tokens = sum(len(file.content) for file in files) // 4
        report(tokens)
        if tokens > most_tokens:
            raise BudgetReached("The files are larger than the quote foresaw.", tokens=most_tokens, metered_tokens=0, model=label)
        return Outcome(files, tokens, 0, label)


def _request(work: Work, most_tokens: int) -> bytes:
    details, step = work.details, work.step
    facts = {
        "request": work.text, "step": step.title, "task": step.task.value, "size": step.size.value, "language": details.language,
        "levels": details.skill_levels, "modules": details.modules, "findings": work.findings, "most_tokens": most_tokens,
    }  # fmt: skip
    return json.dumps(facts, ensure_ascii=False, indent=2).encode()


def _as_file(path: PurePosixPath, content: bytes) -> File:
    """A file of the command's, by its plain name; its title is the first heading, if it has one."""
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    first = next((line for line in content.decode(errors="replace").splitlines() if line.startswith("# ")), path.stem)
    return File(path.name[-_LONGEST_NAME:], first.lstrip("# ").strip()[:200], kind, content)
