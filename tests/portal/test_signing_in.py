"""Signing in and out: what Keycloak answers late, wrongly or not at all, and a session that is ended elsewhere."""

import json

import httpx2
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from sqlmodel import Session, select
from starlette.testclient import TestClient

from glue.actions.signins import Signin
from portal import create
from portal.languages import LOCALES
from tests.portal.conftest import Person


def is_asked_to_sign_in(page):
    return any(form.id == "kc-form-login" for form in page.forms)


def callback(portal, **answer):
    query = {"iss": portal.services.settings.keycloak.issuer_url} | answer
    return "/auth/callback?" + "&".join(f"{name}={value}" for name, value in query.items())


@pytest.fixture(scope="module")
def ines(portal):
    person = Person(portal, "Ines")
    person.sign_up()
    return person


def test_session_that_keycloak_ends_is_over_at_once(portal, ines):
    assert ines.open("/account").url.endswith("/account")
    with portal.keycloak_admin() as admin:
        admin.post(f"users/{portal.user_id(ines)}/logout").raise_for_status()
    assert is_asked_to_sign_in(ines.open("/account"))
    ines.sign_in()
    assert ines.open("/account").url.endswith("/account")


def test_answer_that_comes_late_does_not_bring_an_ended_session_back(portal):
    signins = portal.services.signins
    signins.write("an id", b"{}", seconds=60, subject="somebody")
    signins.end(subject="somebody")
    signins.write("an id", b'{"more": 1}', seconds=60, subject="somebody", known=True)
    assert signins.read("an id") == b""


def test_signing_out_ends_both_sessions(ines):
    ines.sign_in()
    ines.open("/account")
    ines.visitor.submit("sign-out")
    assert is_asked_to_sign_in(ines.open("/account"))
    ines.sign_in()


def test_person_who_was_switched_off_is_out_at_the_next_check(portal, monkeypatch):
    person = Person(portal, "Otto")
    person.sign_up()
    with portal.keycloak_admin() as admin:
        user = admin.get(f"users/{portal.user_id(person)}").json()
        admin.put(f"users/{user['id']}", json=user | {"enabled": False}).raise_for_status()
    monkeypatch.setattr("portal.people.CHECK_SECONDS", 0)
    assert is_asked_to_sign_in(person.open("/account"))


def test_while_keycloak_is_silent_whoever_is_known_goes_on_for_ten_minutes(portal, alice, monkeypatch):
    monkeypatch.setattr("portal.people.CHECK_SECONDS", 0)
    portal.pause("keycloak")
    try:
        assert alice.open("/usage").status == 200
        monkeypatch.setattr("portal.people.VOUCHED_SECONDS", 0)
        answer = alice.get("/usage")
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/login?then=/usage")
    finally:
        portal.go_on("keycloak")


def test_sign_in_says_when_keycloak_is_silent(portal):
    portal.pause("keycloak")
    try:
        answer = TestClient(create(portal.services), base_url=portal.url).get("/auth/login")
    finally:
        portal.go_on("keycloak")
    assert answer.status_code == 503
    assert "The sign-in service does not answer." in answer.text
    assert answer.headers["retry-after"]


def test_answer_of_somebody_else_is_refused(portal):
    person = Person(portal, "Mallory")
    page = person.open(callback(portal, iss="https://evil.example", code="c", state="s"))
    assert page.status == 401
    assert "came from somebody else" in page.text


def test_who_gives_up_at_keycloak_is_back_on_the_first_page(portal):
    person = Person(portal, "Nora")
    page = person.open(callback(portal, error="access_denied", state="s"))
    assert (page.status, page.url) == (200, f"{portal.url}/")


def test_answer_for_a_form_of_long_ago_begins_anew(portal):
    person = Person(portal, "Lars")
    assert is_asked_to_sign_in(person.open(callback(portal, code="c", state="of-another-day")))


def test_sign_in_speaks_the_language_that_was_chosen(portal):
    assert Person(portal, "Petra").open("/auth/login?language=de").language == "de"


@pytest.mark.parametrize("token", ["", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."])
def test_forged_logout_ends_nothing(portal, ines, token):
    assert ines.post("/auth/backchannel-logout", headers={}, logout_token=token).status_code == 422
    assert ines.open("/account").url.endswith("/account")


def test_other_token_of_the_realm_is_no_logout_token(portal, ines):
    subject = portal.user_id(ines)
    with Session(portal.services.database.engine) as session:
        data = session.exec(select(Signin.data).where(Signin.subject == subject)).first()
    answer = ines.post("/auth/backchannel-logout", headers={}, logout_token=json.loads(data)["id_token"])
    assert answer.status_code == 422
    assert "not a logout token" in answer.text
    assert ines.open("/account").url.endswith("/account")


def test_keycloak_that_falls_silent_between_two_steps_is_told(portal, ines, monkeypatch):
    def nothing(*_, **__):
        raise httpx2.ReadTimeout("no answer")

    ines.visitor.submit("sign-out")
    monkeypatch.setattr(AsyncOAuth2Client, "fetch_token", nothing)
    page = ines.sign_in()
    assert page.status == 503
    assert "The sign-in service does not answer." in page.text
    monkeypatch.undo()
    assert ines.sign_in().status == 200


def test_session_that_ends_while_a_page_is_made_stays_ended(portal, ines, monkeypatch):
    """The page changes the session after it was ended: what it writes must not bring it back."""
    ines.sign_in()
    subject = portal.user_id(ines)

    def ends(_):
        portal.services.signins.end(subject=subject)
        return LOCALES

    monkeypatch.setattr("portal.site.Site.languages", ends)
    assert ines.post("/account", language="de").status_code == 303
    monkeypatch.undo()
    assert ines.get("/account").headers["location"].startswith("/auth/login")
    ines.sign_in()
