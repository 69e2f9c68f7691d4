"""The mail sink: an SMTP server on loopback that delivers nothing, and a page (and JSON) of what it was given.

``GET /`` is the page, ``GET /messages.json`` the list, oldest first (``?to=`` filters by address), ``DELETE /messages`` empties it.
A recipient that begins with ``bounce`` is refused for good, one that begins with ``later`` for now, as real servers do.
"""

import asyncio
import json
import re
import socket
import sys
from collections import deque
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from html.parser import HTMLParser
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from glue.sandbox.serving import bind

KEPT, LARGEST_BYTES, LONGEST_LINE = 1000, 10_000_000, 1 << 16
LINK = re.compile(r"https?://[^\s<>\"']+")
REFUSALS = {"bounce": b"550 5.1.1 No such mailbox\r\n", "later": b"451 4.7.1 Greylisted, try again\r\n"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; base-uri 'none'; form-action 'none'"

Message = dict[str, Any]


class Mailbox:
    """The newest thousand mails, in memory."""

    def __init__(self) -> None:
        self.messages: deque[Message] = deque(maxlen=KEPT)
        self._count = 0

    def take(self, raw: bytes, recipients: list[str]) -> None:
        """Keep one mail as it came over the wire."""
        mail = message_from_bytes(raw, policy=policy.default)
        text, html = (_body(mail, kind) for kind in ("plain", "html"))
        self._count += 1
        self.messages.append(
            {
                "id": self._count,
                "to": recipients,
                "from": str(mail["From"] or ""),
                "subject": str(mail["Subject"] or ""),
                "text": text,
                "html": html,
                "links": list(dict.fromkeys([*LINK.findall(text), *_Links(html).found])),
                "received_at": datetime.now(UTC).isoformat(),
            }
        )


class _Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") or ""
        if tag == "a" and href.startswith(("http://", "https://")):
            self.found.append(href)


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


def smtp_session(mailbox: Mailbox) -> Any:
    """The handler of one SMTP connection, for ``asyncio.start_server``."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 localhost mail sink\r\n")
        try:
            while line := await reader.readline():
                verb, argument = line[:4].upper(), line[4:].decode("utf-8", "replace")
                if verb == b"EHLO":
                    writer.write(f"250-localhost\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {LARGEST_BYTES}\r\n".encode())
                elif verb == b"RCPT":
                    address = argument[argument.find("<") + 1 : argument.find(">")]
                    refusal = next((answer for begin, answer in REFUSALS.items() if address.startswith(begin)), None)
                    if refusal is None:
                        recipients.append(address)
                    writer.write(refusal or b"250 OK\r\n")
                elif verb == b"DATA" and recipients:
                    writer.write(b"354 End with a dot\r\n")
                    mailbox.take(await _read_data(reader), recipients)
                    recipients = []
                    writer.write(b"250 Kept\r\n")
                elif verb == b"QUIT":
                    writer.write(b"221 Bye\r\n")
                    break
                elif verb in {b"HELO", b"MAIL", b"RSET", b"NOOP"}:
                    recipients = [] if verb in {b"MAIL", b"RSET"} else recipients
                    writer.write(b"250 OK\r\n")
                else:
                    writer.write(b"503 Who is it for?\r\n" if verb == b"DATA" else b"502 Not understood\r\n")
        except (ConnectionError, ValueError, asyncio.IncompleteReadError):
            writer.write(b"500 Too long or cut off\r\n")
        finally:
            writer.close()

    return converse


async def _read_data(reader: asyncio.StreamReader) -> bytes:
    lines: list[bytes] = []
    size = 0
    while (line := await reader.readuntil(b"\n")) != b".\r\n":
        lines.append(line[1:] if line.startswith(b".") else line)
        size += len(line)
        if size > LARGEST_BYTES:
            raise ValueError("larger than announced")
    return b"".join(lines)


def mail_app(mailbox: Mailbox) -> Starlette:
    """The page and the JSON."""

    async def page(_: Request) -> Response:
        return HTMLResponse(_page(mailbox), headers={"Content-Security-Policy": POLICY})

    async def messages(request: Request) -> Response:
        to = request.query_params.get("to", "").lower()
        return JSONResponse([message for message in mailbox.messages if not to or to in map(str.lower, message["to"])])

    async def clear(_: Request) -> Response:
        mailbox.messages.clear()
        return Response(status_code=204)

    return Starlette(routes=[Route("/", page), Route("/messages.json", messages), Route("/messages", clear, methods=["DELETE"])])


def _page(mailbox: Mailbox) -> str:
    mails = "".join(
        f"<details{' open' if place == 0 else ''}><summary><b>{escape(mail['subject'])}</b><span>{escape(', '.join(mail['to']))}</span>"
        f"<time>{mail['received_at'][:19].replace('T', ' ')} UTC</time></summary>"
        + (f'<iframe sandbox="allow-popups" srcdoc="{escape(mail["html"])}"></iframe>' if mail["html"] else "")
        + f"<pre>{escape(mail['text'])}</pre>"
        + "".join(f'<p><a href="{escape(link)}">{escape(link)}</a></p>' for link in mail["links"])
        + "</details>"
        for place, mail in enumerate(reversed(mailbox.messages))
    )
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Mail sink</title><meta http-equiv="refresh" content="10">
<meta name="viewport" content="width=device-width"><style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }} body {{ max-width: 50rem; margin: 2rem auto; padding: 0 1rem }}
details {{ border: 1px solid #8886; border-radius: .5rem; margin: .75rem 0; padding: .75rem 1rem }} summary {{ cursor: pointer }}
summary span, summary time {{ margin-left: 1rem; opacity: .75 }} pre, p {{ white-space: pre-wrap; overflow-wrap: anywhere }}
iframe {{ width: 100%; height: 34rem; border: 1px solid #8886; border-radius: .5rem; margin-top: .75rem; background: #fff }}
</style><h1>Mail sink</h1>{mails or "<p>No mail yet. This page looks again every ten seconds.</p>"}</html>"""


def run(*, port: int, smtp_port: int, as_json: bool) -> None:
    """Serve until SIGINT or SIGTERM; port 0 takes a free one."""
    asyncio.run(_serve(bind(port), bind(smtp_port), as_json=as_json))


async def _serve(listener: socket.socket, smtp_listener: socket.socket, *, as_json: bool) -> None:
    mailbox = Mailbox()
    smtp_listener.listen()
    smtp = await asyncio.start_server(smtp_session(mailbox), sock=smtp_listener, limit=LONGEST_LINE)
    config = uvicorn.Config(mail_app(mailbox), log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    host, smtp_port = smtp_listener.getsockname()
    ready = {"url": f"http://127.0.0.1:{listener.getsockname()[1]}", "smtp_host": host, "smtp_port": smtp_port}
    sys.stdout.write((json.dumps(ready) if as_json else "\n".join(f"{name:>22}  {value}" for name, value in ready.items())) + "\n")
    sys.stdout.flush()
    await serving
    smtp.close()
