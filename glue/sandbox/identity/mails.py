"""Mails of the realm, in text and HTML, through its smtpServer."""

import asyncio
import smtplib
from email.message import EmailMessage
from email.utils import formataddr
from html import escape

from glue.sandbox.identity.answers import Document
from glue.sandbox.identity.state import Realm

ACTION_NAMES = {
    "UPDATE_PASSWORD": "Update Password", "VERIFY_EMAIL": "Verify Email", "UPDATE_PROFILE": "Update Profile", "CONFIGURE_TOTP": "Configure OTP",
    "TERMS_AND_CONDITIONS": "Terms and Conditions", "UPDATE_EMAIL": "Update Email",
}  # fmt: skip


class MailError(Exception):
    """The mail server cannot be reached or refused."""


def span(seconds: int) -> str:
    """``43200`` as "12 hours": the largest unit that divides it."""
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0 and seconds >= size:
            return f"{seconds // size} {word}{'s' if seconds != size else ''}"
    return f"{seconds} seconds"


async def send_verification(realm: Realm, user: Document, *, link: str, seconds: int) -> None:
    name = realm.display_name
    await _send(
        realm,
        user["email"],
        subject="Verify email",
        link=link,
        paragraphs=[
            f"Someone has created a {name} account with this email address. If this was you, click the link below to verify your email address",
            "",
            f"This link will expire within {span(seconds)}.",
            "If you didn't create this account, just ignore this message.",
        ],
    )


async def send_actions(realm: Realm, user: Document, *, actions: list[str], link: str, seconds: int) -> None:
    name, what = realm.display_name, ", ".join(ACTION_NAMES.get(action, action) for action in actions)
    asked = f"Your administrator has just requested that you update your {name} account by performing the following action(s): {what}."
    await _send(
        realm,
        user["email"],
        subject="Update Your Account",
        link=link,
        paragraphs=[
            f"{asked} Click on the link below to start this process.",
            "",
            f"This link will expire within {span(seconds)}.",
            "If you are unaware that your administrator has requested this, just ignore this message and nothing will be changed.",
        ],
    )


async def send_reset(realm: Realm, user: Document, *, link: str, seconds: int) -> None:
    name = realm.display_name
    await _send(
        realm,
        user["email"],
        subject="Reset password",
        link=link,
        paragraphs=[
            f"Someone just requested to change your {name} account's credentials. If this was you, click on the link below to reset them.",
            "",
            f"This link and code will expire within {span(seconds)}.",
            "If you don't want to reset your credentials, just ignore this message and nothing will be changed.",
        ],
    )


async def send_invitation(realm: Realm, invitation: Document, *, organization: str, link: str, seconds: int) -> None:
    """With the stock theme the text part is HTML-escaped, link included, as a real 26.7.3 sends it; a theme of one's own repairs it."""
    first, last = invitation.get("firstName"), invitation.get("lastName")
    asked = f'You were invited to join the "{organization}" organization. Click the link below to join.'
    await _send(
        realm,
        invitation["email"],
        subject=f"Invitation to join the {organization} organization",
        link=link,
        paragraphs=[
            *([f'Hi, "{first}" "{last}".'] if first and last else []),
            (" " if first and last else "") + asked,
            "",
            f"This link will expire within {span(seconds)}.",
            "If you don't want to join the organization, just ignore this message.",
        ],
        escaped=not realm.settings.get("emailTheme"),
    )


async def _send(realm: Realm, to: str, *, subject: str, link: str, paragraphs: list[str], escaped: bool = False) -> None:
    """The empty paragraph is where the link stands."""
    server: Document = realm.settings.get("smtpServer") or {}
    mail = EmailMessage()
    mail["From"] = formataddr((server.get("fromDisplayName") or "", server.get("from") or "none@localhost"))
    mail["To"], mail["Subject"] = to, subject
    text = "\n\n".join(part or link for part in paragraphs)
    mail.set_content(escape(text).replace("=", "&#61;").replace("&#x27;", "&#39;").replace("&quot;", "&#34;") if escaped else text)
    lines = [
        f"<p>{escape(part)}</p>" if part else f'<p><a href="{escape(link)}" rel="nofollow">{escape(subject)}</a></p>' for part in paragraphs
    ]
    mail.add_alternative(f"<html><body>{''.join(lines)}</body></html>", subtype="html")
    try:
        await asyncio.to_thread(_deliver, server, mail)
    except (OSError, smtplib.SMTPException) as problem:
        raise MailError(str(problem)) from problem


def _deliver(server: Document, mail: EmailMessage) -> None:
    def is_on(name: str) -> bool:
        return str(server.get(name, "false")).lower() == "true"

    kind = smtplib.SMTP_SSL if is_on("ssl") else smtplib.SMTP
    with kind(server.get("host") or "localhost", int(server.get("port") or 25), timeout=10) as connection:
        if is_on("starttls"):
            connection.starttls()
        if is_on("auth"):
            connection.login(str(server.get("user")), str(server.get("password")))
        connection.send_message(mail)
