"""A customer's week on the pages: team, programs, plan, work, help, billing data."""

import io
import re
import time
import zipfile

import httpx
import pytest

from glue.converge.effects import Effect, EffectState
from glue.rules.names import TenantId


def test_member_sees_no_money_and_may_not_manage(bob):
    assert bob.open("/team").status == 200 and "Kestrel Learning" in bob.visitor.page.text
    for path in ("/invoices", "/payment", "/programs", "/plan/change?tier=team"):
        assert bob.open(path).status == 403
    assert "Ask an admin" in bob.visitor.page.text
    for path in ("/team/invite", "/programs/create", "/licenses/rotate", "/privacy/erase", "/plan/cancel", "/payment/address"):
        assert bob.post(path, nonce="x").status_code == 403
    assert bob.get("/privacy/export").status_code == 403
    assert "Invoices" not in [text for text, _ in bob.open("/").links]


def test_third_person_has_no_seat(alice, bob):
    alice.open("/team")
    page = alice.submit("invite", email="carol@example.com", role="member")
    assert page.status == 403 and "seats are taken" in page.text
    assert page.form("invite").fields["email"] == "carol@example.com"


def test_team_says_what_is_wrong_with_an_invitation(alice, bob):
    alice.open("/team")
    page = alice.submit("invite", email="nonsense")
    assert page.status == 422 and "not an e-mail address" in page.text
    alice.open("/team")
    page = alice.submit("invite", email=bob.email)
    assert page.status == 409 and "in the team already" in page.text


def test_role_of_a_member_is_changed_but_an_admin_stays(alice, bob, portal):
    alice.open("/team")
    user = re.search(r'name="user" value="([^"]+)"', alice.visitor.page.html)[1]
    assert alice.post("/team/roles", user=user, role="billing").status_code == 303
    assert "role was changed" in alice.open("/team").text
    portal.services.actions.wait_until_settled(alice.tenant, seconds=10)
    assert bob.open("/invoices").status == 200
    assert alice.post("/team/roles", user=user, role="king").status_code == 422
    alice.post("/team/roles", user=user, role="member")
    portal.services.actions.wait_until_settled(alice.tenant, seconds=10)
    assert alice.open(f"/team/remove?user={user}").status == 200
    assert alice.open("/team/remove?user=unknown").url.endswith("/team")


def test_program_secret_is_shown_once_and_the_first_call_lights_up(alice, portal):
    assert 'data-arrived="no"' in alice.open("/programs/first-call").html
    alice.open("/programs")
    page = alice.submit("create", name="Importer")
    client_id, secret = (re.search(rf'id="client-{name}">([^<]+)<', page.html)[1] for name in ("id", "secret"))
    listed = alice.open("/programs")
    assert secret not in listed.html and client_id in listed.html and "Importer" in listed.text
    assert alice.post("/programs/create", name="Bad/name", nonce="n1").status_code == 422
    identity = portal.services.settings.keycloak
    token = httpx.post(
        f"{identity.url}/realms/{identity.realm}/protocol/openid-connect/token",
        data={"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": "organization:*"},
        trust_env=False,
    ).json()["access_token"]
    deadline = time.monotonic() + 15
    while True:
        answer = httpx.post(
            f"{portal.url}/v1/consume",
            json={"meter": "api_calls", "units": 40},
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": f"first-{time.monotonic()}"},
            trust_env=False,
        )
        if answer.status_code in {200, 202} or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert answer.status_code in {200, 202}, answer.text
    assert 'data-arrived="yes"' in alice.open("/programs/first-call").html
    page = alice.open("/usage")
    assert 'data-meter="api_calls" data-used="40"' in page.html and "By program" in page.text
    assert "api_calls" in alice.get("/usage.csv").text
    assert alice.post("/programs/rotate", client_id=client_id, nonce="r1").status_code == 200
    assert alice.post("/programs/rotate", client_id=client_id, nonce="r1").status_code == 303
    assert alice.post("/programs/disable", client_id=client_id).status_code == 303
    assert "was switched off" in alice.open("/programs").text
    assert alice.post("/programs/disable", client_id=client_id).status_code == 303
    assert "not there any more" in alice.open("/programs").text


def test_free_plan_has_one_program_only(charlie):
    charlie.open("/programs")
    charlie.submit("create", name="One")
    charlie.open("/programs")
    page = charlie.submit("create", name="Two")
    assert page.status == 403 and "programs of your plan exist" in page.text


