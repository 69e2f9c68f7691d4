"""Personal data and secrets: what is found, what is left alone, what a redacted text still says."""

import time

import pytest

from glue.rules.privacy import Kind, find_personal, redact

FOUND = {
    "mail me: ana.li+x@shop.example.org": (Kind.EMAIL, "ana.li+x@shop.example.org"),
    "page?mail=ana%40shop.example&x=1": (Kind.EMAIL, "ana%40shop.example"),
    "ana dot li at shop dot example": (Kind.EMAIL, "ana dot li at shop dot example"),
    "IBAN: GB33 BUKB 2020 1555 5555 55.": (Kind.IBAN, "GB33 BUKB 2020 1555 5555 55"),
    "paid with 4111-1111-1111-1111": (Kind.CREDIT_CARD, "4111-1111-1111-1111"),
    "card ４１１１ １１１１ １１１１ １１１１": (Kind.CREDIT_CARD, "４１１１ １１１１ １１１１ １１１１"),
    "SSN 536-22-1845": (Kind.NATIONAL_ID, "536-22-1845"),
    "CPF 529.982.247-25": (Kind.NATIONAL_ID, "529.982.247-25"),
    "DNI 12345678Z": (Kind.NATIONAL_ID, "12345678Z"),
    "geboren am 4.5.1981 in Ulm": (Kind.DATE_OF_BIRTH, "4.5.1981"),
    "from host 203.0.113.8:443": (Kind.IP_ADDRESS, "203.0.113.8"),
    "peer 2001:db8::7 went away": (Kind.IP_ADDRESS, "2001:db8::7"),
    "ring +49 (0)30 901820": (Kind.PHONE, "+49 (0)30 901820"),
    "We moved to 12 Harbor Street, Dover": (Kind.POSTAL_ADDRESS, "12 Harbor Street, Dover"),
    "Wir sitzen in der Lindenstraße 7a, 10969 Berlin.": (Kind.POSTAL_ADDRESS, "Lindenstraße 7a, 10969 Berlin"),
    "VAT id ATU12345678": (Kind.VAT, "ATU12345678"),
    "api_key = 'q8Zr-77-long-value'": (Kind.API_SECRET, "q8Zr-77-long-value"),
    "postgresql://glue:verySecret@db/glue": (Kind.API_SECRET, "postgresql://glue:verySecret@db/glue"),
    "My name is Ilse van Dam and": (Kind.PERSON, "Ilse van Dam"),
    "Best regards,\nMiro Kovač": (Kind.PERSON, "Miro Kovač"),
}


@pytest.mark.parametrize(("text", "what"), FOUND.items(), ids=[f"{kind}-{place}" for place, (kind, _) in enumerate(FOUND.values())])
def test_personal_data_is_found_exactly(text, what):
    assert [(span.kind, text[span.start : span.end]) for span in find_personal(text)] == [what]


@pytest.mark.parametrize(
    "text",
    [
        "4111-1111-1111-1112 is no card",
        "GB34 BUKB 2020 1555 5555 55 fails its check",
        "update to version 10.2.14.1, listening on 127.0.0.1 and 0.0.0.0",
        "npm i @glue/client@2.4.1; git@host.example:glue/portal.git",
        "commit 0358dea8117ebed293c2a89c04416280b518c926 at 2026-03-14",
        "imei=356938035643809 slot=1",
        "API_KEY=<your-api-key> TOKEN=${TOKEN}",
        "Invoice of 4 July 2026, order 7041182360",
    ],
)
def test_what_only_looks_personal_is_left_alone(text):
    assert find_personal(text) == []


def test_cells_below_a_heading_of_names_and_births_are_found():
    text = "id;name;dob;created\n1;Awa Diallo;1990-02-03;2026-01-01\n2;;1991-02-03;2026-01-02"
    assert redact(text) == "id;name;dob;created\n1;[person];[date of birth];2026-01-01\n2;;[date of birth];2026-01-02"


def test_known_names_are_found_wherever_they_stand():
    assert redact("It broke for Wen; ask wen. WEN LIU knows.", names=["Wen Liu"]) == "It broke for [person]; ask wen. [person] knows."


def test_text_without_personal_data_stays_as_it_is():
    text = "The exporter fails with E42 after step 3.\n\n    glue plan --json\n"
    assert redact(text) == text


@pytest.mark.parametrize("piece", ["1 ", "12 Ab Cd Ef ", "a.b-", "(1) ", "A1", "0:", "am Ab ", "x@y.", "DE12 3456 "])
def test_long_texts_take_little_time(piece):
    started = time.process_time()
    find_personal((piece * 20_000)[:20_000])
    assert time.process_time() - started < 2
