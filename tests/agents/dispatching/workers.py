"""Executors that tests script: what each step makes, how much it uses, when it waits or fails."""

import json
import threading

from glue.agents.executors import BudgetReached, File, Outcome
from glue.agents.registry import Registry


class ScriptedWorker:
    """``script`` maps step names to lists of actions, one for each attempt: tokens (int), or an exception to raise."""

    name = "scripted"

    def __init__(self, script=None, *, tokens=1000, gate=None):
        self.script, self.tokens, self.gate = {k: list(v) for k, v in (script or {}).items()}, tokens, gate
        self.calls = []
        self.started = threading.Event()

    def perform(self, work, *, most_tokens, report):
        self.calls.append(work.step.name)
        self.started.set()
        if self.gate is not None:
            assert self.gate.wait(20)
        actions = self.script.get(work.step.name)
        action = actions.pop(0) if actions else self.tokens
        if isinstance(action, Exception):
            raise action
        report(action // 2)
        if action > most_tokens:
            raise BudgetReached("The step needs more than is left.", tokens=most_tokens, metered_tokens=most_tokens, model="scripted:1")
        return Outcome((good_file(work.step.name),), action, action, "scripted:1")


def good_file(step):
    if step == "notebook":
        return File("notebook.json", "Notebook", "application/json", json.dumps({"title": "a b c d e f"}).encode())
    text = f"# {step}\n\nPlain words about {step} that are short.\n\n## Question 1\n\n- A) yes\n- B) no\n\n## Answer key\n\n1. A\n"
    return File(f"{step}.md", step.title(), "text/markdown", text.encode())


def scripted_registry(registry):
    """The same agents, all done by the scripted worker."""
    return Registry([agent.model_copy(update={"model": "scripted:1"}) for agent in registry])
