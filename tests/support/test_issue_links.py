"""Tickets and issues over a server that speaks GitHub's and Forgejo's API."""

import pytest
from pydantic import SecretStr

from glue.errors import Conflict, NotFound, UpstreamUnavailable
from glue.settings import IssueSettings
from glue.support.issue_links import IssueLinks
from glue.support.tickets import State, Tickets
from glue.upstream.issues import IssueTracker, is_signed
from tests.support.issue_server import REPOSITORY, TOKEN, IssueServer, signed


class Desk:
    """A customer with a ticket, and a tracker."""

    def __init__(self, world, server):
        self.world, self.server = world, server
        self.tenant = world.sign_up()
        self.tickets = Tickets(world.database, world.clock, support_hours={"pro": 8})
        settings = IssueSettings(kind=server.kind, url=server.url, repository=REPOSITORY, token=SecretStr(TOKEN))
        self.tracker = IssueTracker(settings)
        self.links = IssueLinks(
            world.database, world.clock, self.tickets, self.tracker, keys=["k" * 40], people=lambda _tenant: ["Zebulon", "Quillfeather"]
        )

    def open(self, text="It is slow.", subject="Export fails", nonce="n"):
        return self.tickets.open(
            self.tenant, tier="pro", author="Mary Ann Poole", email="mary@example.test", subject=subject, text=text, category="defect",
            priority="normal", nonce=nonce,
        )  # fmt: skip

    def pass_minute(self):
        self.world.clock.advance(minutes=1)

    def answer(self, ticket, text):
        self.pass_minute()
        self.tickets.reply(ticket, author="Operator Joan", text=text)

    def said(self, number=1):
        return [row["body"] for row in self.server.comments[number]]

    def notes(self, ticket):
        return [(one.author, one.text) for one in self.tickets.view(ticket).messages if one.internal]

    def state(self, ticket):
        return self.tickets.view(ticket).ticket.state


@pytest.fixture(params=["github", "forgejo"])
def desk(world, request):
    server = IssueServer(request.param)
    desk = Desk(world, server)
    yield desk
    desk.tracker.close()
    server.stop()


def test_ticket_becomes_an_issue_with_labels_and_without_personal_data(desk):
    text = "Zebulon and Mary Ann Poole wrote from zeb@school.example, card 4111 1111 1111 1111, host 203.0.113.9. @devs see #1 <!-- x -->"
    ticket = desk.open(text, subject="Export fails for zeb@school.example")
    link = desk.links.link(ticket)
    issue = desk.server.issues[link.number]
    whole = issue["title"] + issue["body"]
    for personal in ("Zebulon", "Mary", "Poole", "school.example", "4111", "203.0.113.9"):
        assert personal not in whole
    assert "Export fails" in issue["title"]
    assert "@devs" not in whole
    assert "#1" not in whole
    assert whole.count("<!--") == 1
    assert {label["name"] for label in issue["labels"]} == {"category/defect", "priority/normal"}
    assert desk.links.of(ticket).labels == "category/defect, priority/normal"
    assert desk.said() == []


def test_the_same_again_changes_nothing(desk):
    ticket = desk.open()
    first = desk.links.link(ticket)
    writes = len(desk.server.writes)
    assert desk.links.link(ticket).number == first.number
    desk.links.poll()
    desk.links.sync(ticket)
    desk.links.poll()
    assert len(desk.server.writes) == writes


def test_lost_answer_makes_no_second_issue_and_no_second_comment(desk):
    ticket = desk.open()
    desk.server.add("labels", {"name": "category/defect"})
    desk.server.add("labels", {"name": "priority/normal"})
    desk.server.faults.append(("POST", 502, True))
    with pytest.raises(UpstreamUnavailable):
        desk.links.link(ticket)
    assert desk.links.link(ticket).number == 1
    desk.answer(ticket, "We are at it.")
    desk.server.faults.append(("POST", 502, True))
    assert desk.links.sync_due() == 1
    assert "502" in desk.links.of(ticket).error
    assert desk.links.sync_due() == 0
    assert len(desk.server.issues) == 1
    assert len(desk.said()) == 1
    assert desk.links.of(ticket).error == ""


