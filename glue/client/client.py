"""The client: what was bought and what is left, holds, usage that is never lost, machines and their files."""

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from glue.client.errors import Refused, Unreachable
from glue.client.machine import fingerprint as own_fingerprint
from glue.client.machine import machine_name, platform_name
from glue.client.spool import Kept, Spool

Answer = dict[str, Any]
Units = float | str | Decimal
TRIES = 3
LONGEST_SILENCE_SECONDS = 30.0


@dataclass(frozen=True)
class CheckedOut:
    """A signed file as the server gave it; verify it with ``verify_license_file``."""

    certificate: str
    issued_at: datetime
    expires_at: datetime | None
    public_key: str


class Hold:
    """Reserved units. Settle with what was used; leaving the block without settling releases them."""

    def __init__(self, client: "Client", answer: Answer) -> None:
        self._client, self.id, self.units = client, str(answer["id"]), answer.get("units")
        self.open = True

    def settle(self, units: Units, *, close: bool = True) -> Answer:
        """Record what was used; with ``close=False`` the rest stays reserved.

        The work is done, so it is not lost: without an answer it is kept and told later (state ``kept``).
        """
        answer = self._client.settle_hold(self.id, units, close=close)
        self.open = not close
        return answer

    def renew(self, *, seconds: int = 60) -> Answer:
        return self._client.call("POST", f"/v1/holds/{self.id}/renew", {"seconds": seconds})

    def release(self) -> None:
        self._client.call("POST", f"/v1/holds/{self.id}/release", {})
        self.open = False


