"""What is asked while a system is silent: shown with what is known, written down, and done as soon as it answers."""

import re

import pytest

from glue.sandbox.visitor import wait_for_mail
from tests.portal.conftest import BILLING, Person

pytestmark = pytest.mark.usefixtures("impatient")
LATER = "is carried out as soon as all systems answer"


@pytest.fixture(scope="module")
def wilma(portal):
    person = Person(portal, "Wilma")
    person.become_customer("Waiting Words")
    return person


@pytest.fixture
def silent(portal):
    paused = []

    def pause(name):
        portal.pause(name)
        paused.append(name)

    yield pause
    for name in paused:
        portal.go_on(name)


def test_plan_change_is_shown_with_what_is_known_and_follows_when_lago_answers(portal, wilma, silent):
    wilma.open("/plan")
    silent("lago")
    page = wilma.open("/plan/change?tier=team")
    assert page.status == 200 and "Lago does not answer. This is what we knew at" in page.text
    assert "10 seats instead of 2" in page.text
    page = wilma.submit("change")
    assert LATER in page.text and "Your wish of" in page.text
    portal.go_on("lago")
    portal.settle(wilma)
    page = wilma.open("/plan")
    assert "Your wish of" not in page.text
    assert portal.services.lago.subscriptions_of(wilma.tenant)[0].plan_code == "team_usd_monthly_1"


def test_cancellation_and_its_undoing_wait_for_lago(portal, wilma, silent):
    wilma.open("/plan")
    silent("lago")
    page = wilma.open("/plan/cancel")
    assert page.status == 200 and "Lago does not answer" in page.text
    assert LATER in wilma.submit("cancel", when="now").text
    assert LATER in wilma.submit("keep").text
    portal.go_on("lago")
    portal.settle(wilma)
    assert [row.status for row in portal.services.lago.subscriptions_of(wilma.tenant) if row.status == "active"]
    assert "has ended" not in wilma.open("/").text


def test_new_key_is_made_when_keygen_answers(portal, wilma, silent):
    old = re.search(r'id="license-key">([^<]+)<', wilma.open("/licenses").html)[1]
    silent("keygen")
    assert LATER in wilma.submit("rotate").text
    portal.go_on("keygen")
    portal.settle(wilma)
    assert re.search(r'id="license-key">([^<]+)<', wilma.open("/licenses").html)[1] != old
    assert all(one.suspended for one in portal.services.keygen.list_licenses().items if one.key == old)


def test_invitation_goes_out_when_keycloak_answers(portal, wilma, silent):
    wilma.open("/team")
    silent("keycloak")
    late = "late-guest@example.com"
    assert LATER in wilma.submit("invite", email=late).text
    portal.go_on("keycloak")
    portal.settle(wilma)
    assert wait_for_mail(portal.mail_url, late, seconds=60)["links"]
    assert late in wilma.open("/team").text


def test_what_cannot_wait_is_refused_and_nothing_is_lost(portal, wilma, silent):
    late = "never@example.com"
    wilma.open("/team")
    assert wilma.submit("invite", email=late).status == 200
    wilma.open("/team")
    silent("keycloak")
    page = wilma.submit("withdraw-1")
    assert page.status == 503 and "nothing was lost" in page.text
    portal.go_on("keycloak")
    assert late in wilma.open("/team").text


def test_coupon_and_payment_say_that_lago_is_silent(wilma, silent):
    wilma.open("/plan")
    silent("lago")
    page = wilma.submit("coupon", code="beta_launch_20")
    assert page.status == 503 and "nothing was lost" in page.text
    assert wilma.open("/payment/checkout").status == 503


def test_registration_with_all_silent_is_kept_and_done_later(portal, silent):
    person = Person(portal, "Zoe")
    person.sign_up()
    person.submit("organization", name="Zoe's zoo")
    person.submit("plan", tier="pro")
    person.submit("billing", **BILLING)
    for name in ("lago", "keygen"):
        silent(name)
    page = person.submit("confirm")
    person.tenant = page.html.partition('data-tenant="')[2][:15]
    assert page.status == 200 and "Your organization is being set up." in page.text
    assert "Ready in a moment" in page.text
    for path in ("/plan", "/usage", "/licenses", "/team", "/runs", "/invoices", "/events"):
        assert person.open(path).status == 200, path
    for path in ("/plan/change?tier=team", "/plan/cancel"):
        page = person.open(path)
        assert page.status == 503 and "what you have is not known here" in page.text, "nobody decides blindly"
    for name in ("lago", "keygen"):
        portal.go_on(name)
    portal.settle(person)
    assert "being set up" not in person.open("/").text
    assert portal.services.meter.check(person.tenant, "api_calls")["allowed"]


def test_file_of_a_license_that_is_still_being_made_is_refused(portal, silent):
    person = Person(portal, "Lea")
    person.sign_up()
    person.submit("organization", name="Lea's lamps")
    person.submit("plan", tier="free")
    person.submit("billing", **BILLING)
    silent("keygen")
    person.tenant = person.submit("confirm").html.partition('data-tenant="')[2][:15]
    answer = person.get("/licenses/file")
    assert answer.status_code == 503 and "The license is still being made." in answer.text
    assert "Your license is being made" in person.open("/licenses").text
    portal.go_on("keygen")
    portal.settle(person)
    assert 'id="license-key"' in person.open("/licenses").html


def test_erasure_waits_for_the_system_that_is_silent(portal, silent):
    person = Person(portal, "Yoko")
    person.become_customer("Yesterday's Yarn", tier="free")
    person.open("/plan/cancel")
    person.submit("cancel", when="now")
    portal.settle(person)
    person.open("/privacy")
    silent("keygen")
    assert LATER in person.submit("erase", confirm="Yesterday's Yarn").text
    portal.go_on("keygen")
    portal.settle(person)
    assert "Yesterday" not in person.open("/").text
