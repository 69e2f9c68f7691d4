"""The cap a customer sets for its own usage: typed on the usage page, held by the meter, told by mail."""

import pytest

from glue.errors import LimitReached
from tests.portal.conftest import Person


@pytest.fixture(scope="module")
def simon(portal):
    person = Person(portal, "Simon")
    person.become_customer("Thrifty Tutors", tier="pro")
    return person


@pytest.mark.parametrize(
    ("cap", "percentages", "words"), [("much", "", "amount like 50"), ("9.999", "", "amount like 50"), ("5", "0, 80", "up to five numbers")]
)
def test_wrong_cap_is_named_beside_its_field(simon, cap, percentages, words):
    simon.open("/usage")
    page = simon.submit("spend", cap=cap, percentages=percentages)
    assert page.status == 422 and words in page.text
    assert page.form("spend").fields["cap"] == cap


def test_cap_stops_work_that_costs_and_each_mail_is_written_once(portal, simon):
    services = portal.services
    simon.open("/usage")
    assert "cap and alerts are set" in simon.submit("spend", cap="2", percentages="100, 50").text
    services.meter.consume(simon.tenant, "agent_credits", 100)
    assert services.alerts.write_for(simon.tenant) == 0, "the first hundred are included"
    services.meter.consume(simon.tenant, "agent_credits", 30)
    assert [services.alerts.write_for(simon.tenant) for _ in range(2)] == [1, 0]
    services.meter.consume(simon.tenant, "agent_credits", 20)
    for refused in (
        lambda: services.meter.consume(simon.tenant, "agent_credits", 1),
        lambda: services.meter.hold(simon.tenant, "agent_credits", 1),
    ):
        with pytest.raises(LimitReached, match="spend on usage"):
            refused()
    assert services.meter.check(simon.tenant, "agent_credits")["reason"] == "spend_cap"
    assert services.alerts.write_for(simon.tenant) == 1
    page = simon.open("/usage")
    assert "$2.00 of $2.00 spent on usage" in page.text
    simon.submit("spend", cap="", percentages="")
    services.meter.consume(simon.tenant, "agent_credits", 1)


def test_member_without_the_role_cannot_change_the_cap(bob):
    assert "spend" not in [form.id for form in bob.open("/usage").forms]
    assert bob.post("/usage", cap="1").status_code == 403
