"""Mail by SMTP. A repeat sends again: the one who calls keeps it to once."""

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formataddr, make_msgid, parseaddr

from glue.errors import BadInput
from glue.settings import MailSettings
from glue.upstream.calling import Calls, Failure

TIMEOUT_SECONDS = 15


class Mail:
    """Our mailbox. A connection per mail, so it is safe for many threads."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        password = settings.password.get_secret_value() if settings.password else ""
        self._password = password
        self._calls = Calls("mail", _explain, secrets=(password,))

    def send(
        self, *, to: str, subject: str, text: str, html: str = "", message_id: str = "", in_reply_to: str = "", reply_to: str = ""
    ) -> None:
        """Hand one mail to the server. ``message_id`` (with its brackets) makes it findable; one is made when it is empty.

        Raises UpstreamUnavailable when the server does not take it now, UpstreamRefused when it never will.
        """
        message = self._compose(to=to, subject=subject, text=text, html=html, message_id=message_id, in_reply_to=in_reply_to)
        if reply_to:
            message["Reply-To"] = reply_to
        self._calls.run("send", lambda: self._deliver(message))

    def _compose(self, *, to: str, subject: str, text: str, html: str, message_id: str, in_reply_to: str) -> EmailMessage:
        address = parseaddr(to)[1]
        if "@" not in address or any(sign in f"{to}{subject}{message_id}{in_reply_to}" for sign in "\r\n"):
            raise BadInput("This mail cannot be addressed.", field="to", expected="one address, and no line breaks in headers")
        name, sender = parseaddr(self._settings.sender)
        message = EmailMessage()
        message["From"] = formataddr((name, sender))
        message["To"] = to
        message["Subject"] = subject
        message["Message-ID"] = message_id or make_msgid(domain=sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # no holiday answers, please
        if in_reply_to:
            message["In-Reply-To"] = message["References"] = in_reply_to
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
        return message

    def _deliver(self, message: EmailMessage) -> None:
        settings = self._settings
        server = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_SECONDS)
        try:
            if settings.starttls:
                server.starttls(context=ssl.create_default_context())
            if settings.username:
                server.login(settings.username, self._password)
            server.send_message(message)
            with suppress(smtplib.SMTPException, OSError):  # taken is taken: a clumsy goodbye must not look like a failure
                server.quit()
        finally:
            server.close()


def _explain(error: Exception) -> Failure | None:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()))
        return _smtp_failure(code, words)
    if isinstance(error, smtplib.SMTPResponseException):
        return _smtp_failure(error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Failure(400, body="the server offers no STARTTLS or login")
    if isinstance(error, (smtplib.SMTPException, OSError)):
        return Failure(None, body=type(error).__name__)
    return None


def _smtp_failure(code: int, words: bytes | str) -> Failure:
    # SMTP's 4yz is "not now", its 5yz "never": the other way round than in HTTP.
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return Failure(503 if 400 <= code < 500 else 400, body=f"{code} {text}")
