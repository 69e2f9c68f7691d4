"""From a sentence to one command, or to none."""

import json
from pathlib import Path

import pytest

from glue.agents.router import COMMANDS, DESTRUCTIVE, NONE, route
from glue.agents.router.dates import find_dates

HELD_OUT = [json.loads(line) for line in (Path(__file__).parent / "held_out.jsonl").read_text(encoding="utf-8").splitlines()]


def test_unseen_sentences_find_their_command():
    right = sum(route(row["text"]).command == row["command"] for row in HELD_OUT)
    assert right / len(HELD_OUT) >= 0.95


def test_nothing_destructive_is_said_that_was_not_asked_for():
    assert [row["text"] for row in HELD_OUT if (said := route(row["text"]).command) in DESTRUCTIVE and said != row["command"]] == []


ORDERS = {
    "glue apply": "Apply plan-0311.json.",
    "glue restore": "Restore backup-2026-01-15.tar now.",
    "glue tenants suspend": "Suspend the tenant Farrow.",
    "glue tenants cancel": "Cancel the contract of Farrow.",
    "glue tenants erase": "Erase the tenant Farrow, the request is approved.",
    "glue licenses revoke": "Revoke LIC-1A2B.",
    "glue licenses reissue": "Reissue LIC-1A2B.",
    "glue machines remove": "Remove the machine lynx-4.",
    "glue runs cancel": "Stop run_311.",
}


@pytest.mark.parametrize(("command", "order"), ORDERS.items())
def test_a_clear_order_with_a_name_is_followed(command, order):
    routed = route(order)
    assert (routed.command, routed.destructive) == (command, True)
    assert COMMANDS[command].needs in routed.args


@pytest.mark.parametrize("order", ORDERS.values())
@pytest.mark.parametrize(
    "doubt",
    [
        "If they agree: {x}",
        "Don't do this: {y}",
        "Should we? {y}?",
        "What happens when I say: {y}?",
        "Maybe {y} tomorrow.",
        "{x} Just kidding.",
        "Never {y}.",
    ],
)
def test_a_doubtful_order_is_no_order(order, doubt):
    plain = order[0].lower() + order[1:].rstrip(".")
    assert route(doubt.format(x=order, y=plain)).command not in DESTRUCTIVE


@pytest.mark.parametrize(
    "text",
    [
        "Suspend them.",
        "Kill it.",
        "Revoke all licences.",
        "Remove the oldest machine.",
        "Restore the last backup.",
        "Stop all runs.",
        "Apply it.",
    ],
)
def test_without_a_named_object_nothing_is_destroyed(text):
    assert route(text).command == NONE


def test_two_tenants_in_one_destructive_order_are_too_many():
    assert route("Suspend the tenant Farrow and the tenant Calder.").command == NONE


def test_every_destructive_command_needs_a_name():
    assert set(ORDERS) == DESTRUCTIVE


def test_arguments_are_taken_as_written():
    assert route("Send an invitation to jo@calder.example for the tenant Calder.").args == {
        "tenant": "Calder",
        "email": "jo@calder.example",
    }
    assert route("Move Farrow to the Business plan.").args == {"tenant": "Farrow", "plan": "Business"}


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("usage since 1 March 2026", {"since": "2026-03-01"}),
        ("usage on 2026-02-10", {"since": "2026-02-10", "until": "2026-02-10"}),
        ("usage in May 2026", {"since": "2026-05-01", "until": "2026-05-31"}),
        ("from 1 March 2026 to 5 March 2026", {"since": "2026-03-01", "until": "2026-03-05"}),
        ("Verbrauch seit dem 3. April 2026", {"since": "2026-04-03"}),
        ("desde el 2 de mayo de 2026", {"since": "2026-05-02"}),
        ("until 30 June 2026", {"until": "2026-06-30"}),
        ("on 31 February 2026", {}),
        ("this month", {}),
    ],
)
def test_dates_become_since_and_until(text, dates):
    assert find_dates(text) == dates


def test_an_empty_sentence_is_no_command():
    assert route("  ").command == NONE
