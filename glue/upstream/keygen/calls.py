"""How Keygen is called: JSON:API by a pooled httpx client, behind the host name and the scheme that it insists on."""

import base64
import re
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, TypeVar

from glue.errors import BadInput, ConfigInvalid, UpstreamRefused
from glue.settings import KeygenSettings
from glue.upstream.calling import Page
from glue.upstream.http import HttpCalls

T = TypeVar("T")

Record = dict[str, Any]

MEDIA_TYPE = "application/vnd.api+json"
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_CONFLICT = re.compile(r".*_(TAKEN|CONFLICT|EXCEEDED)|POLICY_NOT_COMPATIBLE")


def checked_id(value: str) -> str:
    """An id or code that is safe in a path."""
    if not _ID.fullmatch(value):
        raise BadInput("This id cannot be used with Keygen.", field="id", expected="letters, digits, _ and - only")
    return value


class KeygenCalls:
    """Shared by the subjects of Keygen's adapter."""

    def __init__(self, settings: KeygenSettings) -> None:
        password = settings.admin_password.get_secret_value() if settings.admin_password else ""
        token = settings.admin_token.get_secret_value() if settings.admin_token else ""
        if not token and not (settings.admin_email and password):
            raise ConfigInvalid("Keygen needs an admin token, or an admin's address and password.", remedy="Set GLUE_KEYGEN__ADMIN_TOKEN.")
        self._settings = settings
        self._basic = "Basic " + base64.b64encode(f"{settings.admin_email}:{password}".encode()).decode()
        self._token = token
        self._token_lock = Lock()
        self._http = HttpCalls(
            "keygen",
            base_url=f"{settings.url.rstrip('/')}/v1",
            headers={
                "Host": settings.host,
                "X-Forwarded-Proto": "https",  # without it production answers 301, and a POST is lost
                "Accept": MEDIA_TYPE,
                "Content-Type": MEDIA_TYPE,
                "Keygen-Version": "1.8",
            },
            timeout_seconds=settings.timeout_seconds,
            codes_of=lambda answer: tuple(error["code"] for error in answer["errors"] if error.get("code")),
            is_conflict=lambda code: bool(_CONFLICT.fullmatch(code)),
            secrets=(token, password),
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _send(self, operation: str, method: str, path: str, read: Callable[[Any], T], *, params: Any = None, json: Any = None) -> T:
        token = self._bearer()
        try:
            return self._http.send(operation, method, path, read, params=params, json=json, headers={"Authorization": f"Bearer {token}"})
        except UpstreamRefused as error:
            if error.status == 401 and self._settings.admin_token is None:
                with self._token_lock:  # revoked behind our back: the next call makes a new one
                    self._token = "" if self._token == token else self._token
            raise

    def _bearer(self) -> str:
        with self._token_lock:
            if not self._token:
                self._token = self._http.send(
                    "create_token",
                    "POST",
                    "/tokens",
                    lambda answer: str(answer["data"]["attributes"]["token"]),
                    headers={"Authorization": self._basic},
                )
            return self._token

    def _list(
        self, operation: str, path: str, parse: Callable[[Record], T | None], *, page: int, per_page: int = 100, params: Any = None
    ) -> Page[T]:
        """One page. ``parse`` answers None for a record that was not asked for: unknown filters are ignored upstream."""

        def read(answer: Any) -> Page[T]:
            parsed = [parse(record) for record in answer["data"]]
            links = answer["links"]
            return Page(
                tuple(item for item in parsed if item is not None), page + 1 if links["next"] else None, links.get("meta", {}).get("count")
            )

        return self._send(operation, "GET", path, read, params={"page[number]": page, "page[size]": per_page, **(params or {})})

    def _all(self, operation: str, path: str, parse: Callable[[Record], T | None], *, params: Any = None) -> Iterator[T]:
        page_number: int | None = 1
        while page_number is not None:
            page = self._list(operation, path, parse, page=page_number, params=params)
            yield from page.items
            page_number = page.next_page


def document(kind: str, attributes: Record, *, record_id: str = "", **related: tuple[str, str]) -> Record:
    """A JSON:API document; ``related`` maps a relationship to (type, id)."""
    data: Record = {"type": kind, "attributes": attributes}
    if record_id:
        data["id"] = record_id
    if related:
        data["relationships"] = {name: {"data": {"type": of, "id": to}} for name, (of, to) in related.items()}
    return {"data": data}


def linkage(kind: str, ids: list[str]) -> Record:
    """A JSON:API list of references."""
    return {"data": [{"type": kind, "id": one} for one in ids]}


def flat(record: Record) -> Record:
    """A resource as its attributes and its id."""
    return {**record["attributes"], "id": record["id"]}


def related_id(record: Record, name: str) -> str:
    return str(record["relationships"][name]["data"]["id"])
