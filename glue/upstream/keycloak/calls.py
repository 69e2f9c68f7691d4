"""How Keycloak is called: by python-keycloak, one connection per client of ours, its retries off, its token under a lock."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property, partial
from threading import Lock
from typing import Any, TypeVar
from urllib.parse import quote

from keycloak import KeycloakAdmin, KeycloakOpenID, KeycloakOpenIDConnection
from keycloak.exceptions import KeycloakError, KeycloakOperationError, raise_error_from_response

from glue.errors import BadInput, ConfigInvalid
from glue.settings import KeycloakSettings, Secret
from glue.upstream.calling import Calls, Failure

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
        self._make_open_id = partial(open_id, settings, client_id, secret)
        self.add_param_headers("Content-Type", media_type)

    @property
    def keycloak_openid(self) -> KeycloakOpenID:
        """The token endpoint; the inherited one retries."""
        if self._keycloak_openid is None:
            self._keycloak_openid = self._make_open_id()
        return self._keycloak_openid

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

    # Each connection of the library costs tens of milliseconds (it makes an async client besides): built when needed.

    def __init__(self, settings: KeycloakSettings) -> None:
        apply = settings.apply_client_secret
        secrets = (settings.service_client_secret, settings.api_client_secret, *((apply,) if apply else ()))
        self._settings = settings
        self._calls = Calls("keycloak", _explain, secrets=tuple(secret.get_secret_value() for secret in secrets))
        self._opened: list[Any] = []
        self._base = f"admin/realms/{quote(settings.realm, safe='')}"

    def _connect(self, client_id: str, secret: Secret, **options: str) -> Any:
        connection = Connection(self._settings, client_id, secret.get_secret_value(), **options)
        self._opened.append(connection)
        return connection

    @cached_property
    def _service(self) -> Any:
        settings = self._settings
        return KeycloakAdmin(connection=self._connect(settings.service_client_id, settings.service_client_secret))

    @cached_property
    def _forms(self) -> Any:
        """For what wants a form: the content type is the connection's, not the call's."""
        form = "application/x-www-form-urlencoded"
        return self._connect(self._settings.service_client_id, self._settings.service_client_secret, media_type=form)

    @cached_property
    def _apply(self) -> Any:
        """The client that may change clients and the realm. Raises ConfigInvalid when it has no secret."""
        settings = self._settings
        if settings.apply_client_secret is None:
            raise ConfigInvalid(
                "Changing clients or the realm in Keycloak needs the apply client.", remedy="Set GLUE_KEYCLOAK__APPLY_CLIENT_SECRET."
            )
        return KeycloakAdmin(connection=self._connect(settings.apply_client_id, settings.apply_client_secret))

    @cached_property
    def _tokens(self) -> Any:
        settings = self._settings
        tokens = open_id(settings, settings.api_client_id, settings.api_client_secret.get_secret_value())
        self._opened.append(tokens.connection)
        return tokens

    def close(self) -> None:
        """Give the connections back."""
        for connection in self._opened:
            connection._s.close()  # noqa: SLF001  # the library offers no way

    def _use(self, operation: str, action: Callable[[], T]) -> T:
        """A call by the library, under the seam."""
        return self._calls.run(operation, action)

    def _get(self, operation: str, path: str, read: Callable[[Any], T], **params: Any) -> T:
        return self._calls.run(operation, lambda: read(checked(self._service.connection.raw_get(f"{self._base}/{path}", **params))))

    def _post(self, operation: str, path: str, data: Any, *, form: bool = False) -> None:
        connection = self._forms if form else self._service.connection
        self._calls.run(operation, lambda: checked(connection.raw_post(f"{self._base}/{path}", data=data)))

    def _put(self, operation: str, path: str) -> None:
        self._calls.run(operation, lambda: checked(self._service.connection.raw_put(f"{self._base}/{path}", data="")))

    def _delete(self, operation: str, path: str) -> None:
        self._calls.run(operation, lambda: checked(self._service.connection.raw_delete(f"{self._base}/{path}")))


def checked(response: Any) -> Any:
    """The JSON of a raw answer; a refusal is raised as the library raises its own."""
    return raise_error_from_response(response, KeycloakOperationError)  # type: ignore[arg-type]


def checked_id(value: str) -> str:
    """An id of Keycloak's that is safe in a path."""
    if not value or not value.isascii() or not value.replace("-", "").replace("_", "").isalnum():
        raise BadInput("This is not an id of Keycloak.", field="id", expected="letters, digits, _ and - only")
    return value


def _explain(error: Exception) -> Failure | None:
    if not isinstance(error, KeycloakError):
        return None
    if error.response_code is None:
        return Failure(None, body=type(error.__cause__ or error).__name__)
    return Failure(error.response_code, body=(error.response_body or b"").decode("utf-8", "replace"))