class Client:
    """One service. Give an access ``token``, a ``license_key``, or ``client_id`` and ``client_secret`` with the ``token_url``.

    ``tenant`` chooses among several organizations. Every call raises Refused or Unreachable; writing calls are repeated with
    the same Idempotency-Key.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        license_key: str = "",
        token_url: str = "",
        client_id: str = "",
        client_secret: str = "",
        tenant: str = "",
        spool: Path | None = None,
        timeout_seconds: float = 10,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_seconds, transport=transport)
        self._token, self._license_key, self._tenant = token, license_key, tenant
        self._token_url, self._credentials = token_url, (client_id, client_secret)
        self._token_until = float("inf") if token else 0.0
        self._spool = Spool(spool)
        self._silent_until = 0.0

    # --- what was bought ----------------------------------------------------------------------------------------------

    def check(self, meter: str = "", units: Units = 1, *, feature: str = "") -> Answer:
        """Advice: allowed, reason, limit, used, remaining, resets_at."""
        return self.call("POST", "/v1/check", {"feature": feature} if feature else {"meter": meter, "units": _plain(units)})

    def entitlements(self) -> Answer:
        return self.call("GET", "/v1/entitlements")

    def usage_so_far(self) -> Answer:
        """The running period, meter by meter."""
        return self.call("GET", "/v1/usage")

    # --- using --------------------------------------------------------------------------------------------------------

    def consume(self, meter: str, units: Units = 1, *, key: str = "", **dimensions: str) -> Answer:
        """Check and record at once; exact. Raises Refused with code ``limit_reached``. The same ``key`` again counts once."""
        return self.call("POST", "/v1/consume", {"meter": meter, "units": _plain(units), "dimensions": dimensions}, key=key)

    @contextmanager
    def hold(self, meter: str, units: Units, *, seconds: int = 60) -> Iterator[Hold]:
        """Reserve units for a block of work."""
        hold = Hold(self, self.call("POST", "/v1/holds", {"meter": meter, "units": _plain(units), "seconds": seconds}))
        try:
            yield hold
        finally:
            if hold.open:
                with suppress(Unreachable):  # it expires by itself
                    hold.release()

    def settle_hold(self, hold_id: str, units: Units, *, close: bool = True) -> Answer:
        """What ``Hold.settle`` does, for a hold known by its id."""
        request = Kept(f"/v1/holds/{hold_id}/settle", {"units": _plain(units), "close": close}, secrets.token_hex(16))
        try:
            return self.call("POST", request.path, request.body, key=request.key)
        except Unreachable:
            self._spool.keep(request)
            return {"id": hold_id, "state": "kept"}

    def usage(self, meter: str, units: Units = 1, *, occurred_at: datetime | None = None, key: str = "", **dimensions: str) -> None:
        """A fact that happened: on disk when this returns, and told at once or when the service answers again.

        Never lost and never counted twice. Raises Refused when the service can never take it (an unknown meter), or does
        not let us in now (then it stays and is told later).
        """
        fact = {"meter": meter, "units": _plain(units), "key": key or secrets.token_hex(16), "dimensions": dimensions}
        fact["occurred_at"] = (occurred_at or datetime.now().astimezone()).isoformat()
        file = self._spool.keep(Kept("/v1/usage", [fact], secrets.token_hex(16)))
        if time.monotonic() >= self._silent_until:
            with suppress(Unreachable):
                refused = self._tell()
                if file in refused:
                    raise refused[file]

    def tell_kept(self) -> int:
        """Tell now what waits. Answers how many requests are still waiting: 0 when all were told."""
        with suppress(Unreachable):
            self._tell()
        return len(self._spool.waiting())

    def _tell(self) -> dict[Path, Refused]:
        try:
            return self._spool.tell(lambda request: self._once("POST", request.path, request.body, request.key))
        except Unreachable as error:
            # A program that only reports must not wait for a dead service at every fact.
            self._silent_until = time.monotonic() + min(error.retry_after_seconds, LONGEST_SILENCE_SECONDS)
            raise

    # --- machines -----------------------------------------------------------------------------------------------------

    def activate(self, *, fingerprint: str = "", name: str = "", platform: str = "") -> Answer:
        """Give this machine (or the named one) a place; again is fine. Raises Refused with code ``limit_reached``."""
        body = {"fingerprint": fingerprint or own_fingerprint(), "name": name or machine_name(), "platform": platform or platform_name()}
        machine: Answer = self.call("POST", "/v1/machines", body)["machine"]
        return machine

    def deactivate(self, machine: str = "") -> None:
        """Free a machine's place, by id or fingerprint; this machine's when not given."""
        self.call("DELETE", f"/v1/machines/{machine or own_fingerprint()}")

    def machines(self) -> Answer:
        return self.call("GET", "/v1/machines")

    def license_file(self, *, fingerprint: str = "") -> CheckedOut:
        """A signed file of the machine, good offline."""
        answer = self.call("POST", "/v1/license-files", {"fingerprint": fingerprint or own_fingerprint()})
        ends = answer.get("expires_at")
        return CheckedOut(
            answer["certificate"],
            datetime.fromisoformat(answer["issued_at"]),
            datetime.fromisoformat(ends) if ends else None,
            answer["public_key"],
        )

    # --- one way out --------------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, key: str = "") -> Answer:
        """One call, repeated while the service does not answer. Raises Refused, Unreachable."""
        key = key or secrets.token_hex(16)
        for attempt in range(TRIES):
            try:
                return self._once(method, path, body, key)
            except Unreachable as error:
                if attempt == TRIES - 1:
                    raise
                time.sleep(min(error.retry_after_seconds, 0.2 * 2**attempt))
        raise AssertionError("unreachable")

    def _once(self, method: str, path: str, body: Any, key: str, *, renewed: bool = False) -> Answer:
        headers = {"Authorization": self._authorization()} | ({"Glue-Tenant": self._tenant} if self._tenant else {})
        if method == "POST":
            headers["Idempotency-Key"] = key
        try:
            answer = self._http.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            raise Unreachable(f"{self._http.base_url} does not answer: {error}") from error
        if answer.status_code in {429, 502, 503, 504}:
            raise Unreachable(f"The service says to come back ({answer.status_code}).", retry_after_seconds=_seconds(answer.headers))
        if answer.status_code == 401 and self._token_url and not renewed:
            self._token_until = 0.0  # ended before its time
            return self._once(method, path, body, key, renewed=True)
        content = answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else {}
        if answer.is_error:
            raise Refused(content if isinstance(content, dict) else {}, status=answer.status_code)
        return content if isinstance(content, dict) else {"items": content}

    def _authorization(self) -> str:
        if self._license_key:
            return f"License {self._license_key}"
        if time.monotonic() >= self._token_until:
            self._renew_token()
        return f"Bearer {self._token}"

    def _renew_token(self) -> None:
        client_id, secret = self._credentials
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": "organization:*"}
        try:
            answer = self._http.post(self._token_url, data=form)
        except httpx.TransportError as error:
            raise Unreachable(f"{self._token_url} does not answer: {error}") from error
        if answer.is_error:
            raise Refused({"code": "unauthenticated", "title": "The login server does not know this program."}, status=answer.status_code)
        token = answer.json()
        self._token, self._token_until = token["access_token"], time.monotonic() + token["expires_in"] * 0.8

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()


def _seconds(headers: Mapping[str, str]) -> float:
    try:
        return float(headers.get("retry-after", 5))
    except ValueError:
        return 5


def _plain(units: Units) -> float | str:
    # A number's own text may have an exponent (1E-7), which no meter counts.
    return format(units, "f") if isinstance(units, Decimal) else units
