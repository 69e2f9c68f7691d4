"""How Keycloak is called: by python-keycloak, one connection per client of ours, its retries off, its token under a lock."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import quote

import requests
from keycloak import KeycloakAdmin, KeycloakOpenID, KeycloakOpenIDConnection
from keycloak.exceptions import KeycloakError

from glue.errors import BadInput, ConfigInvalid
from glue.settings import KeycloakSettings
from glue.upstream.calling import UNREADABLE, Calls, Failure, seconds_from

T = TypeVar("T")

Representation = dict[str, Any]


class Connection(KeycloakOpenIDConnection):
    """Renews its token once, however many threads find it old: they would all do it, sharing one dict of headers."""

    def __init__(self, settings: KeycloakSettings, client_id: str, secret: str, *, media_type: str = "application/json") -> None:
        super().__init__(
            server_url=f"{settings.url.rstrip('/')}/",
            realm_name=settings.realm,
            client_id=client_id,
            client_secret_key=secret,
            timeout=settings.timeout_seconds,  # type: ignore[arg-type]  # fractions are fine with requests
            max_retries=0,  # the default sends a POST twice after a dropped connection
            pool_maxsize=32,
        )
        self._renewal = Lock()
        self._keycloak_openid = open_id(settings, client_id, secret)  # the inherited one retries
        self.add_param_headers("Content-Type", media_type)

    def refresh_token(self) -> None:
        stale = self.token
        with self._renewal:
            if self.token is stale:
                self.get_token()

    def _refresh_if_required(self) -> None:
        if self._is_old():
            with self._renewal:
                if self._is_old():
                    self.get_token()

    def _is_old(self) -> bool:
        return self.expires_at is None or datetime.now(UTC) >= self.expires_at

    def subject(self) -> str:
        """The id of the account that this connection acts as."""
        self._refresh_if_required()
        claims = str((self.token or {})["access_token"]).split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])


def open_id(settings: KeycloakSettings, client_id: str, secret: str) -> KeycloakOpenID:
    """The token endpoints as one client of ours sees them."""
    return KeycloakOpenID(
        server_url=f"{settings.url.rstrip('/')}/",
        realm_name=settings.realm,
        client_id=client_id,
        client_secret_key=secret,
        timeout=settings.timeout_seconds,  # type: ignore[arg-type]  # fractions are fine with requests
        max_retries=0,
        pool_maxsize=32,
    )


class KeycloakCalls:
    """Shared by the subjects of Keycloak's adapter."""

    def __init__(self, settings: KeycloakSettings) -> None:
        service = settings.service_client_secret.get_secret_value()
        apply = settings.apply_client_secret.get_secret_value() if settings.apply_client_secret else ""
        api = settings.api_client_secret.get_secret_value()
        self._settings = settings
        self._calls = Calls("keycloak", _explain, secrets=(service, apply, api))
        self._base = f"admin/realms/{quote(settings.realm, safe='')}"
        self._service: Any = KeycloakAdmin(connection=Connection(settings, settings.service_client_id, service))
        # Invitations want a form; the content type is the connection's, not the call's.
        self._forms = Connection(settings, settings.service_client_id, service, media_type="application/x-www-form-urlencoded")
        self._apply: Any = KeycloakAdmin(connection=Connection(settings, settings.apply_client_id, apply)) if apply else None
        self._tokens: Any = open_id(settings, settings.api_client_id, api)

    def close(self) -> None:
        """Give the connections back."""
        owners = [self._service.connection, self._forms, self._tokens.connection, *([self._apply.connection] if self._apply else [])]
        for connection in owners:
            connection._s.close()  # noqa: SLF001  # the library offers no way

    def _applying(self) -> Any:
        """The client that may change clients and the realm. Raises ConfigInvalid when it has no secret."""
        if self._apply is None:
            raise ConfigInvalid(
                "Changing clients or the realm in Keycloak needs the apply client.", remedy="Set GLUE_KEYCLOAK__APPLY_CLIENT_SECRET."
            )
        return self._apply

    def _use(self, operation: str, action: Callable[[], T]) -> T:
        """A call by the library, under the seam."""
        return self._calls.run(operation, action)

    def _get(self, operation: str, path: str, read: Callable[[Any], T], **params: Any) -> T:
        connection = self._service.connection
        return self._calls.run(operation, lambda: read(_checked(connection.raw_get(f"{self._base}/{path}", **params)).json()))

    def _post(self, operation: str, path: str, data: Any, *, form: bool = False) -> None:
        connection = self._forms if form else self._service.connection
        self._calls.run(operation, lambda: _checked(connection.raw_post(f"{self._base}/{path}", data=data)))

    def _put(self, operation: str, path: str) -> None:
        self._calls.run(operation, lambda: _checked(self._service.connection.raw_put(f"{self._base}/{path}", data="")))

    def _delete(self, operation: str, path: str) -> None:
        self._calls.run(operation, lambda: _checked(self._service.connection.raw_delete(f"{self._base}/{path}")))


def checked_id(value: str) -> str:
    """An id of Keycloak's that is safe in a path."""
    if not value or not value.isascii() or not value.replace("-", "").replace("_", "").isalnum():
        raise BadInput("This is not an id of Keycloak.", field="id", expected="letters, digits, _ and - only")
    return value


def _checked(response: requests.Response) -> requests.Response:
    response.raise_for_status()
    return response


def _explain(error: Exception) -> Failure | None:
    if isinstance(error, KeycloakError):
        body = error.response_body or b""
        if error.response_code is None:
            return Failure(None, body=type(error.__cause__ or error).__name__)
        return Failure(error.response_code, body=body.decode("utf-8", "replace"))
    if isinstance(error, requests.HTTPError) and error.response is not None:
        answer = error.response
        return Failure(answer.status_code, body=answer.text, retry_after_seconds=seconds_from(answer.headers.get("Retry-After")))
    if isinstance(error, requests.JSONDecodeError):
        return Failure(None, body=UNREADABLE)
    if isinstance(error, requests.RequestException):
        return Failure(None, body=type(error).__name__)
    return None
