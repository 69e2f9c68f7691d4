"""From a wish to an accepted quote, and every reason why there is none: the plan, the credits, the standing, time, another tab."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from portal.samples import SAMPLES
from tests.portal.conftest import Person

LARGE = "Write a complete curriculum of 12 modules on machine learning for university students with research, quizzes, projects and a NotebookLM pack"
SMALL = "Write a short lesson about fractions"


@pytest.fixture(scope="module")
def quentin(portal):
    person = Person(portal, "Quentin")
    person.become_customer("Quoted Quills")
    return person


@pytest.fixture(scope="module")
def fanny(portal):
    person = Person(portal, "Fanny")
    person.become_customer("Free Fables", tier="free")
    return person


def ask(person, text=SMALL):
    person.open("/runs/new")
    return person.submit("ask", text=text)


def path_of(page, person):
    return page.url.removeprefix(person.portal.url)


@pytest.fixture(scope="module")
def sam(portal):
    person = Person(portal, "Sam")
    person.become_customer("Sample Studio", tier="free")
    return person


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.code)
def test_every_sample_becomes_a_run_with_files_on_the_smallest_plan(sam, sample):
    sam.open("/runs/new")
    sam.visitor.follow(sample.title)
    assert sam.submit("ask").form("accept")
    page = sam.wait_for_run(sam.submit("accept").url)
    assert any("/artifacts/" in address for _, address in page.links)


def test_wish_larger_than_the_plan_is_refused_with_both_numbers(fanny):
    page = ask(fanny, LARGE)
    assert page.status == 403 and "Your plan allows 20 credits a run; this would cost about" in page.text
    assert page.form("ask").fields["text"] == LARGE


def test_quote_that_the_credits_left_do_not_cover_is_not_begun(portal, fanny):
    page = ask(fanny)
    portal.services.meter.consume(fanny.tenant, "agent_credits", 50)
    page = fanny.submit("accept")
    assert page.status == 403 and "There are not enough credits left in this period to cover the cap" in page.text
    assert "See plans" in [text for text, _ in page.links]


def test_step_is_left_out_and_the_price_follows(quentin):
    page = ask(quentin, LARGE)
    seen = page.form("accept").fields
    without = page.form("without")
    optional = quentin.visitor.page.html.partition('id="without"')[2].partition('name="step" value="')[2].partition('"')[0]
    assert without.action.endswith("/without")
    page = quentin.submit("without", step=optional)
    fewer = page.form("accept").fields
    assert int(fewer["cap"]) <= int(seen["cap"]) and f'value="{optional}"' not in page.html
    quote = path_of(page, quentin)
    assert quentin.post(f"{quote}/without", step="no-such-step").status_code == 422


def test_price_that_changed_in_another_tab_is_shown_again_before_anything_begins(quentin):
    page = ask(quentin)
    quote, seen = path_of(page, quentin), page.form("accept").fields
    answer = quentin.post(f"{quote}/accept", **seen | {"cap": str(int(seen["cap"]) + 1)})
    assert answer.status_code == 409 and "changed or was accepted meanwhile" in answer.text
    answer = quentin.post(f"{quote}/accept", **seen | {"nonce": ""})
    assert answer.status_code == 422
    assert quentin.open(quote).url.endswith(quote), "no run has begun"


def test_quote_accepted_in_two_tabs_is_one_run(quentin):
    page = ask(quentin)
    quote, seen = path_of(page, quentin), page.form("accept").fields
    first = quentin.post(f"{quote}/accept", **seen)
    second = quentin.post(f"{quote}/accept", **seen | {"nonce": "of another tab"})
    assert first.headers["location"] == second.headers["location"]
    assert quentin.post(f"{quote}/without", step="research").status_code == 409
    another = ask(quentin)
    again = quentin.post(f"{path_of(another, quentin)}/accept", **another.form("accept").fields | {"nonce": seen["nonce"]})
    assert again.status_code == 409 and "accepted another quote" in again.text


def test_quote_accepted_by_many_at_the_same_moment_is_one_run(quentin):
    page = ask(quentin)
    quote, seen = page.url, page.form("accept").fields
    cookies, ours = quentin.visitor.cookies(), {"Origin": quentin.portal.url, "Sec-Fetch-Site": "same-origin", "User-Agent": "Chromium"}

    def accept(number):
        with httpx.Client(cookies=cookies, headers=ours, trust_env=False, timeout=30) as client:
            return client.post(f"{quote}/accept", data=seen | {"nonce": f"tab {number}"})

    with ThreadPoolExecutor(8) as tabs:
        answers = list(tabs.map(accept, range(8)))
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1


def test_plan_without_agents_work_says_so(portal, quentin, monkeypatch):
    read = portal.services.meter.snapshot_of
    monkeypatch.setattr(portal.services.meter, "snapshot_of", lambda tenant: replace(read(tenant), max_credits_per_run=0))
    page = ask(quentin)
    assert page.status == 403 and "Your plan does not include agent runs." in page.text


def test_old_quote_binds_no_longer(quentin, monkeypatch):
    monkeypatch.setattr("glue.agents.quoting.QUOTE_VALID", timedelta(seconds=-1))
    ask(quentin)
    page = quentin.submit("accept")
    assert page.status == 409 and "out of date" in page.text


def test_while_runs_are_switched_off_nothing_begins(portal, quentin):
    ask(quentin)
    portal.services.switches.turn("runs", off=True, reason="an exercise", by="a test", features=portal.services.features)
    try:
        page = quentin.submit("accept")
        assert page.status == 403 and page.form("accept")
    finally:
        portal.services.switches.turn("runs", off=False, reason="", by="a test", features=portal.services.features)
    assert "data-run-state" in quentin.submit("accept").html


def test_suspended_customer_neither_asks_nor_begins(portal, quentin, olga):
    ask(quentin)
    olga.open(f"/operator/tenants/{quentin.tenant}")
    olga.submit("block", reason="A chargeback")
    portal.settle(quentin)
    page = quentin.submit("accept")
    assert page.status == 403 and "A chargeback" in page.text
    page = ask(quentin)
    assert page.status == 403 and "A chargeback" in page.text
    assert "A chargeback" in quentin.open("/licenses").text
    assert "suspended" in quentin.get("/licenses/file").text
    olga.open(f"/operator/tenants/{quentin.tenant}")
    olga.submit("unblock")
    portal.settle(quentin)


def test_text_longer_than_a_wish_may_be_is_refused(quentin):
    answer = quentin.post("/runs/ask", text="word " * 5000)
    assert answer.status_code == 422 and "Say what you want to have done." in answer.text


def test_unknown_quote_and_run_are_not_found(quentin, fanny):
    mine = path_of(ask(quentin), quentin)
    for path in (mine, "/runs/quotes/quote-0000000000000000", "/runs/run-0000000000000000"):
        assert fanny.open(path).status == 404
    assert fanny.post(f"{mine}/accept", nonce="x", cap="1").status_code == 404
