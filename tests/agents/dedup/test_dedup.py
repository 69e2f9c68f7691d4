"""Which conversations are the same."""

import json
import random
import time
from pathlib import Path

import pytest

from glue.agents.dedup import DIFFERENT, DUPLICATE, NEAR, compare, find_related, read_conversation

HERE = Path(__file__).parent


def rows(name):
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def conversation(*messages, name="c"):
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return read_conversation({"id": name, "messages": [{"role": roles[text[0]], "content": text[2:]} for text in messages]})


BASE = (
    "u:Our printer driver stopped after the update on 3 May. What now?",
    "a:Install version 4.2 again. The new one has a fault that we'll mend this week.",
    "u:It works, thank you.",
)


@pytest.fixture(scope="module")
def judged():
    found = {
        frozenset((pair.a, pair.b)): pair.label for pair in find_related([read_conversation(row) for row in rows("conversations.jsonl")])
    }
    return [(pair["label"], found.get(frozenset((pair["a"], pair["b"])), DIFFERENT)) for pair in rows("pairs.jsonl")]


def test_no_content_is_lost_and_nothing_merged_falsely(judged):
    assert [pair for pair in judged if pair[1] == DUPLICATE != pair[0]] == []
    assert [pair for pair in judged if pair[0] == DIFFERENT != pair[1]] == []


def test_unseen_pairs_get_their_label(judged):
    assert sum(gold == said for gold, said in judged) / len(judged) >= 0.97


@pytest.mark.parametrize(
    "exported",
    [
        [f"{text[:2]}[2026-05-04 10:0{number}] {text[2:]}" for number, text in enumerate(BASE)],
        [f"{text[:2]}{text[2:]}\n— sent 04.05.2026 10:0{number}" for number, text in enumerate(BASE)],
        [f"{text[:2]}[msg_0{number}ab12] {text[2:]}" for number, text in enumerate(BASE)],
        [text.replace("'", "’").replace(" ", " \u200b") for text in BASE],
        [text.replace("version", "**version**").replace("we'll", "we&#39;ll") for text in BASE],
        list(reversed(BASE)),
        [BASE[0], "a:Install version 4.2 again.", "a:The new one has a fault that we'll mend this week.", BASE[2]],
    ],
)
def test_what_an_export_adds_makes_no_difference(exported):
    assert compare(conversation(*BASE), conversation(*exported)) == DUPLICATE


@pytest.mark.parametrize(
    "other",
    [
        BASE[:2],
        ("s:You are the help desk.", *BASE),
        (*BASE, "u:One more thing: may we print in color?", "a:Yes."),
        (BASE[0], BASE[2]),
        (BASE[0].replace("stopped", "stoped"), BASE[1], BASE[2]),
        tuple(f"{text}\n\n-- \nRoom 12, Dock House" for text in BASE),
        (BASE[0], f"{BASE[1]}\n\n> {BASE[0][2:]}", f"{BASE[2]}\n\n> {BASE[1][2:]}"),
    ],
)
def test_more_less_or_corrected_words_are_near(other):
    assert compare(conversation(*BASE), conversation(*other)) == NEAR


@pytest.mark.parametrize(
    "other",
    [
        (BASE[0].replace("3 May", "4 May"), BASE[1], BASE[2]),
        (BASE[0], BASE[1].replace("4.2", "4.3"), BASE[2]),
        (BASE[0], BASE[1], "u:It doesn't work, sorry."),
        (BASE[0], "a:Ask your administrator, only she can install drivers.", "u:I will."),
        ("u:Unser Druckertreiber geht seit dem 3. Mai nicht.", "a:Installieren Sie Version 4.2.", "u:Danke."),
        (
            "u:Look what he wrote:\n> Our printer driver stopped after the update on 3 May. What now?\nWhat shall I say?",
            "a:Tell him to wait.",
        ),
    ],
)
def test_another_number_word_or_outcome_is_different(other):
    assert compare(conversation(*BASE), conversation(*other)) == DIFFERENT


def test_a_time_that_only_one_message_carries_has_been_said():
    one = conversation("u:09:40 is when it broke down in our office, all of it.", "a:Thank you, we are looking into the matter right now.")
    other = conversation(
        "u:10:40 is when it broke down in our office, all of it.", "a:Thank you, we are looking into the matter right now."
    )
    assert compare(one, other) == DIFFERENT


def test_many_conversations_are_compared_in_seconds():
    rng = random.Random(3)
    words = [word for row in rows("conversations.jsonl") for message in row["messages"] for word in message["content"].split()]
    many = [
        read_conversation(
            {"id": str(number), "messages": [{"role": "user", "content": " ".join(rng.choices(words, k=40))} for _ in range(4)]}
        )
        for number in range(500)
    ]
    copies = [
        read_conversation(
            {"id": f"copy-{one.id}", "messages": [{"role": "user", "content": " ".join(t.text for u in one.units for t in u)}]}
        )
        for one in many[:20]
    ]
    started = time.process_time()
    found = list(find_related([*many, *copies]))
    assert time.process_time() - started < 10
    assert {pair.b for pair in found} >= {copy.id for copy in copies}


@pytest.mark.parametrize("row", [{}, {"id": "x"}, {"id": "x", "messages": "no"}, {"id": "x", "messages": [{"role": "user"}]}])
def test_what_is_no_conversation_is_refused(row):
    with pytest.raises(ValueError, match="needs"):
        read_conversation(row)
