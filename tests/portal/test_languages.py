"""Five languages: every sentence of the pages is translated, with the same places to fill."""

import re
import runpy
from pathlib import Path

import pytest

from portal.languages import LOCALES, Writer, accepted, choose

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "extract_messages.py"))
OTHERS = [locale for locale in LOCALES if locale != "en"]


@pytest.mark.parametrize("locale", OTHERS)
def test_every_sentence_is_translated(locale):
    assert SCRIPT["untranslated"](locale) == []


@pytest.mark.parametrize("locale", OTHERS)
def test_translations_have_the_places_of_their_sentences(locale):
    for message in SCRIPT["update"](locale, SCRIPT["collect"]()):
        if message.id:
            sources = message.id if isinstance(message.id, tuple) else (message.id,)
            targets = message.string if isinstance(message.string, tuple | list) else (message.string,)
            assert {frozenset(re.findall(r"%\(\w+\)s", text)) for text in sources} >= {
                frozenset(re.findall(r"%\(\w+\)s", text)) for text in targets
            }


def test_numbers_money_and_dates_are_written_as_people_there_do():
    from datetime import UTC, datetime

    german, english = Writer("de"), Writer("en")
    assert german.number(1234567) == "1.234.567" and english.number(1234567) == "1,234,567"
    assert english.money(2900, "USD") == "$29.00" and german.money(2900, "USD") == "29,00\xa0$"
    assert german.day(datetime(2026, 12, 9, tzinfo=UTC)) == "09.12.2026"
    assert english.moment(datetime(2026, 12, 9, 8, 5, tzinfo=UTC)).endswith("UTC")
    assert english.short(1200) == "1.2K" and english.short(0.25) == "0.25"
    assert german.plural("%(count)s seat", "%(count)s seats", 2) == "2 Plätze"
    assert english.day(None) == english.moment(None) == english.number(None) == english.money(None, "USD") == "–"


def test_language_is_chosen_by_weight():
    assert accepted("fr;q=0.5, de-AT, x;q=oops") == ["de-AT", "fr"]
    assert choose(["it", "pt_BR"]) == "pt" and choose(["it"]) == "en"
