"""An operator's week on the pages: customers, tickets, what drifted, what is in doubt, what fits nowhere; each with its refusals."""

import json
import secrets

import pytest

from glue.converge.breaker import BreakerState
from glue.converge.effects import Effect, EffectState
from glue.converge.tenants import Tenant
from glue.db import System
from glue.rules.names import TenantId, new_tenant_id
from glue.sandbox.visitor import wait_for_mail
from tests.portal.conftest import Person


@pytest.fixture(scope="module")
def mona(portal):
    """A customer with whom the operator has to do."""
    person = Person(portal, "Mona")
    person.become_customer("Moving Minds")
    return person


def test_customer_is_found_by_name_address_and_standing(olga, mona):
    olga.open("/operator")
    assert "Moving Minds" in olga.submit("search", q="moving m").text
    assert "Moving Minds" in olga.submit("search", q=mona.email).text
    assert "Moving Minds" not in olga.submit("search", q=mona.email, standing="suspended").text
    olga.submit("search", q=mona.email, standing="")
    page = olga.visitor.follow("Moving Minds")
    for said in (f"{mona.email} (admin)", "pro_usd_monthly_1", "ACTIVE", "Timeline"):
        assert said in page.text
    assert "Moving Minds" in olga.submit("look").text


def test_suspension_needs_a_reason_that_the_customer_reads_and_is_taken_back(portal, olga, mona):
    path = f"/operator/tenants/{mona.tenant}"
    olga.open(path)
    page = olga.submit("block", reason=" ")
    assert page.status == 422 and 'id="e-reason"' in page.html
    assert "Suspended by hand: A chargeback" in olga.submit("block", reason="A chargeback").text
    portal.settle(mona)
    assert "A chargeback" in mona.open("/").text
    assert "suspended" in olga.open(path).text
    olga.submit("unblock")
    portal.settle(mona)
    assert "A chargeback" not in mona.open("/").text
    assert "Let in again by an operator." in olga.open(path).text


def test_operator_sees_as_a_customer_and_changes_nothing(portal, olga, mona):
    olga.open(f"/operator/tenants/{mona.tenant}")
    page = olga.submit("see-as")
    assert "You are looking at Moving Minds as its customer does" in page.text
    assert "Moving Minds" in olga.open("/team").text
    for path in ("/team/invite", "/plan/cancel", "/licenses/rotate", "/help/tickets", "/account/organization", "/privacy/erase"):
        assert olga.post(path, nonce=secrets.token_hex(4)).status_code == 403
    page = olga.submit("stop-seeing")
    assert page.url.endswith("/operator")
    assert "An operator looked at the portal as this customer." in olga.open(f"/operator/tenants/{mona.tenant}").text
    assert "looked at the portal" in mona.open("/events?everything=true").text


def test_ticket_is_answered_noted_and_closed(portal, olga, mona):
    mona.open("/help")
    theirs = mona.submit("ticket", subject="The quiz key", text="It does not match.", category="run", priority="urgent")
    ticket = theirs.url.rpartition("/")[2]
    assert "The quiz key" in olga.open("/operator/tickets").text
    olga.visitor.follow("The quiz key")
    page = olga.submit("reply", text=" ")
    assert page.status == 422 and 'id="e-text"' in page.html
    page = olga.visitor.follow("More details")
    assert "the exact time" in page.form("reply").fields["text"]
    assert "the exact time" in olga.submit("reply").text
    assert "Ask the runs team" in olga.submit("note", text="Ask the runs team").text
    shown = mona.open(f"/help/tickets/{ticket}").text
    assert "the exact time" in shown and "runs team" not in shown
    portal.settle(mona)
    assert "The quiz key" in wait_for_mail(portal.mail_url, mona.email, count=2)["subject"]
    olga.open(f"/operator/tickets/{ticket}")
    olga.submit("set-state", state="closed")
    assert olga.post(f"/operator/tickets/{ticket}/state", state="lost").status_code == 422
    assert mona.open(f"/help/tickets/{ticket}").status == 200
    assert mona.post(f"/help/tickets/{ticket}/reply", text="More", nonce="late").status_code == 409
    assert "More" not in olga.open(f"/operator/tickets/{ticket}").text.split("Your answer")[0].replace("More details", "")


