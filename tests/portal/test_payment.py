"""Paying by card: a card that declines, the days of grace, the suspension, and how paying ends them. Moves the clock."""

from datetime import UTC, datetime, time, timedelta

import httpx
import pytest

from glue.converge.breaker import confirm_losses
from glue.db import System
from tests.portal.conftest import Person

pytestmark = pytest.mark.moves_clock


@pytest.fixture(scope="module")
def nina(portal):
    """A customer who pays by card: Lago has her linked to the payment provider."""
    person = Person(portal, "Nina")
    person.become_customer("Night School", tier="team")
    portal.services.lago.upsert_customer(person.tenant, payment_provider="stripe", payment_provider_code="stripe")
    return person


def go_to(portal, moment):
    for name in ("lago", "keygen"):
        control = f"{portal.stack.ready(name)['control_url']}/clock"
        httpx.post(control, json={"now": moment.isoformat()}, timeout=300, trust_env=False).raise_for_status()
    # After such a leap many customers lose something at once: an operator has looked.
    with portal.services.database.write(System("a test lets time pass")) as session:
        confirm_losses(session, now=moment, by="a test")


def look(portal, person):
    portal.services.look_at(person.tenant, why="time went by")
    assert portal.services.actions.wait_until_settled(person.tenant, seconds=30)


def days_after_due(portal, person, days):
    oldest = min(row.payment_due_date for row in portal.services.lago.invoices_of(person.tenant) if row.is_open)
    return datetime.combine(oldest, time(12), UTC) + timedelta(days=days)


def pay(person):
    """Press the first Pay."""
    return person.open(next(address for text, address in person.visitor.page.links if text == "Pay"))


def test_declined_card_leads_over_grace_to_suspension_and_paying_ends_it(portal, nina):
    page = nina.open("/payment")
    assert "By card" in page.text
    nina.visitor.follow("Enter or change the card")
    assert "Card saved" in nina.visitor.submit(button="Decline").text

    now = portal.services.clock.now()
    go_to(portal, (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=2, minute=0, second=0, microsecond=0))
    look(portal, nina)
    page = nina.open("/payment")
    assert "The last payment was declined." in page.text and "To pay" in page.text
    pay(nina)
    assert "failed" in nina.visitor.submit(button="Decline").text

    go_to(portal, days_after_due(portal, nina, 2))
    look(portal, nina)
    assert "Everything stays usable until" in nina.open("/payment").text
    page = nina.open("/")
    assert "An invoice is overdue. Everything stays usable until" in page.text and "Usable until" in page.text
    assert portal.services.meter.check(nina.tenant, "api_calls")["allowed"]

    go_to(portal, days_after_due(portal, nina, 23))
    look(portal, nina)
    page = nina.open("/payment")
    assert "Everything is suspended" in page.text
    assert "An invoice was not paid in time. Pay it and everything works again at once." in nina.open("/").text
    assert portal.services.meter.check(nina.tenant, "api_calls")["allowed"] is False
    assert portal.services.actions.record(nina.tenant).standing == "suspended"

    while "To pay" in nina.open("/payment").text:
        pay(nina)
        assert "succeeded" in nina.visitor.submit(button="Pay").text
        look(portal, nina)
    page = nina.open("/payment")
    assert "suspended" not in page.text and "To pay" not in page.text
    assert portal.services.meter.check(nina.tenant, "api_calls")["allowed"]


def test_only_who_may_see_money_is_led_to_the_provider(portal, nina, charlie):
    assert nina.get("/payment/checkout").status_code == 303
    assert charlie.get("/payment/checkout").status_code == 503
