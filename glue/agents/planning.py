"""From an analysis to a route: ordered steps with who does them, what they wait for, and what each may cost. Pure."""

from dataclasses import dataclass, field, replace
from typing import Any

from glue.agents.registry import SIZES, Agent, Registry
from glue.agents.understanding import Analysis, Complexity, TaskType
from glue.errors import BadInput

_TITLES = {
    TaskType.CONTENT_GENERATION: "Write the learning material",
    TaskType.ASSESSMENT_CREATION: "Write the assessment and its answer key",
    TaskType.CURRICULUM_PLANNING: "Plan the curriculum",
    TaskType.QUALITY_ASSURANCE: "Check the quality",
    TaskType.PROJECT_MANAGEMENT: "Plan the work",
    TaskType.RESEARCH_ANALYSIS: "Research",
    TaskType.NOTEBOOKLM_OPTIMIZATION: "Prepare the files for an AI notebook",
}
_NAMES = {
    TaskType.CONTENT_GENERATION: "content",
    TaskType.ASSESSMENT_CREATION: "assessment",
    TaskType.CURRICULUM_PLANNING: "curriculum",
    TaskType.QUALITY_ASSURANCE: "quality",
    TaskType.PROJECT_MANAGEMENT: "plan",
    TaskType.RESEARCH_ANALYSIS: "research",
    TaskType.NOTEBOOKLM_OPTIMIZATION: "notebook",
}
_TYPICAL_MODULES = {Complexity.SIMPLE: 1, Complexity.MODERATE: 3, Complexity.COMPLEX: 8, Complexity.ENTERPRISE: 24}
_TESTED_BY = frozenset({"quiz", "exam", "rubric", "question bank"})  # whoever names one of these wants it made as well
_NOTEBOOK_FOR = {TaskType.CONTENT_GENERATION, TaskType.CURRICULUM_PLANNING}


@dataclass(frozen=True)
class Step:
    """``agent`` does ``task`` after ``depends_on`` have ended. ``expected`` and ``ceiling`` are credits; ``optional`` may be left out."""

    name: str
    agent: str
    task: TaskType
    title: str
    size: Complexity
    depends_on: tuple[str, ...]
    tools: tuple[str, ...]
    checks: tuple[str, ...]
    tokens: int
    minutes: int
    expected: int
    ceiling: int
    optional: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**self.__dict__, "depends_on": list(self.depends_on), "tools": list(self.tools), "checks": list(self.checks)}

    @staticmethod
    def from_json(stored: dict[str, Any]) -> "Step":
        lists = {name: tuple(stored[name]) for name in ("depends_on", "tools", "checks")}
        return Step(**{**stored, **lists, "task": TaskType(stored["task"]), "size": Complexity(stored["size"])})


@dataclass(frozen=True)
class Route:
    """Steps in an order that respects what they wait for. ``notes`` say what a reader should know about the choice."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = field(default=())


def plan_route(analysis: Analysis, registry: Registry) -> Route:
    """Research, then a plan, then the main work, then what supports it (side by side), then the notebook: as much as the size asks for."""
    size, main = analysis.complexity, analysis.task_type
    large = SIZES.index(size) >= SIZES.index(Complexity.COMPLEX)
    notes: list[str] = []
    steps: list[Step] = []

    def add(task: TaskType, *, after: list[str], agent: Agent | None = None, leads: bool = False, optional: bool = True) -> str:
        chosen = agent or registry.best(task, size, leads=leads)
        if chosen is None:
            chosen = registry.default
            notes.append(f"Nobody is declared for {task.value} at this size; {chosen.title} does it.")
        steps.append(_step(task, chosen, size, analysis.details.modules, after=after, optional=optional))
        return _NAMES[task]

    before: list[str] = []
    tested = [TaskType.ASSESSMENT_CREATION] if _TESTED_BY & set(analysis.details.deliverables) else []
    wanted = [task for task in dict.fromkeys([*analysis.supports, *tested]) if task is not main]
    for task, needed in ((TaskType.RESEARCH_ANALYSIS, large), (TaskType.PROJECT_MANAGEMENT, size is not Complexity.SIMPLE)):
        if main is not task and (needed or task in wanted):
            before = [add(task, after=before, optional=task not in wanted)]
    lead = add(main, after=before, leads=large, optional=False)
    prelude = {TaskType.RESEARCH_ANALYSIS, TaskType.PROJECT_MANAGEMENT, TaskType.NOTEBOOKLM_OPTIMIZATION}
    beside = [add(task, after=[lead], optional=False) for task in wanted if task not in prelude]
    notebook = TaskType.NOTEBOOKLM_OPTIMIZATION
    if main is not notebook and (notebook in wanted or (size is Complexity.ENTERPRISE and main in _NOTEBOOK_FOR)):
        add(notebook, after=[lead, *beside], optional=notebook not in wanted)
    return Route(tuple(steps), tuple(notes))


def leave_out(route: Route, names: set[str]) -> Route:
    """The route without optional steps; what waited for them waits for what they waited for. Raises BadInput."""
    by_name = {step.name: step for step in route.steps}
    for name in sorted(names):
        if name not in by_name or not by_name[name].optional:
            optional = ", ".join(step.name for step in route.steps if step.optional) or "none of this route"
            raise BadInput(f"The step {name} cannot be left out.", field="without", expected=optional)

    def before(step: Step) -> list[str]:
        found: list[str] = []
        for name in step.depends_on:
            found += before(by_name[name]) if name in names else [name]
        return list(dict.fromkeys(found))

    kept = tuple(replace(step, depends_on=tuple(before(step))) for step in route.steps if step.name not in names)
    return replace(route, steps=kept)


def draw_graph(route: Route) -> str:
    """The route as lines of text: what can be done at the same time stands on one line."""
    levels: dict[str, int] = {}
    for step in route.steps:
        levels[step.name] = 1 + max((levels[name] for name in step.depends_on), default=-1)
    lines = [" + ".join(name for name, level in levels.items() if level == depth) for depth in range(max(levels.values(), default=-1) + 1)]
    return " → ".join(lines)


def _step(task: TaskType, agent: Agent, size: Complexity, modules: int | None, *, after: list[str], optional: bool) -> Step:
    # A stated number of modules moves the estimate, within bounds: sizes already say most of it.
    share = 1.0 if modules is None else min(2.0, max(0.5, modules / _TYPICAL_MODULES[size]))
    tokens = round(agent.tokens.of(size) * share)
    return Step(
        name=_NAMES[task], agent=agent.code, task=task, title=_TITLES[task], size=size, depends_on=tuple(after), tools=agent.tools,
        checks=agent.checks, tokens=tokens, minutes=agent.minutes.of(size), expected=agent.price.credits(tokens),
        ceiling=agent.price.credits(round(tokens * 1.5)), optional=optional,
    )  # fmt: skip