def test_what_was_taken_away_by_hand_waits_for_a_decision(portal, olga, mona):
    services = portal.services
    services.keygen.update_license(services.keygen.find_license(_license_of(portal, mona)).id, suspended=True)
    olga.open(f"/operator/tenants/{mona.tenant}")
    page = olga.submit("look")
    assert "needs a decision" in page.text
    assert "Moving Minds" in olga.open("/operator/drift").text
    page = olga.submit("restore-1")
    assert "All three tell one story" in page.text
    assert services.keygen.find_license(_license_of(portal, mona)).suspended is False


def _license_of(portal, person):
    with portal.services.database.read(TenantId(person.tenant)) as session:
        return session.get_one(Tenant, person.tenant).license_id


def test_effect_in_doubt_is_sent_again(portal, olga, mona):
    payload = {"to": mona.email, "subject": "Perhaps twice", "text": "A crash left open whether this went out."}
    key = f"test/{secrets.token_hex(4)}"
    with portal.services.database.write(TenantId(mona.tenant)) as session:
        now = portal.services.clock.now()
        session.add(Effect(tenant_id=mona.tenant, key=key, kind="mail", state=EffectState.DOUBT, payload=payload, planned_at=now))
    assert "Moving Minds" in olga.open("/operator/effects").text
    assert "Nothing in doubt" in olga.submit("again-1").text
    portal.settle(mona)
    assert wait_for_mail(portal.mail_url, mona.email, count=3)["subject"] == "Perhaps twice"
    assert olga.post("/operator/effects/again", key="test/unknown").status_code == 404


def _strand(portal, person, units):
    meter = portal.services.meter
    meter.record_usage(person.tenant, "agent_credits", units)
    aside = "update meter.folds set state = 'stranded', reason = ? where tenant_id = ? and state = 'open'"
    meter.flush._change(aside, [("Its period is closed.", person.tenant)])


def test_stranded_usage_is_billed_or_waived(portal, olga, mona):
    for units in (30, 40):
        _strand(portal, mona, units)
    page = olga.open("/operator/stranded")
    assert "Moving Minds" in page.text and "Its period is closed." in page.text
    for amount, words in (("many", "not an amount"), ("-1", "out of range")):
        page = olga.submit("bill-1", amount=amount)
        assert page.status == 422 and words in page.text and page.form("bill-1").fields["amount"] == amount
    olga.submit("bill-1", amount="0")
    assert "Nothing stranded" in olga.submit("bill-1", amount="1,20").text
    portal.settle(mona)
    assert "Waived" in mona.open("/events").text
    assert "$1.20" in mona.open("/invoices").text
    assert olga.post("/operator/stranded/bill", fold="unknown", amount="1").status_code == 404


def test_amount_that_was_asked_for_while_lago_was_silent_stays(portal, olga, mona):
    _strand(portal, mona, 50)
    olga.open("/operator/stranded")
    portal.pause("lago")
    try:
        assert olga.submit("bill-1", amount="2.50").status == 503
    finally:
        portal.go_on("lago")
    olga.open("/operator/stranded")
    page = olga.submit("bill-1", amount="3")
    assert page.status == 409 and "An invoice over 250 cents was asked for already" in page.text
    assert "Nothing stranded" in olga.submit("bill-1", amount="2.50").text
    portal.settle(mona)
    assert mona.open("/invoices").text.count("$2.50") == 1


def test_open_breaker_waits_for_the_operator(portal, olga):
    now = portal.services.clock.now()
    with portal.services.database.write(System("a test opens the breaker")) as session:
        session.merge(BreakerState(id=1, open_since=now))
    assert "The breaker is open" in olga.open("/operator/drift").text
    assert "The breaker is open" in olga.open("/operator").text
    olga.visitor.follow("Look and decide")
    assert "The breaker is open" not in olga.submit("confirm-losses").text


