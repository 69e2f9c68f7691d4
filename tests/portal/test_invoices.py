"""Invoices of a month that has ended. The clock has moved then, so nothing that compares it with a real one may come after."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

pytestmark = pytest.mark.moves_clock


def test_invoices_explain_their_lines_and_come_as_pdf(paula, portal):
    paula.post("/plan/coupon", code="beta_launch_20", nonce="for the invoice")
    now = portal.services.clock.now()
    month = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=2, minute=0, second=0, microsecond=0)
    for name in ("lago", "keygen"):
        httpx.post(
            f"{portal.stack.ready(name)['control_url']}/clock",
            json={"now": month.astimezone(UTC).isoformat()},
            timeout=120,
            trust_env=False,
        )
    addresses = {address for _, address in paula.open("/invoices").links if re.fullmatch(r"/invoices/[0-9a-f-]{36}", address)}
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


def _cents(html):
    return [int(sign + digits.replace(",", "").replace(".", "")) for sign, digits in re.findall(r">(-?)\$([\d,]+\.\d\d)<", html)]


def test_foreign_invoice_is_not_found(paula, charlie):
    address = next(address for _, address in paula.open("/invoices").links if re.fullmatch(r"/invoices/[0-9a-f-]{36}", address))
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