def test_comments_go_both_ways_and_never_come_back(desk):
    ticket = desk.open()
    desk.links.link(ticket)
    desk.answer(ticket, "We are at it, says Quillfeather.")
    desk.server.comment(1, "Found it: a lock.")
    for _ in range(3):
        desk.links.poll()
    assert desk.notes(ticket) == [("dev (issue)", "Found it: a lock.")]
    assert len([body for body in desk.said() if "We are at it" in body]) == 1
    assert not any("Quillfeather" in body or "Joan" in body for body in desk.said())
    seen_by_customer = [one.text for one in desk.tickets.view(ticket, tenant=desk.tenant).messages]
    assert "Found it: a lock." not in seen_by_customer


def test_a_copied_or_forged_mark_does_not_silence_anybody(desk):
    ticket = desk.open()
    desk.links.link(ticket)
    desk.server.comment(1, "Mine. <!-- glue:m2:00000000000000000000 -->")
    desk.answer(ticket, "Told.")
    desk.links.poll()
    assert [text for _, text in desk.notes(ticket)] == ["Mine. <!-- glue:m2:00000000000000000000 -->"]
    assert any("Told." in body for body in desk.said())


def test_state_follows_whoever_changed_it(desk):
    ticket = desk.open()
    desk.links.link(ticket)
    desk.server.set(1, state="closed")
    desk.links.poll()
    assert desk.state(ticket) == State.SOLVED
    desk.pass_minute()
    desk.tickets.reply(ticket, author="Mary", text="Not yet!", tenant=desk.tenant)
    desk.links.poll()
    assert desk.server.issues[1]["state"] == "open"
    assert desk.state(ticket) == State.OPEN
    desk.pass_minute()
    desk.tickets.set_state(ticket, State.CLOSED)
    desk.links.poll()
    assert desk.server.issues[1]["state"] == "closed"
    desk.links.poll()
    assert desk.state(ticket) == State.CLOSED
    desk.server.set(1, state="open", milestone={"title": "1.1"}, labels=[{"name": "blocked"}])
    desk.links.poll()
    assert desk.state(ticket) == State.OPEN
    assert (desk.links.of(ticket).milestone, desk.links.of(ticket).labels) == ("1.1", "blocked")


def test_a_known_issue_is_joined_once(desk):
    number = desk.server.open("Slow export")
    first, second = desk.open(), desk.open(nonce="m")
    desk.links.link(first, number=number)
    assert len(desk.server.issues) == 1
    assert "It is slow." in desk.said()[0]
    with pytest.raises(Conflict):
        desk.links.link(second, number=number)
    with pytest.raises(Conflict):
        desk.links.link(first, number=9)
    with pytest.raises(NotFound):
        desk.links.sync(second)


def test_a_delivery_is_only_a_hint_about_a_linked_issue(desk):
    ticket = desk.open()
    desk.links.link(ticket)
    desk.server.comment(1, "By webhook.")
    assert not desk.links.look_at(77)
    assert desk.links.look_at(1)
    assert [text for _, text in desk.notes(ticket)] == ["By webhook."]


def test_deliveries_are_signed(desk):
    body = b'{"issue": {"number": 1}}'
    headers = signed(body, "first secret", kind=desk.server.kind)
    assert is_signed(body, headers, secrets=["newer", "first secret"])
    assert not is_signed(body + b" ", headers, secrets=["first secret"])
    assert not is_signed(body, {}, secrets=["first secret"])
    assert not is_signed(body, headers, secrets=[])


def test_tracker_that_does_not_answer_leaves_everything_as_it_is(desk):
    ticket = desk.open()
    desk.links.link(ticket)
    desk.answer(ticket, "Later.")
    desk.server.faults += [("GET", 503, False)] * 2
    assert desk.links.sync_due() == 1
    assert desk.links.of(ticket).due
    assert desk.links.sync_due() == 1
    desk.links.sync_due()
    assert len(desk.said()) == 1
