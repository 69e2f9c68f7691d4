"""Doors of support: mails from the mail server, and what the issue tracker says has changed."""

import hmac
import json

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from glue.app.webhooks import read_body
from glue.errors import BadInput, DeliveryRefused
from glue.support.mail_in import LARGEST_MAIL
from glue.upstream.issues import is_signed
from glue.wiring import Services


def routes(services: Services) -> APIRouter:
    """``POST /webhooks/mail`` and ``/webhooks/issues``; closed (401) where the settings hold no secret for them."""
    router = APIRouter(prefix="/webhooks", tags=["webhooks"])
    settings = services.settings

    @router.post("/mail")
    async def from_mail_server(request: Request) -> dict[str, str]:
        """One raw message (RFC 5322) as the body. 200 says what became of it; the same message again changes nothing."""
        secret = settings.mail.inbound_secret
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if secret is None or not hmac.compare_digest(secret.get_secret_value().encode(), given.encode()):
            raise DeliveryRefused("This is not our mail server.", remedy="Send GLUE_MAIL__INBOUND_SECRET as a bearer token.")
        raw = await read_body(request, largest=LARGEST_MAIL)
        received = await run_in_threadpool(services.mail_in.receive, raw)
        return {"outcome": received.outcome, "ticket": received.ticket_id}

    @router.post("/issues")
    async def from_tracker(request: Request) -> dict[str, int]:
        """A hint that an issue changed: it is read again at the tracker, soon."""
        body = await read_body(request)
        secrets = [secret.get_secret_value() for secret in settings.issues.webhook_secrets]
        if not is_signed(body, request.headers, secrets=secrets):
            raise DeliveryRefused("The signature is wrong.")
        try:
            number = int(json.loads(body)["issue"]["number"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput("This names no issue.", field="issue.number", expected="the payload of an issue event") from error
        return {"linked": await run_in_threadpool(services.issue_links.hint, [number]) if settings.issues.repository else 0}

    return router
