"""One person in several organizations, and the way out of one."""

import re
import time

from glue.sandbox.visitor import register, wait_for_mail
from tests.portal.conftest import BILLING, PASSWORD, Person


def test_second_organization_is_made_and_switched_to_and_from(portal):
    person = Person(portal, "Theo")
    person.become_customer("First Form", tier="free")
    person.open("/welcome/new")
    person.submit("organization", name="Second Form")
    person.submit("plan", tier="pro")
    person.submit("billing", **BILLING)
    page = person.submit("confirm")
    assert "Second Form" in page.text
    person.open("/account")
    page = person.visitor.submit(next(form.id for form in person.visitor.page.forms if form.id.startswith("switch-")))
    assert page.html.partition('data-tenant="')[2][:15] == person.tenant
    assert "Free" in person.open("/plan").text
    assert person.post("/switch", tenant="t00000000000000").status_code in {303, 403, 404}
    assert person.open("/").html.partition('data-tenant="')[2][:15] == person.tenant


def test_removed_member_loses_access_and_the_seat_is_free(paula, portal):
    paula.open("/team")
    guest = Person(portal, "Gus")
    paula.submit("invite", email=guest.email, role="member")
    link = wait_for_mail(portal.mail_url, guest.email)["links"][0]
    names = {"first_name": "Gus", "last_name": "Guest", "mail_url": portal.mail_url}
    register(guest.visitor, link, email=guest.email, password=PASSWORD, **names)
    guest.sign_in()
    assert "Paying Pupils" in guest.open("/team").text
    paula.open("/team")
    user = re.search(r'/team/remove\?user=([^"&]+)"', paula.visitor.page.html)[1]
    page = paula.open(f"/team/remove?user={user}")
    assert "Remove Gus Guest?" in page.text
    assert "removing the person deletes it" in page.text
    page = paula.submit("remove")
    assert page.status == 409 and "Removing this person deletes the account" in page.text, "nothing is deleted unless it was said"
    page = paula.submit("remove", account="may-go")
    assert "the seat is free" in page.text and guest.email not in page.text
    time.sleep(1)
    assert "Paying Pupils" not in guest.open("/team").text


def test_open_invitation_is_sent_again_and_withdrawn(paula, portal):
    paula.open("/team")
    late = "late-comer@example.com"
    paula.submit("invite", email=late, role="billing")
    first = wait_for_mail(portal.mail_url, late)["links"][0]
    assert "sent again" in paula.submit("resend-1").text
    second = wait_for_mail(portal.mail_url, late, count=2)["links"][0]
    assert first != second
    assert "the seat is free" in paula.submit("withdraw-1").text
    guest = Person(portal, "Late", email=late)
    page = guest.visitor.open(second)
    assert page.status >= 400 or not any(form.id == "kc-register-form" for form in page.forms)


def test_erasing_one_of_two_organizations_leaves_the_other_and_the_account(portal):
    person = Person(portal, "Ursula")
    person.become_customer("Under Way", tier="free")
    person.open("/welcome/new")
    page = person.found("Over There", tier="free")
    assert "Over There" in page.text
    person.open("/plan/cancel")
    person.submit("cancel", when="now")
    portal.settle(person)
    person.open("/privacy")
    page = person.submit("erase", confirm="Over There")
    assert "Everything about the organization was erased." in page.text
    assert "Under Way" in page.text and "Over There" not in page.text
    assert person.open("/account").status == 200
