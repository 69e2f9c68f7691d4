"""Usage that fits nowhere is billed once, or waived; either way it is off the list."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from glue.actions.stranded import bill_stranded, price_stranded
from glue.errors import BadInput, Conflict, NotFound, UpstreamUnavailable
from glue.meter.flush import Stranded


class Kept:
    """Stranded usage as the meter keeps it."""

    def __init__(self, *items):
        self.items = {item.fold_id: item for item in items}
        self.references = {}

    def stranded(self):
        return list(self.items.values())

    def bill_stranded(self, fold_id, *, reference):
        self.references[fold_id] = reference
        del self.items[fold_id]


@pytest.fixture
def tenant(world):
    return world.settled(tier="pro")


@pytest.fixture
def kept(tenant):
    return Kept(Stranded("fold-1", tenant, "agent_credits", Decimal(150), 3, datetime(2026, 10, 31, tzinfo=UTC), "its period is closed"))


def test_stranded_usage_is_billed_once(world, tenant, kept):
    bill_stranded(world.actions, kept, "fold-1", cents=600, by="olga")
    (invoice,) = [one for one in world.lago.invoices_of(tenant) if one.kind == "one_off"]
    assert invoice.total_cents == 600
    assert kept.stranded() == []
    with pytest.raises(NotFound):
        bill_stranded(world.actions, kept, "fold-1", cents=600, by="olga")


def test_failure_leaves_it_on_the_list_and_a_repeat_makes_no_second_invoice(world, tenant, kept):
    world.lago.faults.lying["create_one_off_invoice"] = 1
    with pytest.raises(UpstreamUnavailable):
        bill_stranded(world.actions, kept, "fold-1", cents=600, by="olga")
    assert kept.stranded()
    bill_stranded(world.actions, kept, "fold-1", cents=600, by="olga")
    world.look(tenant)
    assert len([one for one in world.lago.invoices_of(tenant) if one.kind == "one_off"]) == 1


def test_what_was_asked_for_is_not_waived_or_changed_by_a_second_decision(world, tenant, kept):
    world.lago.faults.lying["create_one_off_invoice"] = 1
    with pytest.raises(UpstreamUnavailable):
        bill_stranded(world.actions, kept, "fold-1", cents=600, by="olga")
    for other in (0, 500):
        with pytest.raises(Conflict, match="600 cents"):
            bill_stranded(world.actions, kept, "fold-1", cents=other, by="olga")
    assert kept.stranded()


def test_waived_usage_costs_nothing_and_amounts_have_bounds(world, tenant, kept):
    with pytest.raises(BadInput):
        bill_stranded(world.actions, kept, "fold-1", cents=-1, by="olga")
    bill_stranded(world.actions, kept, "fold-1", cents=0, by="olga")
    assert kept.references == {"fold-1": "waived by olga"}
    assert [one for one in world.lago.invoices_of(tenant) if one.kind == "one_off"] == []


def test_price_is_the_highest_of_the_plan(world, kept):
    prices = {"pro_usd_monthly_1": {"agent_credits": Decimal("0.04")}}
    assert price_stranded(world.actions, kept.stranded()[0], lambda plan: prices[plan]) == 600
