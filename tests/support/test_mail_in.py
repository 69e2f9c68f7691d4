"""Mails that come in: threaded by signed addresses and Message-IDs, or kept aside with the reason."""

from email.message import EmailMessage
from zlib import crc32

import pytest
from sqlmodel import select

from glue.converge.effects import Effect
from glue.errors import BadInput
from glue.support.answers import ReplyAddresses, answer_ticket
from glue.support.mail_in import KEPT_DAYS, LARGEST_MAIL, MOST_AN_HOUR, MailIn, Outcome, TicketMail
from glue.support.tickets import State, Tickets
from tests.fakes.world import SYSTEM

MARY = "mary@example.test"


class Desk:
    """A customer with an open ticket, and the door for mails."""

    def __init__(self, world):
        self.world = world
        self.tenant = world.sign_up("Mary")
        self.tickets = Tickets(world.database, world.clock, support_hours={"free": 72, "pro": 48})
        self.addresses = ReplyAddresses(["new-key", "old-key"], "support@glue.test")
        self.door = MailIn(world.database, world.clock, self.tickets, self.addresses, sender="Glue <hello@glue.test>")
        self.ticket = self.tickets.open(
            self.tenant, tier="pro", author="Mary", email=MARY, subject="Export", text="It fails.", category="defect", priority="normal", nonce="n"
        )  # fmt: skip

    def mail(self, text="It works now.", *, sender=f"Mary <{MARY}>", to="support@glue.test", subject="Re: Export", **headers):
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, to, subject
        message["Message-ID"] = headers.pop("message_id", f"<{crc32(repr((text, sender, to, subject)).encode())}@example.test>")
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        message.set_content(text)
        return message

    def receive(self, message):
        return self.door.receive(message.as_bytes() if isinstance(message, EmailMessage) else message)

    def texts(self, ticket=None):
        return [message.text for message in self.tickets.view(ticket or self.ticket).messages]

    def effects(self):
        with self.world.database.read(SYSTEM) as session:
            return [row for row in session.exec(select(Effect)) if row.key.startswith("ticket/")]


@pytest.fixture
def desk(world):
    return Desk(world)


def test_answer_is_mailed_once_and_comes_back_by_its_address(desk):
    for _ in range(2):
        answer_ticket(
            desk.tickets,
            desk.world.database,
            desk.world.clock,
            desk.ticket,
            author="Ops",
            text="Try again.",
            key="k",
            addresses=desk.addresses,
        )
    assert desk.texts() == ["It fails.", "Try again."]
    desk.world.effects.run_for(desk.tenant)
    sent = [mail for mail in desk.world.mail.sent if desk.ticket in mail["subject"]]
    assert len(sent) == 1 and sent[0]["to"] == MARY
    reply = desk.mail(f"Thanks!\n\nOn Tue, Ops wrote:\n> {sent[0]['text']}", to=sent[0]["reply_to"])
    received = desk.receive(reply)
    assert (received.outcome, received.ticket_id) == (Outcome.REPLIED, desk.ticket)
    assert desk.texts() == ["It fails.", "Try again.", "Thanks!"]
    assert desk.tickets.view(desk.ticket).ticket.state == State.OPEN


def test_same_mail_again_changes_nothing(desk):
    message = desk.mail(to=desk.addresses.of(desk.ticket))
    assert desk.receive(message) == desk.receive(message)
    assert desk.texts() == ["It fails.", "It works now."]


def test_reply_without_the_address_is_found_by_our_message_id(desk):
    answer_ticket(
        desk.tickets, desk.world.database, desk.world.clock, desk.ticket, author="Ops", text="Try.", key="k7", addresses=desk.addresses
    )
    named = desk.mail("Found.", In_Reply_To=f"<ticket.{desk.ticket}.k7@glue.invalid>")
    assert desk.receive(named).ticket_id == desk.ticket
    made_up = desk.mail("Not ours.", In_Reply_To=f"<ticket.{desk.ticket}.guess@glue.invalid>")
    assert desk.receive(made_up).outcome == Outcome.OPENED


def test_address_signed_by_an_old_key_still_counts_and_a_forged_one_does_not(desk):
    old = ReplyAddresses(["old-key"], "support@glue.test").of(desk.ticket)
    forged = ReplyAddresses(["other-key"], "support@glue.test").of(desk.ticket)
    assert desk.receive(desk.mail("old", to=old)).ticket_id == desk.ticket
    assert desk.receive(desk.mail("forged", to=forged)).ticket_id != desk.ticket


def test_stranger_with_the_address_is_kept_aside_and_not_answered(desk):
    received = desk.receive(desk.mail("Give me all", sender="eve@evil.test", to=desk.addresses.of(desk.ticket)))
    assert received.outcome == Outcome.FOREIGN
    assert desk.texts() == ["It fails."]
    assert [(mail.sender, mail.text) for mail in desk.door.unplaced()] == [("eve@evil.test", "Give me all")]
    assert desk.effects() == []


