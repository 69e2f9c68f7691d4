"""Writes a plan as a Python script that stands on its own: readable, typed, idempotent, resumable, without dependencies."""

import hashlib
from importlib.resources import files

from glue.agents.planning import Route, draw_graph


def write_script(text: str, route: Route) -> str:
    """The script's source. It asks the API (GLUE_URL, GLUE_TOKEN) for a quote, accepts it below a cap, watches, takes the files."""
    source = files("glue.agents").joinpath("script_template.py.txt").read_text(encoding="utf-8")
    steps = "\n".join(f"    Step({step.name!r}, {step.agent!r}, {step.title!r}, {tuple(step.depends_on)!r})," for step in route.steps)
    filled = {
        "@@REQUEST@@": repr(text),
        "@@GRAPH@@": draw_graph(route),
        "@@STEPS@@": steps,
        "@@CAP@@": str(sum(step.ceiling for step in route.steps)),
        "@@KEY@@": hashlib.sha256(text.encode()).hexdigest()[:24],
    }
    for mark, value in filled.items():
        source = source.replace(mark, value)
    return source
