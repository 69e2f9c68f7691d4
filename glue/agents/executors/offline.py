"""Works without any model: files from templates, filled with what the request says. Deterministic, and says that a template made them."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from glue.agents.executors import BudgetReached, File, Outcome, Report, Work
from glue.agents.executors.topics import find_topic
from glue.agents.understanding import Complexity, TaskType

LANGUAGES = ("en", "de")
MODEL = "offline-templates-1"
_PARTS = {Complexity.SIMPLE: 3, Complexity.MODERATE: 4, Complexity.COMPLEX: 8, Complexity.ENTERPRISE: 12}
_QUESTIONS = {Complexity.SIMPLE: 5, Complexity.MODERATE: 8, Complexity.COMPLEX: 10, Complexity.ENTERPRISE: 10}
_MOST_PARTS = 40
_MARKDOWN = {
    TaskType.CONTENT_GENERATION: "lesson",
    TaskType.ASSESSMENT_CREATION: "quiz",
    TaskType.CURRICULUM_PLANNING: "syllabus",
    TaskType.QUALITY_ASSURANCE: "checklist",
    TaskType.PROJECT_MANAGEMENT: "plan",
    TaskType.RESEARCH_ANALYSIS: "brief",
    TaskType.NOTEBOOKLM_OPTIMIZATION: "notebook",
}


class OfflineTemplates:
    """Fills one template a step, in the request's language where there is one (otherwise English), plus data files."""

    name = MODEL

    def perform(self, work: Work, *, most_tokens: int, report: Report) -> Outcome:
        """Raises BudgetReached when what was made is worth more than it may cost."""
        language = work.details.language if work.details.language in LANGUAGES else "en"
        facts = _facts(work, language)
        stem = _MARKDOWN[work.step.task]
        text = _templates().get_template(f"{language}/{stem}.md").render(facts)
        files = [File(f"{stem}.md", f"{facts['title']}", "text/markdown", text.encode())]
        if extra := _DATA.get(work.step.task):
            files.append(File(f"{stem}.json", f"{facts['title']} (JSON)", "application/json", _json(extra(facts))))
        tokens = sum(len(file.content) for file in files) // 4
        report(tokens)
        if tokens > most_tokens:
            raise BudgetReached("The files are larger than the quote foresaw.", tokens=most_tokens, metered_tokens=0, model=MODEL)
        return Outcome(tuple(files), tokens, 0, MODEL)


def _facts(work: Work, language: str) -> dict[str, Any]:
    topic = find_topic(work.text)
    names = json.loads(_source(f"{language}/names.json"))
    parts = min(_MOST_PARTS, work.details.modules or _PARTS[work.step.size])
    level = (work.details.skill_levels or ("beginner" if work.step.size is Complexity.SIMPLE else "all",))[0]
    angles = names["angles"]
    return {
        "label": names["label"],
        "title": names["titles"][work.step.task.value].format(topic=topic),
        "topic": topic,
        "request": " ".join(work.text.split()),
        "level": names["levels"][level],
        "deliverables": [names["deliverables"].get(name, name) for name in work.details.deliverables],
        "timeline": work.details.timeline,
        "dependencies": work.details.dependencies,
        "parts": [angles[place % len(angles)] | {"number": place + 1, "round": place // len(angles) + 1} for place in range(parts)],
        "questions": _questions(names["questions"], topic, count=_QUESTIONS[work.step.size]),
        "sources": [
            {"name": name, "title": file.title, "text": _excerpt(file)}
            for name, file in sorted(work.inputs.items())
            if name.endswith(".md")
        ],
        "findings": work.findings,
    }


def _questions(patterns: list[dict[str, Any]], topic: str, *, count: int) -> list[dict[str, Any]]:
    """Questions with shuffled options; the order depends on the topic and the question only."""
    questions = []
    for number, pattern in enumerate(patterns[:count], 1):
        options = [option.format(topic=topic) for option in pattern["options"]]
        shuffled = sorted(options, key=lambda option: hashlib.sha256(f"{topic}/{option}".encode()).hexdigest())
        questions.append({
            "number": number,
            "question": pattern["question"].format(topic=topic),
            "options": dict(zip("ABCD", shuffled, strict=True)),
            "answer": "ABCD"[shuffled.index(options[0])],
            "reason": pattern["reason"].format(topic=topic),
        })  # fmt: skip
    return questions


def _excerpt(file: File) -> str:
    lines = [line for line in file.content.decode(errors="replace").splitlines() if line and not line.startswith((">", "---"))]
    return "\n".join(lines[:12])


def _quiz_data(facts: dict[str, Any]) -> dict[str, Any]:
    return {"label": facts["label"], "title": facts["title"], "topic": facts["topic"], "questions": facts["questions"]}


def _pack_data(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "label": facts["label"],
        "title": facts["title"],
        "tags": [facts["topic"], facts["level"]],
        "sources": [{"name": source["name"], "title": source["title"]} for source in facts["sources"]],
        "guiding_questions": [question["question"] for question in facts["questions"]],
    }


_DATA: dict[TaskType, Callable[[dict[str, Any]], dict[str, Any]]] = {
    TaskType.ASSESSMENT_CREATION: _quiz_data,
    TaskType.NOTEBOOKLM_OPTIMIZATION: _pack_data,
}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


@cache
def _templates() -> Environment:
    # The files are Markdown, shown as text: nothing to escape for HTML here.
    loader = PackageLoader("glue.agents.executors")
    return Environment(loader=loader, autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701


@cache
def _source(name: str) -> str:
    loader = _templates().loader
    assert loader is not None
    return loader.get_source(_templates(), name)[0]
