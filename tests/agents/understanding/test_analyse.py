"""What a request asks for: the type of the work, its size, its extras, and why."""

import json
import time
from functools import lru_cache
from pathlib import Path

import pytest

from glue.agents.understanding import Analysis, Complexity, TaskType, analyse
from glue.agents.understanding.clauses import split_clauses
from glue.agents.understanding.quantities import find_quantities
from glue.agents.words import split_words

HELD_OUT = [
    json.loads(line)
    for name in ("held_out", "voices", "last_look")
    for line in (Path(__file__).parent / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
]


@lru_cache
def analyses() -> list[Analysis]:
    return [analyse(row["text"]) for row in HELD_OUT]


def share(field: str) -> float:
    return sum(getattr(found, field) == row[field] for row, found in zip(HELD_OUT, analyses(), strict=True)) / len(HELD_OUT)


def test_unseen_requests_get_their_task_type():
    assert share("task_type") >= 0.9


def test_unseen_requests_get_their_complexity():
    assert share("complexity") >= 0.9


def test_an_analysis_takes_less_than_fifty_milliseconds():
    analyse("warm up")
    longest = sorted((row["text"] for row in HELD_OUT), key=len)[-20:]
    started = time.process_time()
    for text in longest:
        analyse(text)
    assert (time.process_time() - started) / len(longest) < 0.05


@pytest.mark.parametrize(
    ("text", "task_type"),
    [
        ("Check the quiz for mistakes.", TaskType.QUALITY_ASSURANCE),
        ("Write a quiz on planning algorithms.", TaskType.ASSESSMENT_CREATION),
        ("Write a lesson on exam anxiety. No quiz, please.", TaskType.CONTENT_GENERATION),
        ("Prepare the lesson for NotebookLM.", TaskType.NOTEBOOKLM_OPTIMIZATION),
        ("Who writes the lesson, and by when?", TaskType.PROJECT_MANAGEMENT),
        ("In which order should the topics of my unit be taught?", TaskType.CURRICULUM_PLANNING),
        ("Compare three learning platforms.", TaskType.RESEARCH_ANALYSIS),
    ],
)
def test_the_ask_decides_not_the_words_around_it(text, task_type):
    assert analyse(text).task_type == task_type


@pytest.mark.parametrize(
    ("text", "complexity"),
    [
        ("One quiz on chatbots.", Complexity.SIMPLE),
        ("Quizzes for modules 2 and 3.", Complexity.MODERATE),
        ("Tests for twelve linked units at three levels.", Complexity.COMPLEX),
        ("Exams for all modules of the whole university.", Complexity.ENTERPRISE),
    ],
)
def test_the_scope_decides_the_complexity(text, complexity):
    assert analyse(text).complexity == complexity


def test_an_extra_is_a_support_and_something_done_is_none():
    assert analyse("Write two lessons on data. In addition, draft a short graded quiz.").supports == (TaskType.ASSESSMENT_CREATION,)
    assert analyse("The quiz is written. Write two lessons on data.").supports == ()


def test_requirements_count_as_part_of_the_request():
    assert analyse("Quizzes, please.", ["For all modules of the entire company."]).complexity == Complexity.ENTERPRISE


def test_evidence_names_words_at_their_place():
    text = "Please proofread the two lessons on vectors."
    evidence = analyse(text).evidence
    assert "proofread" in {word.word for word in evidence}
    assert all(text[word.start : word.end] == word.word for word in evidence)


def test_details_are_read_from_the_text():
    details = analyse("By Friday: quizzes and handouts for modules 2 to 5, for beginners; each module builds on the one before.").details
    assert details.modules == 4
    assert details.timeline == "By Friday"
    assert details.skill_levels == ("beginner",)
    assert set(details.deliverables) >= {"quiz", "handout"}
    assert details.dependencies


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Write a lesson for my class.", "en"),
        ("Schreibe eine Lektion für meine Klasse.", "de"),
        ("Escribe una lección para mi clase.", "es"),
        ("Écrivez une leçon pour ma classe.", "fr"),
        ("Escreva uma aula para a minha turma.", "pt"),
    ],
)
def test_the_language_is_recognized(text, language):
    assert analyse(text).details.language == language


def test_an_unclear_request_is_answered_with_a_question():
    assert analyse("Hm, about module things.").question is not None
    assert analyse("Please check the quiz for mistakes.").question is None


def test_a_text_without_words_has_no_confidence():
    found = analyse(" ?! ")
    assert found.confidence == 0
    assert found.question


def test_clauses_know_their_part():
    roles = {
        clause.words[0].text: clause.role
        for clause in split_clauses("The lesson is written. No quiz, please. Check it. Also tag the file.")
    }
    assert roles == {"the": "done", "no": "ruled_out", "please": "ask", "check": "ask", "also": "besides"}


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("twenty-four lessons", 24, "part"),
        ("modules 3 to 5", 3, "part"),
        ("weeks 4 and 5", 2, "part"),
        ("2,300 schools", 2300, "organisation"),
        ("dreißig Fragen", 30, "item"),
        ("three hundred questions", 300, "item"),
        ("module 7", 1, "part"),
    ],
)
def test_numbers_count_what_follows_them(text, value, kind):
    found = find_quantities(split_words(text))[0]
    assert (found.value, found.kind) == (value, kind)
