"""Pages that are stale, addresses that are none, and a mistake of ours: each is told in words, nothing is done."""

import re

import pytest
from starlette.testclient import TestClient

from portal import create
from tests.portal.conftest import BILLING, Person

STALE = (
    "/plan/change", "/plan/cancel", "/plan/coupon", "/team/invite", "/licenses/rotate", "/help/tickets", "/help/feedback",
)  # fmt: skip


@pytest.fixture(scope="module")
def tess(portal):
    person = Person(portal, "Tess")
    person.become_customer("Testing Tales")
    return person


@pytest.mark.parametrize("path", STALE)
def test_form_that_is_not_as_it_was_served_does_nothing_and_says_so(tess, path):
    answer = tess.post(path, tier="team", when="now", email="a@example.com", subject="S", text="T", rating="5")
    assert answer.status_code == 409 and "This page is stale." in answer.text


def test_form_from_another_site_does_nothing(tess):
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = tess.post("/plan/cancel", headers=foreign, when="now", nonce="x")
    assert answer.status_code == 403 and "not sent from our pages" in answer.text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "There is no page at this address."),
        ("/help?offset=many", 422, "This address or form cannot be used as it is."),
        ("/plan/keep", 405, "This cannot be done at this address."),
        ("/invoices/not-an-id", 404, "There is no such invoice."),
        ("/help/tickets/tkt_0000000000", 404, "There is no such ticket."),
        ("/waiting-list/broken", 404, "This link is not complete."),
        ("/waiting-list/bro.ken", 404, "This link is not complete."),
    ],
)
def test_address_that_leads_nowhere_says_so(tess, path, status, words):
    page = tess.open(path)
    assert page.status == status and words in page.text
    assert "Get help" in [text for text, _ in page.links]


def test_mistake_of_ours_is_told_without_its_details(tess, portal, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("inner workings")

    monkeypatch.setattr(portal.services.dispatcher, "runs", fails)
    page = tess.open("/runs")
    assert page.status == 500 and "This is our mistake." in page.text
    assert "inner workings" not in page.html and "Traceback" not in page.html
    assert re.search(r'class="muted small mono">[0-9a-f]{32}<', page.html), "it names the request"


def test_part_of_a_page_that_needs_a_sign_in_leads_there(portal):
    stranger = Person(portal, "Stan")
    answer = stranger.visitor.send("GET", f"{portal.url}/runs", headers={"HX-Request": "true", "Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/auth/login?then=/runs")


def test_what_was_removed_already_is_no_mistake(tess):
    for path, fields in (
        ("/team/remove", {"user": "gone"}),
        ("/team/invitations/resend", {"invitation": "gone"}),
        ("/team/invitations/remove", {"invitation": "gone"}),
        ("/licenses/remove", {"machine": "gone"}),
    ):
        answer = tess.post(path, **fields)
        assert answer.status_code == 303
        assert "It is not there any more" in tess.open(answer.headers["location"]).text


def test_somebody_has_to_stay_admin(tess):
    page = tess.open("/team")
    assert "/team/remove" not in page.html, "not offered for oneself"
    user = tess.portal.user_id(tess)
    for path, fields in (("/team/roles", {"role": "member"}), ("/team/remove", {"account": "may-go"})):
        answer = tess.post(path, user=user, **fields)
        assert answer.status_code == 409 and "Somebody has to stay admin." in answer.text


def test_invited_person_is_not_invited_twice(tess):
    tess.open("/team")
    tess.submit("invite", email="twice@example.com")
    page = tess.submit("invite", email="twice@example.com")
    assert page.status == 409 and "This person is invited already." in page.text
    assert page.form("invite").fields["email"] == "twice@example.com"


def test_stale_confirmation_asks_to_look_again(portal):
    person = Person(portal, "Silas")
    person.sign_up()
    person.submit("organization", name="Silas's saplings")
    person.submit("plan", tier="free")
    person.submit("billing", **BILLING)
    answer = person.post("/welcome/confirm", nonce="of yesterday")
    assert answer.headers["location"] == "/welcome/confirm"
    assert "This page was stale" in person.open("/welcome/confirm").text
    assert person.submit("confirm").status == 200
    assert person.open("/welcome").url == f"{portal.url}/"
    assert person.post("/welcome/confirm", nonce="again").headers["location"] == "/"


@pytest.mark.parametrize("field", ["name"])
@pytest.mark.parametrize("value", ["x", "x" * 81])
def test_name_of_the_organization_is_checked(tess, field, value):
    tess.open("/account")
    page = tess.submit("rename", **{field: value})
    assert page.status == 422 and f'id="e-{field}"' in page.html and page.form("rename").fields[field] == value


def test_feedback_that_is_too_long_keeps_what_was_typed(tess):
    tess.open("/help")
    page = tess.submit("feedback", rating="2", text="word " * 5000)
    assert page.status == 422 and "Please write at most" in page.text
    assert page.form("feedback").fields["rating"] == "2"
    assert page.form("feedback").fields["text"].startswith("word word")


def test_feedback_sent_twice_is_one(tess, portal):
    tess.open("/help")
    sent = tess.visitor.page.form("feedback").fields | {"rating": "3", "text": "Only once"}
    for _ in range(2):
        assert tess.post("/help/feedback", **sent).status_code == 303
    assert [one.text for one in portal.services.feedback.read()].count("Only once") == 1


def test_spend_cap_beyond_all_bounds_is_refused(tess):
    tess.open("/usage")
    page = tess.submit("spend", cap="99999999999", percentages="")
    assert page.status == 422 and "too large" in page.text


def test_without_a_key_for_it_no_installer_is_served(portal, monkeypatch):
    keyless = portal.services.settings.model_copy(update={"installer_key": None})
    monkeypatch.setitem(vars(portal.services), "settings", keyless)
    answer = TestClient(create(portal.services), base_url=portal.url).get("/install.sh")
    assert answer.status_code == 404 and "No installer is served here." in answer.text
