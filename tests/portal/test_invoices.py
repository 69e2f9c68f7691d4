"""Invoices of a month that has ended. The clock has moved then, so nothing that compares it with a real one may come after."""

import re
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from glue.rules.names import subscription_external_id
from tests.portal.conftest import Person
from tests.portal.test_payment import go_to, look

WISH = "Write a short lesson about commas"
pytestmark = pytest.mark.moves_clock


@pytest.fixture(scope="module")
def ida(portal):
    """A customer on pro, whose trial ends within the month to come."""
    person = Person(portal, "Ida")
    person.become_customer("Ideas in Ink")
    return person


def test_invoices_explain_their_lines_and_come_as_pdf(paula, ida, portal):
    paula.post("/plan/coupon", code="beta_launch_20", nonce="for the invoice")
    portal.settle(paula)
    paula.wait_for_run(paula.begin_work(WISH))
    portal.services.meter.consume(paula.tenant, "agent_credits", 1500)
    _wait_until_lago_counts(portal, paula, 1500)
    now = portal.services.clock.now()
    month = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=2, minute=0, second=0, microsecond=0)
    for name in ("lago", "keygen"):
        httpx.post(
            f"{portal.stack.ready(name)['control_url']}/clock",
            json={"now": month.astimezone(UTC).isoformat()},
            timeout=120,
            trust_env=False,
        )
    addresses = paula.invoices()
    # An invoice over nothing (the ended plan's usage, all of it included) asks for nothing.
    address, page = next((one, page) for one in addresses if "bank transfer" in (page := paula.open(one)).text)
    assert page.status == 200 and "Total" in page.text
    for one in addresses:
        parts, total = paula.get(one).text.split('<th colspan="3">Total')
        assert sum(_cents(parts)) == _cents(total)[0], f"the parts of {one} are its total"
    assert any("Coupons" in paula.open(one).text for one in addresses)
    answer = paula.get(f"{address}/pdf")
    assert answer.content.startswith(b"%PDF-") and answer.headers["content-type"] == "application/pdf"
    assert paula.get(f"{address}/pay").status_code == 503
    assert paula.get("/payment/checkout").status_code == 503
    assert "To pay" in paula.open("/payment").text
    assert datetime.now(UTC) < portal.services.clock.now()


def test_line_is_explained_down_to_steps_of_price_and_runs(paula, portal):
    pages = [paula.open(one) for one in paula.invoices()]
    page = next((page for page in pages if "agent credits" in page.text.lower()), None)
    assert page, [page.text for page in pages]
    assert "1,000 units from 0 to 1,000 at USD 0" in page.text
    further = re.search(r"([\d,]+) units from 1,001 (?:on|to [\d,]+) at USD (0\.\d+)", page.text)
    assert further and int(further[1].replace(",", "")) >= 500
    assert re.search(r"\d+ recorded facts, sent as \d+ events", page.text)
    assert WISH in page.text
    paula.open(next(address for _, address in page.links if address.startswith("/runs/run-")))
    assert paula.visitor.page.status == 200


def test_upgrade_credits_what_was_paid_to_the_cent(ida, portal):
    """After the trial: what the page says before is what Lago's invoice asks for, and gives back, after."""
    go_to(portal, portal.services.clock.now() + timedelta(days=20))
    look(portal, ida)
    page = ida.open("/plan/change?tier=team")
    said = dict(
        re.findall(r"(until the period ends|Credit for the unused part of Pro|To pay with the next invoice) (-?\$[\d,.]+)", page.text)
    )
    assert said["Credit for the unused part of Pro"].startswith("-$")
    ida.submit("change")
    portal.settle(ida)
    pages = [ida.open(one) for one in ida.invoices()]
    page = next(page for page in pages if said["until the period ends"] in page.text)
    assert re.search(rf"Total {re.escape(said['To pay with the next invoice'])}", page.text), page.text


def test_lagos_own_pdf_is_handed_on_and_anything_else_is_not(paula, portal, monkeypatch):
    address = paula.invoices()[0]
    ours = paula.get(f"{address}/pdf").content
    with serving({"/good": b"%PDF-1.7 of Lago", "/other": b"<html>"}) as url:
        for path, expected in (("/good", b"%PDF-1.7 of Lago"), ("/other", ours), ("/missing", ours)):
            monkeypatch.setattr(portal.services.lago, "invoice_pdf_url", lambda _, path=path: url + path)
            assert paula.get(f"{address}/pdf").content[:16] == expected[:16]
    assert paula.get(f"{address}/pdf").content[:16] == ours[:16], "where nobody answers, it is ours"


@contextmanager
def serving(files):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path in files else 404)
            self.end_headers()
            self.wfile.write(files.get(self.path, b""))

        def log_message(self, *_):
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _wait_until_lago_counts(portal, person, least):
    lago, subscription = portal.services.lago, subscription_external_id(person.tenant)
    deadline = time.monotonic() + 60
    while True:
        usage = lago.current_usage(person.tenant, subscription)
        if usage and any(charge.meter == "agent_credits" and charge.units >= least for charge in usage.charges):
            return
        assert time.monotonic() < deadline
        time.sleep(0.3)


def _cents(html):
    return [int(sign + digits.replace(",", "").replace(".", "")) for sign, digits in re.findall(r">(-?)\$([\d,]+\.\d\d)<", html)]


def test_foreign_invoice_is_not_found(paula, charlie):
    address = paula.invoices()[0]
    assert charlie.open(address).status == 404


def test_invoices_are_turned_page_by_page(paula, monkeypatch):
    monkeypatch.setattr("portal.pages.invoices.PAGE", 1)
    newest = paula.open("/invoices")
    assert [text for text, _ in newest.links if text in {"Newer", "Older"}] == ["Older"]
    older = paula.open(next(address for text, address in newest.links if text == "Older"))
    assert "Newer" in [text for text, _ in older.links]

    def shown(page):
        return [address for _, address in page.links if re.fullmatch(r"/invoices/[0-9a-f-]{36}", address)]

    assert len(shown(newest)) == len(shown(older)) == 1
    assert shown(newest) != shown(older)
    assert paula.open("/invoices?offset=-1").status == 422
