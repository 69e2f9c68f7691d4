"""How Lago is called: a pooled client for everything frequent, its own library where that is rare and sound.

The library opens a new TLS context for each call (33 ms), drops unknown fields and cannot clear one (nulls are
stripped), and its parent-scoped lists go out without a key: so it serves creations and the webhook key, nothing else.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import quote

from glue.errors import BadInput
from glue.settings import LagoSettings
from glue.upstream.calling import UNREADABLE, Failure, Page
from glue.upstream.http import HttpCalls

T = TypeVar("T")


class _LibraryModels:
    """Lago's own models (pydantic v1, opaque to the type checker), imported when they are first needed: they cost a second."""

    def __getattr__(self, name: str) -> Any:
        from lago_python_client import models

        return getattr(models, name)


LibraryModels = _LibraryModels()

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")


def checked_id(value: str) -> str:
    """An external or Lago id that is safe in a path: a raw dot would cut it there and reach another customer."""
    if not _EXTERNAL_ID.fullmatch(value):
        raise BadInput("This id cannot be used with Lago.", field="external_id", expected="letters, digits, _ and - only")
    return value


def checked_code(value: str) -> str:
    """A code of a plan, metric or coupon, or an event's id, quoted for a path. Dots are fine in these."""
    if not value or value in {".", ".."}:
        raise BadInput("This code cannot be used with Lago.", field="code", expected="a code")
    return quote(value, safe="")


class _LagoHttp(HttpCalls):
    """The pooled client, which also explains what Lago's own library raises."""

    def explain(self, error: Exception) -> Failure | None:
        if type(error).__module__ != "lago_python_client.exceptions":
            return super().explain(error)
        return self._explain_library(error)

    def _explain_library(self, error: Any) -> Failure:
        if error.url is None:  # how the library says that it could not read the answer
            return Failure(None, body=UNREADABLE)
        return self.failure(error.status_code, json.dumps(error.response), error.headers or {})


class LagoCalls:
    """Shared by the subjects of Lago's adapter."""

    def __init__(self, settings: LagoSettings) -> None:
        key = settings.api_key.get_secret_value()
        self._settings = settings
        self._http = _LagoHttp(
            "lago",
            base_url=f"{settings.url.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout_seconds=settings.timeout_seconds,
            codes_of=_codes,
            is_conflict=lambda code: code in {"value_already_exist", "currencies_does_not_match"},
            secrets=(key,),
        )

    @cached_property
    def _library(self) -> Any:
        from lago_python_client import Client

        # An empty api_url would be Lago's own cloud; retries belong to the caller, never to a library.
        key, url = self._settings.api_key.get_secret_value(), f"{self._settings.url.rstrip('/')}/"
        return Client(api_key=key, api_url=url, max_retries=0, retry_on_rate_limit=False)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _send(self, operation: str, method: str, path: str, read: Callable[[Any], T], *, params: Any = None, json: Any = None) -> T:
        return self._http.send(operation, method, path, read, params=params, json=json)

    def _list(
        self, operation: str, path: str, root: str, parse: Callable[[Any], T | None], *, params: list[tuple[str, str | int]]
    ) -> Page[T]:
        """One page. ``parse`` answers None for a record that was not asked for: unknown filters are ignored upstream."""

        def read(answer: Any) -> Page[T]:
            parsed = [parse(record) for record in answer[root]]
            meta = answer["meta"]
            return Page(tuple(item for item in parsed if item is not None), meta["next_page"] or None, meta["total_count"])

        return self._send(operation, "GET", path, read, params=params)

    def _use_library(self, operation: str, action: Callable[[], T]) -> T:
        """A call by Lago's library, under the same seam."""
        return self._http.calls.run(operation, action)


def all_pages(fetch: Callable[[int], Page[T]]) -> Iterator[T]:
    """Every item of a list that is read page by page."""
    page_number: int | None = 1
    while page_number is not None:
        page = fetch(page_number)
        yield from page.items
        page_number = page.next_page


def _codes(answer: Any) -> tuple[str, ...]:
    details = answer.get("error_details") or {}
    values = details.values() if isinstance(details, dict) else [details]
    return tuple(code for code in [answer.get("code"), *_flatten(values)] if isinstance(code, str))


def _flatten(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, dict):
            yield from _flatten(value.values())
        elif isinstance(value, list):
            yield from _flatten(value)
        else:
            yield value
