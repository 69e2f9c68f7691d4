"""Registration by invitation: the waiting list, codes, the switch, and the operator's pages about them."""

import re

import pytest

from glue.errors import NotAllowed
from glue.sandbox.visitor import wait_for_mail
from glue.support.waiting import NOBODY
from tests.portal.conftest import BILLING, Person


@pytest.fixture
def invited_only(portal, monkeypatch):
    monkeypatch.setattr(portal.services.rollout, "_registration", "invited")
    return portal


def _link(portal, email, path):
    portal.services.effects.run_for(NOBODY)
    for count in range(1, 4):
        mail = wait_for_mail(portal.mail_url, email, count=count)
        if link := next((link for link in mail["links"] if path in link), ""):
            return link.removeprefix(portal.url)
    raise AssertionError(f"no mail to {email} leads to {path}")


def test_uninvited_person_waits_and_comes_in_by_the_mailed_code(invited_only, olga):
    person = Person(invited_only, "Wanda")
    assert "want to wait for one" in person.open("/").text
    assert person.sign_up().url.endswith("/waiting-list")
    assert person.open("/welcome/plan").url.endswith("/waiting-list")
    assert person.submit("waiting", email="nonsense").status == 422
    assert "confirm your place" in person.submit("waiting", email=person.email).text
    person.open(_link(invited_only, person.email, "/waiting-list/"))
    assert "place is confirmed" in person.submit("confirm").text
    olga.open("/operator/rollout")
    assert "1 invited." in olga.submit("invite", cohort="pilot", number="1").text
    assert person.open(_link(invited_only, person.email, "/invitation/")).url.endswith("/welcome/organization")
    person.submit("organization", name="Wanda's wharf")
    page = person.submit("billing", **BILLING)
    assert "You take part in Pilot until" in page.text and "becomes Pro" in page.text
    person.submit("confirm")
    snapshot = invited_only.services.meter.snapshot_of(person.visitor.page.html.partition('data-tenant="')[2][:15])
    assert snapshot.tier == "free" and snapshot.features["exports"] and snapshot.meters["api_calls"].limit == 20000
    page = olga.open("/operator/waiting-list")
    assert person.email not in page.text


def test_wrong_code_is_refused_beside_its_field(invited_only):
    person = Person(invited_only, "Xaver")
    person.open("/waiting-list")
    page = person.submit("code", code="0000-0000-0000-0000")
    assert page.status == 422 and "used up, or has ended" in page.text


def test_whoever_waits_may_leave_the_list_and_is_forgotten(invited_only):
    person = Person(invited_only, "Walter", email="walter-waits@example.com")
    person.open("/waiting-list")
    person.submit("waiting", email=person.email)
    link = _link(invited_only, person.email, "/waiting-list/")
    person.open(link)
    assert "Your address is forgotten." in person.submit("leave").text
    page = person.open(link)
    assert page.status == 200
    page = person.submit("confirm")
    assert page.status == 404 and "not on the waiting list any more" in page.text


def test_code_typed_in_leads_in_once_and_an_address_with_a_used_one_does_not(invited_only):
    services = invited_only.services
    (issued,) = services.invitations.issue("pilot", number=1, uses=1, days=5, note="", by="a test")
    person = Person(invited_only, "Xenia")
    person.sign_up()
    person.open("/waiting-list")
    assert person.post("/welcome/organization", name="Not yet").headers["location"] == "/waiting-list"
    assert person.submit("code", code=issued.code.replace("-", " ").lower()).url.endswith("/welcome/organization")
    person.submit("organization", name="Xenia's xylophones")
    person.submit("billing", **BILLING)
    assert "Xenia" in person.submit("confirm").text
    late = Person(invited_only, "Yannick")
    late.sign_up()
    page = late.open(f"/invitation/{issued.code}")
    assert page.status == 422 and "used up, or has ended" in page.text


def test_code_used_up_by_another_meanwhile_is_told_at_the_end(invited_only):
    services = invited_only.services
    (issued,) = services.invitations.issue("pilot", number=1, uses=1, days=5, note="", by="a test")
    people = [Person(invited_only, name) for name in ("Early", "Late")]
    for person in people:
        person.sign_up()
        person.open(f"/invitation/{issued.code}")
        person.submit("organization", name=f"{person.name} birds")
        person.submit("billing", **BILLING)
    assert people[0].submit("confirm").status == 200
    page = people[1].submit("confirm")
    assert page.url.endswith("/waiting-list") or (page.status == 409 and "used up or has ended meanwhile" in page.text)


def test_operator_invites_a_number_of_people_that_there_is(olga):
    olga.open("/operator/rollout")
    for number in ("many", "0", "100000"):
        page = olga.submit("invite", cohort="pilot", number=number)
        assert page.status == 422 and page.form("invite").fields["number"] == number
    assert olga.post("/operator/waiting-list/invite", cohort="unknown", number="1", nonce="n").status_code == 404
    assert olga.post("/operator/codes/revoke", digest="unknown").status_code == 404
    assert olga.post("/operator/switches", name="unknown", off="yes", reason="x").status_code == 422
    assert olga.get("/operator/cohorts/pilot.csv").headers["content-type"].startswith("text/csv")
    assert olga.open("/operator/cohorts/unknown").status == 404


def test_operator_makes_codes_once_and_revokes_them(olga):
    olga.open("/operator/codes")
    form = olga.visitor.page.form("codes-form").fields
    page = olga.submit("codes-form", cohort="pilot", number="2", uses="3")
    codes = re.findall(r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}", page.text)
    assert len(codes) == 2
    olga.post("/operator/codes", **form | {"cohort": "pilot", "number": "2"})
    page = olga.open("/operator/codes")
    assert page.text.count("0 / 3") == 2 and codes[0] not in page.text
    assert olga.post("/operator/codes/revoke", digest=page.form(None).fields.get("digest", "") or _digest(page)).status_code == 303
    assert "revoked" in olga.open("/operator/codes").text
    olga.open("/operator/codes")
    assert olga.submit("codes-form", number="many").status == 422


def _digest(page):
    return next(form.fields["digest"] for form in page.forms if "digest" in form.fields)


def test_operator_stops_and_resumes_registration_runs_and_flags(portal, olga, alice):
    olga.open("/operator/rollout")
    for name in ("registration", "runs", "flag-exports"):
        olga.submit(f"switch-{name}", reason="an exercise")
    person = Person(portal, "Yara")
    try:
        assert "Nobody can register at the moment" in person.sign_up().text
        with pytest.raises(NotAllowed):
            portal.services.switches.demand_runs()
        snapshot = portal.services.meter.snapshot_of(alice.tenant)
        assert portal.services.meter.feature_verdict(snapshot, "exports")["reason"] == "paused"
        assert portal.services.meter.entitlements(snapshot)["features"]["exports"] is False
        assert "an exercise" in olga.open("/operator/rollout").text
        assert olga.submit("switch-flag-own_models", reason=" ").status == 422
    finally:
        for name in ("registration", "runs", "flag-exports"):
            olga.open("/operator/rollout")
            olga.submit(f"switch-{name}")
    assert person.open("/welcome").url.endswith("/welcome/organization")
    assert portal.services.meter.feature_verdict(snapshot, "exports")["allowed"]


def test_customers_see_nothing_of_the_roll_out(alice):
    for path in ("/operator/rollout", "/operator/codes", "/operator/waiting-list"):
        assert alice.get(path).status_code == 403
