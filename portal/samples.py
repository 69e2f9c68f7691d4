"""Ready wishes for a first run: each is understood, priced and done like one that somebody typed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    code: str
    title: str
    summary: str
    text: str


SAMPLES = (
    Sample(
        "curriculum",
        "Curriculum starter",
        "Four modules with goals and a quiz each.",
        "Plan a curriculum of 4 modules on prompt engineering for beginners, with learning goals and a quiz for each module",
    ),
    Sample(
        "assessment",
        "Assessment bank",
        "Twenty questions with an answer key.",
        "Create an assessment bank of 20 questions with an answer key on the basics of data privacy",
    ),
    Sample(
        "notebook",
        "NotebookLM pack",
        "Sources, study guide and glossary for an AI notebook.",
        "Prepare a NotebookLM pack about renewable energy: source documents, a study guide and a glossary",
    ),
    Sample(
        "research",
        "Research brief",
        "What is known, what is open, which sources to check.",
        "Research how schools use AI tutors and write a brief that compares the approaches and lists open questions",
    ),
    Sample(
        "workspace",
        "Team workspace",
        "Roles, milestones and a checklist for a team of four.",
        "Make a project plan for a team of four that builds a course on data literacy: roles, weekly milestones and a checklist",
    ),
)
