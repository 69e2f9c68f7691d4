"""What a person has filled in so far before becoming a customer: kept with us, so that it goes on from any device."""

from datetime import datetime

from sqlmodel import JSON, Field, SQLModel

from glue.clock import Clock
from glue.db import Database, System, Utc

_SCOPE = System("a person who is no customer yet has no tenant")


class Draft(SQLModel, table=True):
    """One registration on its way; ``nonce`` makes it become one tenant, however often it is sent."""

    __tablename__ = "drafts"

    subject: str = Field(primary_key=True)
    nonce: str
    answers: dict[str, str] = Field(default_factory=dict, sa_type=JSON)
    changed_at: datetime = Field(sa_type=Utc)


class Drafts:
    """Reads and keeps drafts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def read(self, subject: str) -> tuple[str, dict[str, str]]:
        """The nonce (empty: no draft yet) and the answers so far."""
        with self._database.read(_SCOPE) as session:
            row = session.get(Draft, subject)
            return (row.nonce, dict(row.answers)) if row else ("", {})

    def keep(self, subject: str, answers: dict[str, str], *, new_nonce: str) -> str:
        """Add ``answers`` to the draft and return its nonce; ``new_nonce`` is taken when there was none."""
        with self._database.write(_SCOPE) as session:
            row = session.get(Draft, subject) or Draft(subject=subject, nonce=new_nonce, changed_at=self._clock.now())
            row.answers = {**row.answers, **answers}
            row.changed_at = self._clock.now()
            session.add(row)
            return row.nonce

    def remove(self, subject: str) -> None:
        """Forget the draft; it has become a customer, or was given up."""
        with self._database.write(_SCOPE) as session:
            row = session.get(Draft, subject)
            if row is not None:
                session.delete(row)
