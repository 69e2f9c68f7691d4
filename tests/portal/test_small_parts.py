"""Parts that need no running portal: graph, PDF, events in words, safe paths, charts, price steps, remembered looks."""

import zlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from glue.clock import FixedClock
from glue.converge.timeline import TimelineEntry
from glue.errors import BadInput, UpstreamUnavailable
from glue.rules.changes import Change, Part, sentence_of
from glue.rules.facts import Invoice, InvoiceLine, Reduction, ReductionKind, Subscription
from glue.rules.standing import Standing
from glue.rules.tenant import TenantRecord
from portal.billing_data import check_billing
from portal.event_words import in_words
from portal.graph import lay_out
from portal.invoice_pdf import draw_invoice
from portal.known import Known, Money
from portal.languages import Writer
from portal.login import safe_path
from portal.pages.invoices import split_units
from portal.prices import PriceCard
from portal.rendering import nice
from tests.fakes.world import load_tiers

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_steps_stand_below_what_they_wait_for():
    graph = lay_out([("plan", "Plan", (), ""), ("a", "A", ("plan",), ""), ("b", "B", ("plan",), ""), ("end", "End", ("a", "b"), "")])
    depth = {node.name: node.y for node in graph.nodes}
    assert depth["plan"] < depth["a"] == depth["b"] < depth["end"]
    assert len(graph.edges) == 4
    assert all(node.x >= 0 and node.x + graph.box <= graph.width for node in graph.nodes)


@pytest.mark.parametrize(
    ("path", "safe"),
    [
        ("/usage?x=1", "/usage?x=1"),
        ("//evil.example", "/"),
        ("/\\evil", "/"),
        ("https://evil.example", "/"),
        ("/auth/login", "/"),
        (None, "/"),
        ("/a\nb", "/"),
    ],
)
def test_only_paths_of_ours_are_gone_on_to(path, safe):
    assert safe_path(path) == safe


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (3, 4), (41, 60), (90, 100), (1200, 2000)])
def test_charts_end_at_a_round_number(value, top):
    assert nice(value) == top


