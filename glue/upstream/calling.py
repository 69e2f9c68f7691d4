"""The one way out: every call to a third party is timed, logged and, when it fails, translated here and only here.

Whether to try again is decided in this file, as a class: UpstreamUnavailable (no answer, an answer nobody can read,
429, 5xx) or UpstreamRefused and its children (every other answer). Nothing here repeats a call.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Generic, TypeVar

import structlog

from glue.errors import UpstreamConflict, UpstreamError, UpstreamNotFound, UpstreamRefused, UpstreamUnavailable

log = structlog.get_logger()

T = TypeVar("T")

_SECRET_FIELD = re.compile(
    r'("[^"]*(?:secret|password|token|certificate|authorization|assertion|key)"\s*:\s*)"(?:[^"\\]|\\.)*"?', re.IGNORECASE
)
_SECRET_TEXT = re.compile(r"eyJ[\w-]{8,}[\w.=-]*|(?i:bearer|basic|license)\s+[\w.+/=-]{8,}|\b(?:admin|prod|user|activ)-[0-9a-f]{16,}\w*")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list: ``next_page`` is None on the last one; ``total`` is what the list says it holds, None if it does not say."""

    items: tuple[T, ...]
    next_page: int | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client's library made of a failed call. ``status`` is None when nothing (readable) came back."""

    status: int | None
    body: str = ""
    request_id: str = ""
    retry_after_seconds: float | None = None
    codes: tuple[str, ...] = ()
    conflict: bool = False


class Breaker:
    """Stops asking a third party that does not answer: open after five failures in a row, one probe every five seconds.

    A plain 500 neither opens nor closes it: it comes at once, and some bad input earns one for ever.
    """

    def __init__(self, *, failures: int = 5, wait_seconds: float = 5, time: Callable[[], float] = monotonic) -> None:
        self._limit = failures
        self._wait_seconds = wait_seconds
        self._time = time
        self._lock = Lock()
        self._failures = 0
        self._closed_at = 0.0

    def seconds_to_wait(self) -> float:
        """Zero when a call may go out now. When half-open the caller becomes the probe and the others wait."""
        with self._lock:
            if self._failures < self._limit:
                return 0
            rest = self._closed_at - self._time()
            if rest <= 0:
                self._closed_at = self._time() + self._wait_seconds
            return max(rest, 0)

    def record(self, *, answered: bool) -> None:
        with self._lock:
            self._failures = 0 if answered else self._failures + 1
            if self._failures >= self._limit:
                self._closed_at = self._time() + self._wait_seconds


class Calls:
    """The seam of one client. ``explain`` turns its library's exceptions into a Failure, or None for a bug of ours."""

    def __init__(
        self,
        upstream: str,
        explain: Callable[[Exception], Failure | None],
        *,
        secrets: tuple[str, ...] = (),
        breaker: Breaker | None = None,
    ) -> None:
        self.upstream = upstream
        self._explain = explain
        self._secrets = tuple(secret for secret in secrets if secret)
        self._breaker = breaker or Breaker()

    def run(self, operation: str, action: Callable[[], T]) -> T:
        """Do ``action``, which makes one call and reads its answer. Raises UpstreamError only."""
        wait_seconds = self._breaker.seconds_to_wait()
        if wait_seconds:
            left_alone = self._unavailable(
                f"{self.upstream} has not answered lately and is left alone for a moment.", operation, Failure(None), wait_seconds
            )
            left_alone.fields["not_sent"] = True
            raise left_alone
        started = monotonic()
        try:
            result = action()
        except Exception as error:
            failure = self._explain(error) or unreadable(error)
            if failure is None:
                raise
            translated = self._translate(operation, failure)
            self._note(operation, started, failure, translated)
            raise translated from error
        self._breaker.record(answered=True)
        log.debug("upstream_called", upstream=self.upstream, operation=operation, status="ok", ms=_ms_since(started))
        return result

    def refuse(self, operation: str, detail: str, *, remedy: str = "") -> UpstreamConflict:
        """An error of our own making: the adapter will not send this."""
        return UpstreamConflict(detail, upstream=self.upstream, operation=operation, remedy=remedy)

    def _translate(self, operation: str, failure: Failure) -> UpstreamError:
        status = failure.status
        if status is None or status == 429 or status >= 500:
            what = "did not answer" if status is None else f"answered {status}"
            return self._unavailable(f"{self.upstream} {what} ({operation}).", operation, failure, failure.retry_after_seconds)
        kind = UpstreamRefused
        if status == 404:
            kind = UpstreamNotFound
        elif status == 409 or failure.conflict:
            kind = UpstreamConflict
        body = self.redact(failure.body)
        return kind(
            f"{self.upstream} refused ({operation}, {status}): {body}" if body else f"{self.upstream} refused ({operation}, {status}).",
            upstream=self.upstream,
            operation=operation,
            status=status,
            body=body,
            request_id=failure.request_id,
            remedy=_remedy(status),
            codes=failure.codes,
        )

    def _unavailable(self, detail: str, operation: str, failure: Failure, retry_after_seconds: float | None) -> UpstreamUnavailable:
        error = UpstreamUnavailable(
            detail,
            upstream=self.upstream,
            operation=operation,
            status=failure.status,
            body=self.redact(failure.body),
            request_id=failure.request_id,
            codes=failure.codes,
        )
        if retry_after_seconds is not None:
            error.retry_after_seconds = retry_after_seconds
        return error

    def _note(self, operation: str, started: float, failure: Failure, error: UpstreamError) -> None:
        if failure.status != 500 and failure.body != UNREADABLE:
            self._breaker.record(answered=not isinstance(error, UpstreamUnavailable))
        write = log.warning if isinstance(error, UpstreamUnavailable) else log.debug if isinstance(error, UpstreamNotFound) else log.info
        write(
            "upstream_called",
            upstream=self.upstream,
            operation=operation,
            status=failure.status or "none",
            ms=_ms_since(started),
            request_id=failure.request_id,
            error=error.code,
            body=error.body,
        )

    def redact(self, text: str, *, longest: int = 300) -> str:
        """Short, and without secrets or people's addresses, so that it may stand in logs and on pages."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        text = _SECRET_FIELD.sub(r'\1"[secret]"', text)
        text = _ADDRESS.sub("[address]", _SECRET_TEXT.sub("[secret]", text))
        return text if len(text) <= longest else text[:longest] + "…"


UNREADABLE = "[the answer could not be read]"


def unreadable(error: Exception) -> Failure | None:
    """Malformed JSON, a missing key, a word for a number: an answer that says nothing, so nothing is concluded from it."""
    return Failure(None, body=UNREADABLE) if isinstance(error, (ValueError, KeyError, TypeError, AttributeError, IndexError)) else None


def _remedy(status: int) -> str:
    if 300 <= status < 400:
        return "Its address in the settings redirects: set the one it leads to."
    return "Check our credentials for it in the settings, and their rights." if status in {401, 403} else ""


def seconds_from(header: str | None) -> float | None:
    """``Retry-After`` as seconds; None when absent or a date."""
    try:
        return max(float(header), 0) if header else None
    except ValueError:
        return None


def _ms_since(started: float) -> float:
    return round((monotonic() - started) * 1000, 1)
