"""Sign-ins: the server side of a browser's session. The cookie holds a random id, we hold its digest and what belongs to it."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from glue.clock import Clock
from glue.db import Database, System, Utc

_SCOPE = System("a session is found by its secret id before anybody knows whose it is")


class Signin(SQLModel, table=True):
    """One browser. ``subject`` and ``identity_session`` (Keycloak's ``sid``) are filled once somebody has logged in."""

    __tablename__ = "signins"

    digest: str = Field(primary_key=True)
    data: bytes
    expires_at: datetime = Field(sa_type=Utc, index=True)
    subject: str = Field(default="", index=True)
    identity_session: str = Field(default="", index=True)


class Signins:
    """Reads and writes sign-ins. Lives on the wall clock."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def read(self, session_id: str) -> bytes:
        """What was stored; empty when unknown or expired."""
        with self._database.read(_SCOPE) as session:
            row = session.get(Signin, _digest(session_id))
            return row.data if row and row.expires_at > self._clock.wall() else b""

    def write(
        self, session_id: str, data: bytes, *, seconds: int, subject: str = "", identity_session: str = "", known: bool = False
    ) -> None:
        """Store ``data`` for ``seconds``. ``known``: it was read before, so that it stays ended should it have been ended meanwhile."""
        row: dict[str, Any] = {
            "data": data, "expires_at": self._clock.wall() + timedelta(seconds=seconds), "subject": subject, "identity_session": identity_session,
        }  # fmt: skip
        with self._database.write(_SCOPE) as session:
            if known:
                session.execute(sa.update(Signin).where(Signin.digest == _digest(session_id)).values(**row))  # type: ignore[arg-type]
            else:
                session.merge(Signin(digest=_digest(session_id), **row))

    def remove(self, session_id: str) -> None:
        with self._database.write(_SCOPE) as session:
            session.execute(sa.delete(Signin).where(Signin.digest == _digest(session_id)))  # type: ignore[arg-type]

    def end(self, *, subject: str = "", identity_session: str = "") -> None:
        """End the sign-ins of one of Keycloak's sessions, or all of a person's. At least one must be given."""
        if not subject and not identity_session:
            return
        column, value = (Signin.identity_session, identity_session) if identity_session else (Signin.subject, subject)
        with self._database.write(_SCOPE) as session:
            session.execute(sa.delete(Signin).where(column == value))  # type: ignore[arg-type]

    def forget_expired(self) -> None:
        with self._database.write(_SCOPE) as session:
            session.execute(sa.delete(Signin).where(Signin.expires_at < self._clock.wall()))  # type: ignore[arg-type]


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
