"""Every error of glue. Nothing else is raised on purpose, and nothing below this tree reaches a person.

GlueError
├─ ConfigInvalid         an operator's file or setting: file, place in it, what was expected
├─ BadInput              a request's field: which one and what was expected
├─ Unauthenticated       nobody we know
├─ NotAllowed            known, but not for this person, role or standing
├─ NotFound              no such thing, or not this tenant's
├─ Conflict              the same key with another body, a stale page, a state that moved on
├─ LimitReached          bought less than asked: limit, used, remaining, reset
├─ DeliveryRefused       a webhook with a bad signature or time: nothing stored
├─ EventNotUnderstood    a verified delivery we cannot use: parked for a person, never retried
├─ UnsafePlan            too much would change: needs an explicit word
├─ Unavailable           our own database or a room of ours cannot answer now
└─ UpstreamError         Keycloak, Lago, Keygen, mail or a model
   ├─ UpstreamUnavailable   network, time-out, 429, 5xx: try again (retry_after_seconds)
   └─ UpstreamRefused       any other answer: repeating it changes nothing
      ├─ UpstreamNotFound
      └─ UpstreamConflict
"""

from collections.abc import Mapping
from typing import Any, ClassVar


def fill(sentence: str, fields: Mapping[str, Any]) -> str:
    """The sentence with its places filled; one that somebody's own words made unfillable stays as it is."""
    try:
        return sentence % fields if "%(" in sentence else sentence
    except (KeyError, TypeError, ValueError):
        return sentence


class GlueError(Exception):
    """What happened, why and what to do, for a person; ``code`` and ``fields`` for a machine.

    ``detail`` may have places to fill from ``fields``, like ``%(limit)s``; ``sentence`` keeps them open, for other languages.
    """

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str, *, remedy: str = "", **fields: Any) -> None:
        self.sentence = detail
        self.detail = fill(detail, fields)
        super().__init__(self.detail)
        self.remedy = remedy
        self.fields = fields

    def __str__(self) -> str:
        return f"{self.detail} {self.remedy}".strip()


class ConfigInvalid(GlueError):
    code = "config_invalid"
    title = "A file or setting cannot be used"


class BadInput(GlueError):
    """``field`` names the input, ``expected`` says what it should be."""

    code = "bad_input"
    title = "The request cannot be used as it is"

    def __init__(self, detail: str, *, field: str, expected: str = "", remedy: str = "", **fields: Any) -> None:
        super().__init__(detail, remedy=remedy, field=field, expected=expected, **fields)
        self.field = field
        self.expected = expected


class Unauthenticated(GlueError):
    code = "unauthenticated"
    title = "Who is asking is not known"


class NotAllowed(GlueError):
    code = "not_allowed"
    title = "This is not allowed"


class NotFound(GlueError):
    code = "not_found"
    title = "There is no such thing here"


class Conflict(GlueError):
    code = "conflict"
    title = "This does not fit what is already there"


class LimitReached(GlueError):
    code = "limit_reached"
    title = "The limit of the plan is reached"


class DeliveryRefused(GlueError):
    code = "delivery_refused"
    title = "The delivery could not be verified"


class EventNotUnderstood(GlueError):
    code = "event_not_understood"
    title = "The event is genuine but cannot be used"


class UnsafePlan(GlueError):
    code = "unsafe_plan"
    title = "This plan would change too much"


class Unavailable(GlueError):
    """``retry_after_seconds`` tells when to ask again."""

    code = "unavailable"
    title = "Not available right now"

    def __init__(self, detail: str, *, retry_after_seconds: float = 5, remedy: str = "", **fields: Any) -> None:
        super().__init__(detail, remedy=remedy, **fields)
        self.retry_after_seconds = retry_after_seconds


class UpstreamError(GlueError):
    """``upstream`` and ``operation`` name the call; ``status`` and ``body`` (short, redacted) what came back."""

    code = "upstream_error"
    title = "A system we depend on did not do its part"

    def __init__(
        self,
        detail: str,
        *,
        upstream: str,
        operation: str,
        status: int | None = None,
        body: str = "",
        request_id: str = "",
        remedy: str = "",
        **fields: Any,
    ) -> None:
        super().__init__(detail, remedy=remedy, upstream=upstream, operation=operation, **fields)
        self.upstream = upstream
        self.operation = operation
        self.status = status
        self.body = body
        self.request_id = request_id


class UpstreamUnavailable(UpstreamError):
    code = "upstream_unavailable"
    title = "A system we depend on does not answer"
    retry_after_seconds: float = 5


class UpstreamRefused(UpstreamError):
    code = "upstream_refused"
    title = "A system we depend on refused"


class UpstreamNotFound(UpstreamRefused):
    code = "upstream_not_found"
    title = "A system we depend on does not know this"


class UpstreamConflict(UpstreamRefused):
    code = "upstream_conflict"
    title = "A system we depend on already has this"