def test_license_key_is_shown_and_replaced(alice, portal):
    from glue.actions.machines import activate

    key = re.search(r'id="license-key">([^<]+)<', alice.open("/licenses").html)[1]
    activate(
        portal.services.actions, TenantId(alice.tenant), fingerprint="machine-1-of-kestrel", name="desk-1", platform="linux", by="a test"
    )
    page = alice.open("/licenses")
    assert re.search(r"desk-1 linux [^–]+–", page.text), "not seen yet"
    assert "BEGIN LICENSE FILE" in alice.get("/licenses/file").text
    machine = re.search(r'name="machine" value="([^"]+)"', page.html)[1]
    assert "BEGIN MACHINE FILE" in alice.get(f"/licenses/file?machine={machine}").text
    assert re.search(r"desk-1 linux [^–]+UTC [^–]+UTC", alice.open("/licenses").text), "activated, and seen"
    assert alice.get("/licenses/file?machine=unknown").status_code == 404
    assert alice.post("/licenses/remove", machine=machine).status_code == 303
    assert "its place is free" in alice.open("/licenses").text
    page = alice.submit("rotate")
    new = re.search(r'id="license-key">([^<]+)<', page.html)
    assert new and new[1] != key


def test_plan_change_shows_gain_and_loss_and_can_be_taken_back(alice, portal):
    page = alice.open("/plan/change?tier=team")
    assert "at once" in page.text and "10 seats instead of 2" in page.text
    price = re.search(r"To pay with the next invoice (\$[\d,.]+)", page.text)[1]
    page = alice.submit("change")
    assert "The plan was changed" in page.text
    assert price in alice.open("/invoices").text, "what was said before is what Lago asks for, in the first part of a month too"
    page = alice.open("/plan/change?tier=pro")
    assert "You lose" in page.text or "you lose" in page.text
    assert "Priority support" in page.text
    alice.submit("change")
    page = alice.open("/plan")
    assert "Pro begins on" in page.text
    page = alice.submit("keep")
    assert "begins on" not in page.text
    assert alice.open("/plan/change?tier=team").url.endswith("/plan")
    assert alice.open("/plan/change?tier=nonsense").url.endswith("/plan")


def test_cancel_at_the_end_can_be_undone(alice):
    page = alice.open("/plan/cancel")
    assert "What you keep" in page.text and "What you lose" in page.text
    page = alice.submit("cancel", when="end")
    assert "The subscription ends on" in page.text
    page = alice.submit("keep")
    assert "The subscription ends on" not in page.text
    assert alice.post("/plan/cancel", when="yesterday", nonce="c1").status_code == 422


def test_sentence_becomes_quote_run_and_files(alice, charlie):
    alice.open("/runs/new?sample=assessment")
    page = alice.submit("ask")
    assert re.search(r'data-cap="\d+"', page.html) and "Never above" in page.text
    quote = page.url.removeprefix(alice.portal.url)
    assert charlie.open(quote).status == 404
    page = alice.submit("accept")
    run = page.url.removeprefix(alice.portal.url)
    deadline = time.monotonic() + 60
    while 'data-run-state="completed"' not in page.html and time.monotonic() < deadline:
        time.sleep(0.3)
        page = alice.open(run)
    assert 'data-run-state="completed"' in page.html, page.text
    assert int(re.search(r'data-cost="(\d+)"', page.html)[1]) > 0
    files = [address for _, address in page.links if "/artifacts/" in address]
    answer = alice.get(files[0])
    assert answer.headers["content-type"].startswith("text/plain") and "template" in answer.text.lower()
    assert charlie.open(run).status == 404
    assert charlie.get(files[0]).status_code == 404
    assert alice.open(quote).url.endswith(run)
    assert alice.post(f"{run}/pause").status_code == 303
    assert "moved on" in alice.open(run).text
    assert alice.post(f"{run}/dance").status_code == 422
    assert "completed" in alice.open("/runs").text
    alice.open("/runs/new?sample=assessment")
    page = alice.submit("ask")
    assert "You have work like this" in page.text and run in [address for _, address in page.links]


@pytest.mark.parametrize("text", ["", " "])
def test_empty_wish_is_named_beside_the_field(alice, text):
    alice.open("/runs/new")
    page = alice.submit("ask", text=text)
    assert page.status == 422 and 'id="e-text"' in page.html