def test_mail_of_a_customer_opens_a_ticket_and_says_so_once(desk):
    received = desk.receive(desk.mail("New trouble", subject="Invoice").as_bytes().replace(b"Invoice", b"Invoice\n wrong"))
    view = desk.tickets.view(received.ticket_id)
    assert received.outcome == Outcome.OPENED
    assert (view.ticket.subject, view.ticket.email, view.messages[0].text) == ("Invoice wrong", MARY, "New trouble")
    assert [effect.payload["reply_to"] for effect in desk.effects()] == [desk.addresses.of(received.ticket_id)]


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({"Auto_Submitted": "auto-replied"}, Outcome.AUTOMATIC),
        ({"Precedence": "bulk"}, Outcome.AUTOMATIC),
        ({"Return_Path": "<>"}, Outcome.AUTOMATIC),
        ({"List_Id": "<x.list.test>"}, Outcome.AUTOMATIC),
        ({"sender": "MAILER-DAEMON@example.test"}, Outcome.AUTOMATIC),
        ({"sender": "no-reply@example.test"}, Outcome.AUTOMATIC),
        ({"sender": "Glue <hello@glue.test>"}, Outcome.LOOP),
        ({"sender": "support@glue.test"}, Outcome.LOOP),
        ({"message_id": "<ticket.x.y@glue.invalid>"}, Outcome.LOOP),
        ({"Authentication_Results": "mx; dmarc=fail"}, Outcome.FOREIGN),
        ({"text": "\n \n"}, Outcome.EMPTY),
        ({"Auto_Submitted": "no"}, Outcome.REPLIED),
    ],
)
def test_robots_loops_and_forgeries_reach_no_ticket(desk, headers, outcome):
    assert desk.receive(desk.mail(to=desk.addresses.of(desk.ticket), **headers)).outcome == outcome


def test_flood_of_one_sender_is_stopped_for_an_hour(desk):
    to = desk.addresses.of(desk.ticket)
    outcomes = [desk.receive(desk.mail(f"again {number}", to=to)).outcome for number in range(MOST_AN_HOUR + 1)]
    assert outcomes == [Outcome.REPLIED] * MOST_AN_HOUR + [Outcome.FLOOD]
    desk.world.clock.advance(hours=2)
    assert desk.receive(desk.mail("later", to=to)).outcome == Outcome.REPLIED


def test_attachments_are_checked_and_refused_ones_are_noted_for_operators(desk):
    message = desk.mail("See files", to=desk.addresses.of(desk.ticket))
    message.add_attachment(b"\x89PNG\r\n", maintype="image", subtype="png", filename="../../shot*.png")
    message.add_attachment(b"MZ", maintype="image", subtype="png", filename="virus.png")
    desk.receive(message)
    view = desk.tickets.view(desk.ticket)
    assert [name for _, name, _ in view.files] == ["shot_.png"]
    assert [message.text for message in view.messages if message.internal] == ["The file virus.png was not taken: This is not a .png file."]
    assert not any(message.internal for message in desk.tickets.view(desk.ticket, tenant=desk.tenant).messages)


def test_html_alone_becomes_text_and_unknown_charsets_are_read(desk):
    message = desk.mail("x", to=desk.addresses.of(desk.ticket))
    message.set_content("<style>p{}</style><p>Hello <b>there</b></p><blockquote>&lt;old&gt;</blockquote>", subtype="html")
    desk.receive(message)
    assert desk.texts()[-1] == "Hello there\n<old>"
    raw = desk.mail("second", to=desk.addresses.of(desk.ticket)).as_bytes().replace(b'charset="utf-8"', b'charset="klingon"')
    desk.receive(raw)
    assert desk.texts()[-1] == "second"


def test_reply_to_a_closed_ticket_opens_a_new_one(desk):
    desk.tickets.set_state(desk.ticket, State.CLOSED)
    received = desk.receive(desk.mail("Once more", to=desk.addresses.of(desk.ticket)))
    assert received.outcome == Outcome.OPENED and received.ticket_id != desk.ticket


def test_what_is_no_mail_or_too_large_is_refused(desk):
    with pytest.raises(BadInput):
        desk.door.receive(b"\x00\x01")
    with pytest.raises(BadInput):
        desk.door.receive(b"x" * (LARGEST_MAIL + 1))


def test_mails_are_forgotten_after_their_days(desk):
    desk.receive(desk.mail("spam", sender="eve@evil.test"))
    desk.world.clock.advance(days=KEPT_DAYS + 1)
    desk.door.forget_old()
    with desk.world.database.read(SYSTEM) as session:
        assert session.exec(select(TicketMail)).all() == []


def test_clock_of_the_plan_starts_anew_when_it_is_our_turn_again(desk):
    first = desk.tickets.view(desk.ticket).ticket
    assert (first.answer_due_at - first.opened_at).total_seconds() == 48 * 3600
    desk.tickets.reply(desk.ticket, author="Ops", text="Try.")
    desk.world.clock.advance(days=5)
    desk.tickets.reply(desk.ticket, author="Mary", text="No.", tenant=desk.tenant)
    again = desk.tickets.view(desk.ticket).ticket
    assert again.answered_at is None and again.answer_due_at > desk.world.clock.now()
