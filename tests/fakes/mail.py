from tests.fakes.faults import Faults


class FakeMail:
    def __init__(self) -> None:
        self.faults = Faults("mail")
        self.sent: list[dict] = []

    def send(
        self, *, to: str, subject: str, text: str, html: str = "", message_id: str = "", in_reply_to: str = "", reply_to: str = ""
    ) -> None:
        self.faults.enter("send")
        self.sent.append({"to": to, "subject": subject, "text": text, "html": html, "message_id": message_id, "reply_to": reply_to})
        self.faults.leave("send")