def test_ticket_with_a_file_is_opened_once_however_often_it_is_sent(alice, charlie):
    alice.open("/help")
    form = alice.visitor.page.form("ticket")
    sent = {**form.fields, "subject": "It stops", "text": "After a minute.\nEvery time."}
    sent.pop("file", None)
    first, second = alice.post("/help/tickets", **sent), alice.post("/help/tickets", **sent)
    assert first.headers["location"] == second.headers["location"]
    path = first.headers["location"]
    assert charlie.open(path).status == 404
    page = alice.open(path)
    assert "It stops" in page.text
    page = alice.submit("reply", text="")
    assert page.status == 422
    page = alice.submit("reply", text="Here is more.")
    assert "Here is more." in page.text
    page = alice.submit("solved")
    assert "solved" in page.text
    alice.open("/help")
    page = alice.submit("ticket", subject="", text="kept text")
    assert page.status == 422 and page.form("ticket").fields["text"] == "kept text"


def test_files_of_tickets_are_checked(alice):
    def send(name, content):
        fields = {"subject": "A file", "text": "See it.", "category": "question", "priority": "low", "nonce": name}
        return alice.post("/help/tickets", files={"file": (name, content)}, **fields)

    assert send("program.exe", b"MZ").status_code == 422
    assert send("picture.png", b"no picture").status_code == 422
    taken = send("notes.txt", b"hello")
    assert taken.status_code == 303
    page = alice.open(taken.headers["location"])
    address = next(address for _, address in page.links if "/files/" in address)
    assert alice.get(address).content == b"hello"


def test_refused_file_leaves_no_ticket_and_no_reply_behind(alice, portal):
    def count():
        return portal.services.tickets.page(tenant=alice.tenant)[1]

    before = count()
    fields = {"subject": "A file", "text": "See it.", "category": "question", "priority": "low"}
    for place, content in enumerate([b"no picture", b"\x89PNG" + b"0" * (5 * 2**20)]):
        answer = alice.post("/help/tickets", files={"file": ("picture.png", content)}, nonce=f"refused-{place}", **fields)
        assert answer.status_code == 422 and 'id="e-file"' in answer.text and "See it." in answer.text
    assert count() == before
    path = alice.post("/help/tickets", files={"file": ("a.txt", b"1")}, nonce="taken", **fields).headers["location"]
    for place in range(5):
        files = {"file": (f"{place}.txt", b"more")}
        answer = alice.post(f"{path}/reply", files=files, text=f"Part {place}.", nonce=f"part-{place}")
        assert answer.status_code == (303 if place < 4 else 422)
    assert "A ticket may have 5 files." in answer.text and answer.text.count("Part 4.") == 1, "only in the form"


def test_reply_to_a_ticket_closed_meanwhile_goes_on_as_a_new_one(alice, portal):
    alice.open("/help")
    page = alice.submit("ticket", subject="A slow page", text="Since Monday.")
    ticket = page.url.rpartition("/")[2]
    portal.services.tickets.set_state(ticket, "closed")
    page = alice.submit("reply", text="And now it is slower.")
    assert page.status == 409 and "This ticket is closed." in page.text
    assert page.form("ticket").fields["text"] == "And now it is slower."
    page = alice.submit("ticket")
    assert page.url.rpartition("/")[2] != ticket and "And now it is slower." in page.text
    assert "This ticket is closed. Should it come back, open a new one." in alice.open(f"/help/tickets/{ticket}").text


def test_feedback_is_given_from_any_page_and_says_which(alice, portal):
    plan = alice.open("/plan")
    alice.open(next(address for text, address in plan.links if text == "Feedback").partition("#")[0])
    assert "we read every word" in alice.submit("feedback", rating="4", text="Quite fast").text
    assert portal.services.feedback.read()[0].page == "/plan"
    assert alice.post("/help/feedback", rating="9", nonce="nine").status_code == 422


def test_billing_data_are_checked_and_kept(alice, portal):
    alice.open("/payment")
    page = alice.submit("billing", tax_id="12", city="Elsewhere")
    assert page.status == 422 and 'id="e-tax_id"' in page.html and page.form("billing").fields["city"] == "Elsewhere"
    page = alice.submit("billing", tax_id="DE 123 456 789", city="Berlin")
    assert "billing data were changed" in page.text
    portal.services.actions.wait_until_settled(alice.tenant, seconds=10)
    assert portal.services.lago.find_customer(alice.tenant).tax_id == "DE123456789"


