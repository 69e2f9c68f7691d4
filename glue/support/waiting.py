"""The waiting list: an address asked, was confirmed by mail, and is invited when there is room. Nothing is kept of who left or came in."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from glue.clock import Clock
from glue.converge.effects import Effect, plan_effect
from glue.db import Database, System, Utc
from glue.errors import BadInput, NotFound
from glue.rules.cohorts import Cohort, Cohorts
from glue.rules.names import TenantId
from glue.support.invitations import Invitations, write_code

NOBODY = TenantId("nobody")  # whose effects the letters to people without an organization are
_UNCONFIRMED_DAYS = 7
_CODE_DAYS = 30
_INVITED_DAYS = 90
_MOST_AT_ONCE = 500
_ADDRESS = re.compile(r"[^@\s<>\"',;:\\]{1,64}@[^@\s<>\"',;:\\]{1,190}\.[^@\s.<>\"',;:\\]{2,60}")
_SCOPE = System("people on the waiting list have no tenant yet")
Compose = Callable[[dict[str, Any]], dict[str, str]]


class WaitingState(StrEnum):
    ASKED = "asked"
    CONFIRMED = "confirmed"
    INVITED = "invited"


class WaitingPerson(SQLModel, table=True):
    """An address that waits. ``letters`` counts the confirmations asked for, ``cohort`` is where it was invited to."""

    __tablename__ = "waiting_list"

    email: str = Field(primary_key=True)
    state: str = WaitingState.ASKED
    asked_at: datetime = Field(sa_type=Utc, index=True)
    confirmed_at: datetime | None = Field(default=None, sa_type=Utc)
    invited_at: datetime | None = Field(default=None, sa_type=Utc)
    letters: int = 0
    cohort: str = ""
    locale: str = "en"


class Letters:
    """Texts of the letters, made when they are sent, so that links and codes stand in no table. ``keys`` sign, newest first."""

    def __init__(self, keys: Sequence[str], *, product: str, portal_url: str, otherwise: Compose) -> None:
        self._keys, self._product, self._url, self._otherwise = keys, product, portal_url, otherwise

    def compose(self, payload: dict[str, Any]) -> dict[str, str]:
        """Subject and text of a payload with a ``letter``; any other payload goes to ``otherwise``."""
        letter = payload.get("letter", "")
        if not letter:
            return self._otherwise(payload)
        email, name = payload["to"], self._product
        leave = f"To leave the waiting list: {self._url}/waiting-list/{self.token(email)}\n"
        if letter == "confirm":
            subject = f"Please confirm your place on the waiting list of {name}"
            text = f"Somebody, hopefully you, asked for an invitation to {name} with this address.\n\nConfirm it here:\n"
            text += f"{self._url}/waiting-list/{self.token(email)}\n\nIf it was not you, do nothing: the address is forgotten in a week.\n"
        elif letter == "invited":
            code = self.code(email, payload["cohort"])
            subject = f"Your invitation to {name}"
            text = f"There is room for you now. Your code is {code}, good for {_CODE_DAYS} days. It opens here:\n"
            text += f"{self._url}/invitation/{code}\n\n{leave}"
        else:
            subject = f"{name} is open for you"
            text = f"There is room for you now. Register with this address:\n{self._url}/welcome\n\n{leave}"
        return {"subject": subject, "text": text, "html": ""}

    def token(self, email: str) -> str:
        """What only the reader of a letter to this address knows."""
        return f"{base64.urlsafe_b64encode(email.encode()).decode().rstrip('=')}.{self._sign(self._keys[0], f'waiting:{email}')[:32]}"

    def address_of(self, token: str) -> str:
        """The address of a token. Raises NotFound for one that we did not make."""
        name, _, signature = token.partition(".")
        try:
            email = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
        except ValueError:
            raise NotFound("This link is not complete.", remedy="Copy the whole link from the mail.") from None
        if not any(hmac.compare_digest(self._sign(key, f"waiting:{email}")[:32].encode(), signature.encode()) for key in self._keys):
            raise NotFound("This link is not complete.", remedy="Copy the whole link from the mail.")
        return email

    def code(self, email: str, cohort: str) -> str:
        """The code this address gets for a cohort: always the same, so that a letter can be written again."""
        return write_code(bytes.fromhex(self._sign(self._keys[0], f"code:{cohort}:{email}"))[:10])

    @staticmethod
    def _sign(key: str, text: str) -> str:
        return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


class WaitingList:
    """Who waits, and how they come in. Letters are effects of nobody's: sent at most once each."""

    def __init__(self, database: Database, clock: Clock, letters: Letters, invitations: Invitations) -> None:
        self._database, self._clock, self.letters, self._invitations = database, clock, letters, invitations

    def join(self, email: str, *, locale: str = "en") -> None:
        """Ask for a place; a letter follows, at most one an hour and three in all. Who waits already is not told. Raises BadInput."""
        email, now = email.strip().lower(), self._clock.now()
        if not _ADDRESS.fullmatch(email):
            raise BadInput("This is not an e-mail address.", field="email", expected="name@example.com")
        with self._database.write(_SCOPE) as session:
            row = session.get(WaitingPerson, email) or WaitingPerson(email=email, asked_at=now, locale=locale)
            waits = row.letters and now < row.asked_at + timedelta(hours=1)
            if row.state == WaitingState.ASKED and row.letters < 3 and not waits:
                row.letters, row.asked_at = row.letters + 1, now
                self._write(session, f"waiting/{email}/confirm/{now:%Y%m%dT%H%M%S}", {"to": email, "letter": "confirm"})
            session.add(row)

    def confirm(self, token: str) -> str:
        """The reader of the letter wants the place; answers the address. Raises NotFound."""
        email = self.letters.address_of(token)
        with self._database.write(_SCOPE) as session:
            row = self._get(session, email)
            if row.state == WaitingState.ASKED:
                row.state, row.confirmed_at = WaitingState.CONFIRMED, self._clock.now()
                session.add(row)
        return email

    def leave(self, token: str) -> None:
        """Forget the address. Raises NotFound for a wrong token only."""
        email = self.letters.address_of(token)
        with self._database.write(_SCOPE) as session:
            forget_waiting(session, email)

    def invite_next(self, cohort: Cohort, number: int, *, by: str) -> int:
        """Invite the longest waiting confirmed addresses to a cohort by a code each; answers how many."""
        if not 1 <= number <= _MOST_AT_ONCE:
            raise BadInput("number is out of range.", field="number", expected=f"1 to {_MOST_AT_ONCE}")
        with self._database.write(_SCOPE) as session:
            rows = self._confirmed(session, number)
            for row in rows:
                code = self.letters.code(row.email, cohort.code)
                self._invitations.keep(session, code, cohort=cohort.code, uses=1, days=_CODE_DAYS, note="waiting list", by=by)
                self._invite(session, row, cohort, "invited")
        return len(rows)

    def tell_opened(self, cohorts: Cohorts) -> int:
        """Write to confirmed addresses that an open cohort's share lets in by now; answers how many."""
        open_ones = [cohort for cohort in cohorts if cohort.share and cohort.is_open(self._clock.now())]
        if not open_ones:
            return 0
        told = 0
        with self._database.write(_SCOPE) as session:
            for row in self._confirmed(session, 100_000):
                cohort = next((cohort for cohort in open_ones if cohort.lets_in(row.email)), None)
                if cohort is not None:
                    self._invite(session, row, cohort, "opened")
                    told += 1
        return told

    def forget_old(self) -> None:
        """Forget addresses that nobody confirmed within a week, or that did not come within three months."""
        now = self._clock.now()
        unconfirmed = sa.and_(
            col(WaitingPerson.state) == WaitingState.ASKED, col(WaitingPerson.asked_at) < now - timedelta(days=_UNCONFIRMED_DAYS)
        )
        away = col(WaitingPerson.invited_at) < now - timedelta(days=_INVITED_DAYS)
        with self._database.write(_SCOPE) as session:
            for email in session.scalars(sa.select(col(WaitingPerson.email)).where(sa.or_(unconfirmed, away))).all():
                forget_waiting(session, email)

    def page(self, *, state: str = "", offset: int = 0, limit: int = 50) -> tuple[list[WaitingPerson], int]:
        """Who waits, longest first, and the whole number."""
        wanted = [col(WaitingPerson.state) == state] if state else []
        with self._database.read(_SCOPE) as session:
            total = session.scalar(sa.select(sa.func.count()).select_from(WaitingPerson).where(*wanted)) or 0
            query = select(WaitingPerson).where(*wanted).order_by(col(WaitingPerson.asked_at), col(WaitingPerson.email))
            return list(session.exec(query.offset(offset).limit(limit))), total

    def counts(self) -> dict[str, int]:
        """Addresses by state."""
        with self._database.read(_SCOPE) as session:
            rows = session.exec(select(WaitingPerson.state, sa.func.count()).group_by(col(WaitingPerson.state)))
            return {str(row[0]): int(row[1]) for row in rows}

    @staticmethod
    def _confirmed(session: Session, number: int) -> Sequence[WaitingPerson]:
        query = select(WaitingPerson).where(WaitingPerson.state == WaitingState.CONFIRMED)
        return session.exec(query.order_by(col(WaitingPerson.asked_at), col(WaitingPerson.email)).limit(number)).all()

    def _invite(self, session: Session, row: WaitingPerson, cohort: Cohort, letter: str) -> None:
        row.state, row.invited_at, row.cohort = WaitingState.INVITED, self._clock.now(), cohort.code
        session.add(row)
        self._write(session, f"waiting/{row.email}/{letter}/{cohort.code}", {"to": row.email, "letter": letter, "cohort": cohort.code})

    def _write(self, session: Session, key: str, payload: dict[str, str]) -> None:
        # The address is personal: the key, which stays in logs and lists, names it by a digest.
        digest = hashlib.sha256(payload["to"].encode()).hexdigest()[:16]
        plan_effect(session, NOBODY, key=key.replace(payload["to"], digest), kind="mail", payload=payload, now=self._clock.now())

    @staticmethod
    def _get(session: Session, email: str) -> WaitingPerson:
        row = session.get(WaitingPerson, email)
        if row is None:
            raise NotFound("This address is not on the waiting list any more.", remedy="Ask for a place again.")
        return row


def forget_waiting(session: Session, email: str) -> None:
    """Take an address off the list and out of its letters, in the caller's transaction."""
    session.execute(sa.delete(WaitingPerson).where(col(WaitingPerson.email) == email))
    digest = hashlib.sha256(email.encode()).hexdigest()[:16]
    session.execute(sa.delete(Effect).where(col(Effect.key).startswith(f"waiting/{digest}/")))