def test_invoice_is_drawn_over_as_many_pages_as_it_needs():
    line = InvoiceLine("l", "charge", "Calls (fast)", "api_calls", Decimal(12), Decimal("0.5"), 600, 0, None, NOW, NOW)
    invoice = Invoice(
        "id",
        "INV-1",
        "subscription",
        "finalized",
        "pending",
        False,
        "USD",
        60_000,
        60_000,
        date(2026, 12, 1),
        date(2026, 12, 15),
        "t",
        taxes_cents=1_000,
        reductions=(Reduction(ReductionKind.COUPONS, 1_100),),
        lines=(line,) * 100,
    )
    record = TenantRecord(id="t0", display_name="Ünïque (Ltd)", currency="USD", created_at=NOW)
    pdf = draw_invoice(invoice, record, writer=Writer("de"), product="Coditect")
    assert pdf.startswith(b"%PDF-1.4") and pdf.endswith(b"%%EOF\n")
    assert pdf.count(b"/Type/Page/") == 3
    last = zlib.decompress(pdf.split(b"stream\n")[-2].removesuffix(b"\nend")).decode("cp1252")
    assert ("Gutscheine" in last, "-11,00" in last, "Steuern" in last, "600,00" in last) == (True, True, True, True)
    table = int(pdf.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert pdf[table : table + 4] == b"xref"


def test_units_fall_into_the_steps_of_a_price():
    card = PriceCard(
        "pro",
        "Pro",
        "",
        0,
        "USD",
        "monthly",
        0,
        1,
        1,
        (),
        (),
        (("agent_credits", 0, 100, Decimal(0)), ("agent_credits", 101, None, Decimal("0.04"))),
    )
    steps = split_units(Decimal(150), card, "agent_credits")
    assert [(step.units, step.price) for step in steps] == [(Decimal(100), Decimal(0)), (Decimal(50), Decimal("0.04"))]
    assert split_units(Decimal(150), card, "api_calls") == ()


def changed(part, field, before, after, cause=""):
    return TimelineEntry(tenant_id="t", at=NOW, kind="change", text=sentence_of(Change(part, field, before, after, cause)), cause=cause)


def test_timeline_is_told_in_the_readers_words():
    entries = [
        changed(Part.ORGANIZATION, "attr.plan", "free", "pro", "The tier is pro."),
        TimelineEntry(tenant_id="t", at=NOW, kind="asked", text="Invited bob@example.com as member.", cause="Asked by alice@example.com."),
        changed(Part.SUBSCRIPTION, "plan", None, "pro_usd_monthly_1"),
        changed(Part.SUBSCRIPTION, "active", True, False),
        changed(Part.LICENSE, "suspended", False, True),
        changed(Part.LICENSE, "suspended", True, False),
        TimelineEntry(tenant_id="t", at=NOW, kind="note", text="Something nobody foresaw.", cause=""),
        TimelineEntry(tenant_id="t", at=NOW, kind="note", text="Something nobody foresaw.", cause=""),
        TimelineEntry(tenant_id="t", at=NOW, kind="note", text="Invoice X-1 was due on 2026-12-13.", cause=""),
        changed(Part.SUBSCRIPTION, "end", None, "2027-02-01T00:00:00+00:00"),
    ]
    tiers = load_tiers()
    said = ["Invited bob@example.com as member.", "The subscription Pro began.", "The subscription was ended."]
    said += ["The license was suspended.", "The license works again.", "Something nobody foresaw."]
    said += ["Invoice X-1 was due on Dec 13, 2026.", "The subscription ends on Feb 1, 2027."]
    assert [event.text for event in in_words(entries, Writer("en"), tiers)] == said
    assert in_words(entries, Writer("de"), tiers)[0].text == "bob@example.com wurde als member eingeladen."
    assert len(in_words(entries, Writer("en"), tiers, everything=True)) == 10


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"billing_email": "x"}, "billing_email"),
        ({"line1": ""}, "line1"),
        ({"country": "XX"}, "country"),
        ({"tax_id": "1"}, "tax_id"),
        ({"city": "x" * 201}, "city"),
    ],
)
def test_billing_data_name_the_field_that_is_wrong(wrong, field):
    good = {"billing_email": "a@b.example", "line1": "1", "zipcode": "1", "city": "C", "country": "DE", "tax_id": ""}
    check_billing(good)
    with pytest.raises(BadInput) as caught:
        check_billing(good | wrong)
    assert caught.value.field == field


class _Actions:
    clock = FixedClock(NOW)


def test_what_was_read_last_stands_in_for_an_upstream_that_is_silent():
    known = Known(_Actions())
    calls = []

    def fails():
        calls.append(1)
        raise UpstreamUnavailable("no answer", upstream="lago", operation="read")

    assert known.look("t", "lago", "money", fails).value is None
    assert known.failing_since("lago") == NOW
    assert known.look("t", "lago", "money", fails).stale_since == NOW
    assert len(calls) == 1  # it rests: nobody waits for its time-out twice
    known._resting.clear()
    assert known.look("t", "lago", "money", lambda: "read").value == "read"
    assert known.failing_since("lago") is None
    old = known.look("t", "lago", "money", fails)
    assert (old.value, old.stale_since) == ("read", NOW)
    known.forget("t")
    assert known.look("t", "lago", "money", fails).value is None


@pytest.mark.parametrize(("enforced", "shown"), [(Standing.ACTIVE, Standing.ACTIVE), (Standing.PAST_DUE, Standing.PAST_DUE)])
def test_standing_is_shown_as_it_is_enforced(enforced, shown):
    """An invoice is overdue; as long as an operator holds back what follows from that, no page says that it has followed."""
    due = NOW.date() - timedelta(days=3)
    invoice = Invoice("i", "I-1", "subscription", "finalized", "pending", True, "USD", 2900, 2900, due, due, "t")
    row = Subscription("s", "t", "t", "pro_usd_monthly_1", "active", NOW, None, None, None, NOW, None, None, None, NOW)
    record = TenantRecord(id="t", display_name="T", currency="USD", created_at=NOW, standing=enforced)
    known = Known(SimpleNamespace(clock=FixedClock(NOW), record=lambda _: record, systems=SimpleNamespace(lago=None), tiers=load_tiers()))
    known._keep("t", "money", Money((row,), (invoice,), by_card=False))
    assert known.standing("t", fresh_seconds=60).standing == shown
