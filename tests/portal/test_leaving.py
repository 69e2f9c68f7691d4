"""A subscription that ends, what is refused then, and the way back; and what is told before something is lost."""

import threading

import pytest

from tests.agents.dispatching.workers import ScriptedWorker
from tests.portal.conftest import Person


@pytest.fixture(scope="module")
def vera(portal):
    person = Person(portal, "Vera")
    person.become_customer("Vanishing Verses")
    return person


def test_step_down_says_what_is_lost_and_what_becomes_of_running_work(portal, vera, monkeypatch):
    gate = threading.Event()
    worker = ScriptedWorker(gate=gate)
    monkeypatch.setattr(portal.services.dispatcher, "_offline", worker)
    vera.open("/runs/new")
    vera.submit("ask", text="Write a short lesson about fractions with a quiz for beginners")
    vera.submit("accept")
    assert worker.started.wait(20)
    page = vera.open("/plan/change?tier=free")
    gate.set()
    assert "Work that is running now goes on" in page.text
    assert "1 seat instead of 2" in page.text


def test_what_waits_is_shown_on_the_first_page_until_it_is_taken_back(portal, vera):
    vera.open("/plan/change?tier=free")
    vera.submit("change")
    portal.settle(vera)
    assert "Free begins on" in vera.open("/").text
    vera.open("/plan")
    assert "Everything stays as it is." in vera.submit("keep").text
    assert "Free begins on" not in vera.open("/").text
    vera.open("/plan/cancel")
    vera.submit("cancel", when="end")
    portal.settle(vera)
    assert "The subscription ends on" in vera.open("/").text
    vera.open("/plan")
    vera.submit("keep")


def test_limit_that_is_nearly_reached_is_told(portal, vera):
    portal.services.meter.consume(vera.tenant, "agent_credits", 420)
    assert "A limit of your plan is nearly reached." in vera.open("/").text


def test_running_subscription_is_not_erased(vera):
    assert "Cancel the subscription first" in vera.open("/privacy").text
    answer = vera.post("/privacy/erase", confirm="Vanishing Verses")
    assert answer.status_code == 409 and "still running" in answer.text


def test_ended_subscription_leaves_data_and_a_way_back(portal, vera):
    vera.open("/plan/cancel")
    vera.submit("cancel", when="now")
    portal.settle(vera)
    page = vera.open("/")
    assert "The subscription has ended. Your data is kept until you erase it." in page.text
    page = vera.open("/plan/cancel")
    assert page.status == 409 and "no running subscription to cancel" in page.text
    vera.open("/runs/new")
    page = vera.submit("ask", text="Write a short lesson about fractions")
    assert page.status == 403 and "The subscription has ended." in page.text
    assert page.form("ask").fields["text"] == "Write a short lesson about fractions"
    assert "suspended" in vera.get("/licenses/file").text
    assert vera.open("/plan/change?tier=gold").url.endswith("/plan")
    assert vera.post("/plan/change", tier="gold", nonce="gold").status_code == 422


def test_wish_that_waits_is_not_wished_again_and_can_be_taken_back(portal, vera, impatient):
    vera.open("/plan/change?tier=pro")
    portal.pause("lago")
    try:
        page = vera.submit("change")
        assert "is written down and is carried out as soon as all systems answer" in page.text
        page = vera.open("/plan/change?tier=pro")
        assert page.status == 409 and "no running subscription to change" in page.text
        vera.open("/plan")
        vera.submit("keep")
    finally:
        portal.go_on("lago")
    portal.settle(vera)
    assert "has ended" in vera.open("/").text


def test_coming_back_begins_a_new_subscription(portal, vera):
    page = vera.open("/plan/change?tier=pro")
    assert "A new subscription begins at once." in page.text
    assert "The plan was changed." in vera.submit("change").text
    portal.settle(vera)
    assert "has ended" not in vera.open("/").text
    assert portal.services.meter.check(vera.tenant, "api_calls")["allowed"]
