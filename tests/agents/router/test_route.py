"""From a sentence to one command, or to none."""

import json
from functools import lru_cache
from pathlib import Path

import pytest

from glue.agents.router import COMMANDS, DESTRUCTIVE, NONE, route
from glue.agents.router.dates import find_dates

HERE = Path(__file__).parent
HELD_OUT = [
    json.loads(line)
    for name in ("held_out", "voices", "last_look")
    for line in (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
]
FRAMED = json.loads((HERE / "orders.json").read_text(encoding="utf-8"))


@lru_cache
def commands_said() -> list[str]:
    return [route(row["text"]).command for row in HELD_OUT]


def test_unseen_sentences_find_their_command():
    right = sum(said == row["command"] for row, said in zip(HELD_OUT, commands_said(), strict=True))
    assert right / len(HELD_OUT) >= 0.95


def test_nothing_destructive_is_said_that_was_not_asked_for():
    said = zip(HELD_OUT, commands_said(), strict=True)
    assert [row["text"] for row, command in said if command in DESTRUCTIVE and command != row["command"]] == []


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


def framed(kind: str) -> list[str]:
    """Destructive orders of every language in each frame of ``kind``."""
    texts = [frame.format(order) for language, orders in FRAMED["orders"].items() for order in orders for frame in FRAMED[kind][language]]
    return [text[0].upper() + text[1:] for text in texts]


def test_no_frame_of_doubt_lets_an_order_pass():
    assert [text for text in framed("doubtful") if route(text).command in DESTRUCTIVE] == []


def test_clear_orders_are_heard_in_most_frames():
    heard = [route(text).command in DESTRUCTIVE for text in framed("certain")]
    assert sum(heard) / len(heard) >= 0.9


@pytest.mark.parametrize(
    "text", ["Reopen the tenant Farrow, the suspension was wrong.", "Give Farrow their access back.", "Débloque le client Farrow."]
)
def test_undoing_a_suspension_is_no_suspension(text):
    assert route(text).command == "glue tenants resume"


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
