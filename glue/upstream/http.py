"""Calls by a pooled httpx client, for the third parties without a library that would serve."""

from collections.abc import Callable, Mapping
from json import loads
from typing import Any, TypeVar

import httpx

from glue.upstream.calling import UNREADABLE, Calls, Failure, seconds_from

T = TypeVar("T")

CodesOf = Callable[[Any], tuple[str, ...]]


class HttpCalls:
    """One pool of connections to one third party; safe for many threads. ``codes_of`` finds the codes in a refusal's JSON."""

    def __init__(
        self,
        upstream: str,
        *,
        base_url: str,
        headers: Mapping[str, str],
        timeout_seconds: float,
        codes_of: CodesOf,
        is_conflict: Callable[[str], bool],
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._codes_of = codes_of
        self._is_conflict = is_conflict
        self.calls = Calls(upstream, self.explain, secrets=secrets)
        self.client = httpx.Client(
            base_url=base_url,
            headers=headers,
            timeout=httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, 3)),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
        )

    def close(self) -> None:
        self.client.close()

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        read: Callable[[Any], T],
        *,
        params: Any = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        accept: tuple[int, ...] = (),
    ) -> T:
        """One call; ``read`` gets the answer's JSON (None when there is none). Statuses in ``accept`` are no failure.

        Raises UpstreamUnavailable, UpstreamRefused and its children; ``fields["codes"]`` holds the refusal's codes.
        """

        def action() -> T:
            response = self.client.request(method, path, params=params, json=json, headers=headers)
            if response.status_code not in accept:
                response.raise_for_status()
            return read(response.json() if response.content.strip() else None)

        return self.calls.run(operation, action)

    def explain(self, error: Exception) -> Failure | None:
        """What httpx raised, told in our terms."""
        if isinstance(error, httpx.HTTPStatusError):
            return self.failure(error.response.status_code, error.response.text, error.response.headers)
        if isinstance(error, (httpx.DecodingError, httpx.TooManyRedirects)):
            return Failure(None, body=UNREADABLE)
        if isinstance(error, httpx.TransportError):
            return Failure(None, body=type(error).__name__)
        return None

    def failure(self, status: int, body: str, headers: Mapping[str, str]) -> Failure:
        """A refusal, with whatever codes its body holds."""
        try:
            codes = self._codes_of(loads(body))
        except (ValueError, KeyError, TypeError, AttributeError):
            codes = ()  # a proxy's page instead of an error of theirs: the status alone speaks
        return Failure(
            status,
            body=body,
            request_id=headers.get("x-request-id", ""),
            retry_after_seconds=seconds_from(headers.get("retry-after") or headers.get("x-ratelimit-reset")),
            codes=codes,
            conflict=any(self._is_conflict(code) for code in codes),
        )