def test_ticket_is_reported_to_the_developers_without_names_and_once(portal, olga, mona):
    mona.open("/help")
    theirs = mona.submit("ticket", subject="It broke for Mona Archer", text=f"Write to {mona.email}, please.", category="defect")
    ticket = theirs.url.rpartition("/")[2]
    portal.issues.faults.append(("POST", 500, False))
    olga.open(f"/operator/tickets/{ticket}")
    assert "#1" not in olga.submit("report").text
    page = olga.submit("report")
    (issue,) = portal.issues.issues.values()
    assert f"#{issue['number']}" in page.text
    assert mona.email not in json.dumps(issue) and "Archer" not in json.dumps(issue)
    olga.post(f"/operator/tickets/{ticket}/issue")
    assert len(portal.issues.issues) == 1


def test_file_of_a_ticket_is_read_by_operators(olga, mona):
    mona.open("/help")
    fields = {"subject": "With a file", "text": "See it.", "category": "question", "priority": "low", "nonce": "with-a-file"}
    path = mona.post("/help/tickets", files={"file": ("notes.txt", b"hello")}, **fields).headers["location"]
    page = olga.open(f"/operator{path.removeprefix('/help')}")
    answer = olga.get(next(address for _, address in page.links if "/files/" in address))
    assert answer.content == b"hello" and answer.headers["content-disposition"].startswith("attachment")
    assert olga.get(f"/operator{path.removeprefix('/help')}/files/999999").status_code == 404


def test_customer_that_the_three_systems_do_not_know_is_shown_as_such(portal, olga):
    now = portal.services.clock.now()
    tenant = new_tenant_id(now)
    with portal.services.database.write(tenant) as session:
        session.add(Tenant(tenant_id=tenant, display_name="Nowhere Known", currency="USD", created_at=now))
    text = olga.open(f"/operator/tenants/{tenant}").text
    assert "organization none" in text and "customer none" in text and "license none" in text
    with portal.services.database.write(tenant) as session:
        session.delete(session.get_one(Tenant, tenant))
    assert olga.open(f"/operator/tenants/{tenant}").status == 404


def test_while_keycloak_is_silent_the_search_says_what_it_could_not_search(portal, olga, mona):
    portal.pause("keycloak")
    try:
        olga.open("/operator")
        page = olga.submit("search", q="moving", standing="")
        assert "Moving Minds" in page.text and "not searched" not in page.text
        page = olga.submit("search", q=mona.email, standing="")
        assert "addresses of members were not searched" in page.text
    finally:
        portal.go_on("keycloak")


def test_delivery_is_played_again(portal, olga, mona):
    page = olga.open("/operator/deliveries?source=lago")
    assert mona.tenant in page.text or "customer" in page.text
    assert olga.submit("play-1").url.endswith("/operator/deliveries")
    assert olga.post("/operator/deliveries/replay", delivery="999999999").status_code == 404


def test_one_system_down_leaves_the_others_to_be_seen(portal, olga, mona):
    portal.pause("keygen")
    try:
        page = olga.open(f"/operator/tenants/{mona.tenant}")
        assert page.status == 200 and "pro_usd_monthly_1" in page.text
        assert "Keygen" in page.text and "not answer" in page.text
        assert olga.open("/operator/health").status == 200
    finally:
        portal.go_on("keygen")


def test_customers_reach_no_page_of_operators(alice, mona):
    for path in (
        "",
        f"/tenants/{alice.tenant}",
        "/drift",
        "/effects",
        "/stranded",
        "/deliveries",
        "/tickets",
        "/feedback",
        "/health",
        "/runs",
    ):
        assert mona.get(f"/operator{path}").status_code == 403
    for path in (f"/tenants/{alice.tenant}/block", "/effects/again", "/stranded/bill", "/deliveries/replay", "/drift/restore"):
        assert mona.post(f"/operator{path}", reason="x", key="x", delivery="1", tenant=alice.tenant, field="x").status_code == 403
