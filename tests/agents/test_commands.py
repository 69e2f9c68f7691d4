"""The three engines from the command line, for people and in batches."""

import json

import pytest
import typer
from typer.testing import CliRunner

from glue.agents.router.commands import COMMANDS
from glue.cli import build
from glue.cli.do import compose_argv

RUNNER = CliRunner()


def glue(*words, lines=()):
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    return RUNNER.invoke(build(list(words)), list(words), input=text)


def answers(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_requests_are_analysed_line_by_line():
    result = glue(
        "agents", "analyse", "--jsonl", lines=[{"id": "a", "text": "Check two quizzes."}, "not json\n", {"id": "b"}, {"id": "c", "text": 7}]
    )
    first, *bad = answers(result)
    assert result.exit_code == 1
    assert (first["id"], first["task_type"], first["expects_support"]) == ("a", "quality_assurance", [])
    assert set(first) == {"id", "task_type", "complexity", "expects_support", "confidence"}
    assert [set(row) for row in bad] == [{"id", "error"}] * 3


def test_a_person_gets_a_table_with_the_words_that_decided():
    result = glue("agents", "analyse", "Proofread the lesson on vectors by Friday.")
    assert "quality_assurance" in result.stdout
    assert "Proofread" in result.stdout


def test_the_whole_analysis_comes_as_json():
    (found,) = answers(glue("agents", "analyse", "Proofread the lesson.", "--json"))
    assert found["details"]["language"] == "en"


@pytest.mark.parametrize("words", [("agents", "analyse"), ("do",), ("do", "--jsonl")])
def test_a_missing_text_is_wrong_use(words):
    assert glue(*words).exit_code == 2


def test_sentences_are_routed_line_by_line():
    result = glue("do", "--dry-run", "--jsonl", lines=[{"id": "a", "text": "Show run_7."}, {"id": "b", "text": "Kill it."}])
    assert answers(result) == [
        {"id": "a", "command": "glue runs show", "args": {"run": "run_7"}},
        {"id": "b", "command": "none", "args": {}},
    ]
    assert result.exit_code == 0


def test_a_dry_run_only_shows():
    assert glue("do", "--dry-run", "Suspend the tenant Farrow.").stdout == "glue tenants suspend Farrow\n"


def test_what_changes_something_asks_first():
    result = glue("do", "Suspend the tenant Farrow.", lines=["n\n"])
    assert "Run it?" in result.output
    assert result.exit_code == 1


def test_yes_does_not_skip_the_question_for_nothing_named():
    result = glue("do", "--yes", "Suspend them.")
    assert "Nothing to run" in result.stdout
    assert result.exit_code == 3


def test_a_command_is_also_shown_as_json():
    (found,) = answers(glue("do", "--json", "Invite jo@farrow.example to the tenant Farrow."))
    assert found["argv"] == ["tenants", "invite", "Farrow", "--email", "jo@farrow.example"]


EXAMPLES = {
    "since": "2026-11-01",
    "until": "2026-11-30",
    "email": "jo@farrow.example",
    "delivery": "7",
    "file": "b.tar.gz",
    "status": "parked",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_a_sentence_is_routed_to_exists_and_takes_what_was_named(command):
    argv = compose_argv(command, {name: EXAMPLES.get(name, name) for name in COMMANDS[command].takes}, "what was said")
    found, words = typer.main.get_command(build(argv)), list(argv)
    while hasattr(found, "commands") and words:
        assert words[0] in found.commands, argv
        found = found.commands[words.pop(0)]
    if not hasattr(found, "commands"):
        for parameter in found.params:
            parameter.required, parameter.prompt = False, None  # what a sentence does not say is asked for
        found.make_context(argv[0], words)


def test_an_argument_that_is_no_object_of_the_noun_is_an_option():
    assert compose_argv("glue licenses list", {"tenant": "Farrow"}, "") == ["licenses", "list", "--tenant", "Farrow"]
    assert compose_argv("glue quote", {}, "what would it cost") == ["quote", "what would it cost"]


def test_conversations_are_compared_from_standard_input():
    messages = [
        {"role": "user", "content": "Where do I find the invoices of last year?"},
        {"role": "assistant", "content": "Under Billing, in the archive."},
    ]
    lines = [{"id": "a", "messages": messages}, {"id": "b", "messages": messages}, {"id": "c"}, "{\n"]
    result = glue("runs", "dedup", "--jsonl", lines=lines)
    assert result.exit_code == 1
    assert answers(result)[-1] == {"a": "a", "b": "b", "label": "duplicate"}
    assert [row["id"] for row in answers(result)[:-1]] == ["c", "line 4"]
    assert glue("runs", "dedup", lines=lines[:2]).stdout.split() == ["duplicate", "a", "b"]