def test_wizard_names_what_is_missing_and_goes_on_elsewhere(portal):
    from tests.portal.conftest import BILLING, Person

    dana = Person(portal, "Dana")
    assert dana.sign_up().url.endswith("/welcome/organization")
    assert dana.submit("organization", name="").status == 422
    dana.submit("organization", name="Later Ltd")
    assert dana.open("/welcome/confirm").url.endswith("/welcome/plan")
    assert dana.post("/welcome/plan", tier="golden").status_code == 422
    elsewhere = Person(portal, "Dana", email=dana.email)
    assert elsewhere.sign_in().url.endswith("/welcome/plan")
    elsewhere.submit("plan", tier="free")
    page = elsewhere.submit("billing", **BILLING | {"billing_email": "nobody"})
    assert page.status == 422 and page.form("billing").fields["city"] == "Portland"
    assert dana.open("/team").url.endswith("/welcome/billing")


def test_export_holds_everything_and_erasing_asks_for_the_name(portal):
    from tests.portal.conftest import Person

    erin = Person(portal, "Erin")
    erin.become_customer("Short Lived", tier="free")
    erin.open("/plan/cancel")
    erin.submit("cancel", when="now")
    names = zipfile.ZipFile(io.BytesIO(erin.get("/privacy/export").content)).namelist()
    assert {"lago/customer.json", "keycloak/members.json", "coditect/usage.csv"} <= set(names)
    erin.open("/privacy")
    assert erin.submit("erase", confirm="something").status == 422
    page = erin.submit("erase", confirm="Short Lived")
    assert "Short Lived" not in page.text


def test_coupon_is_redeemed_once_and_a_wrong_code_is_named(paula, bob):
    paula.open("/plan")
    page = paula.submit("coupon", code="no-such-code")
    assert page.status == 422 and "There is no such coupon." in page.text
    assert page.form("coupon").fields["code"] == "no-such-code"
    page = paula.submit("coupon", code=" beta_launch_20 ")
    assert "Thank you for testing the beta is redeemed" in page.text
    page = paula.submit("coupon", code="beta_launch_20")
    assert page.status == 409 and "redeemed already" in page.text
    assert "Redeemed the coupon Thank you for testing the beta." in paula.open("/events").text
    assert bob.post("/plan/coupon", code="beta_launch_20", nonce="x").status_code == 403


def test_coupon_that_does_not_fit_or_was_refused_is_named(paula, portal):
    lago = portal.services.settings.lago
    euros = {"code": "EUROS", "name": "Euros", "coupon_type": "fixed_amount", "amount_cents": 500, "amount_currency": "EUR"}
    with httpx.Client(
        base_url=f"{lago.url}/api/v1", headers={"Authorization": f"Bearer {lago.api_key.get_secret_value()}"}, trust_env=False
    ) as admin:
        admin.post("/coupons", json={"coupon": euros | {"expiration": "no_expiration", "frequency": "once"}}).raise_for_status()
        thanks = {"code": "PERCENT", "name": "Percent", "coupon_type": "percentage", "percentage_rate": "5"}
        admin.post("/coupons", json={"coupon": thanks | {"expiration": "no_expiration", "frequency": "once"}}).raise_for_status()
    paula.open("/plan")
    page = paula.submit("coupon", code="EUROS")
    assert page.status == 422 and "This coupon is of another currency." in page.text
    with portal.services.database.write(TenantId(paula.tenant)) as session:
        refused = {"key": f"coupon/{paula.tenant}/PERCENT", "kind": "apply_coupon", "state": EffectState.REFUSED, "error": "A test's."}
        session.add(Effect(tenant_id=paula.tenant, planned_at=portal.services.clock.now(), **refused))
    page = paula.submit("coupon", code="PERCENT")
    assert page.status == 409 and "This coupon was refused; please write to us." in page.text
    with portal.services.database.write(TenantId(paula.tenant)) as session:
        session.delete(session.get_one(Effect, refused["key"]))  # operators have a list of these


def test_guessing_coupon_codes_ends_soon(charlie):
    charlie.open("/plan")
    for number in range(10):
        assert charlie.submit("coupon", code=f"guess-{number}").status == 422
    page = charlie.submit("coupon", code="beta_launch_20")
    assert page.status == 403 and "Too many wrong codes were tried." in page.text
    assert "Tried a coupon code that does not exist." in charlie.open("/events").text
