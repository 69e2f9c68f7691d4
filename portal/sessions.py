"""Server-side sessions: the cookie is a random id under the ``__Host-`` prefix, everything else stays with us."""

import json
from contextvars import ContextVar
from typing import Any

from anyio.to_thread import run_sync
from starsessions import SessionStore

from glue.actions.signins import Signins

COOKIE = "__Host-session"
LIFETIME_SECONDS = 10 * 3600
_loaded: ContextVar[tuple[str, dict[str, Any]]] = ContextVar("loaded_session")


class SqlStore(SessionStore):
    """starsessions' store over our table. A session that a request did not change is not written again."""

    def __init__(self, signins: Signins) -> None:
        self._signins = signins

    async def read(self, session_id: str, lifetime: int) -> bytes:  # noqa: ARG002 the row knows its own end
        found = await run_sync(self._signins.read, session_id)
        _loaded.set((session_id, _content(found)))
        return found

    async def write(self, session_id: str, data: bytes, lifetime: int, ttl: int) -> str:  # noqa: ARG002
        content = _content(data)
        read_id, read = _loaded.get(("", {}))
        if (session_id, content) == (read_id, read):
            return session_id
        person, known = content.get("person", {}), session_id == read_id and bool(read)

        def store() -> None:
            self._signins.write(
                session_id, data, seconds=ttl, subject=person.get("sub", ""), identity_session=person.get("sid", ""), known=known
            )

        await run_sync(store)
        return session_id

    async def remove(self, session_id: str) -> None:
        await run_sync(self._signins.remove, session_id)


def _content(data: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(data) if data else {}
    content.pop("__metadata__", None)
    return content
