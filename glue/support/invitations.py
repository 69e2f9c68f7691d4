"""Invitation codes: 80 bits of chance, kept as a digest only, good for a number of registrations until a day."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from glue.clock import Clock
from glue.db import Database, System, Utc
from glue.errors import BadInput, Conflict, NotFound

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # without letters that look like digits
_LENGTH = 16
MOST_AT_ONCE = 1000
_SCOPE = System("a code is read before its bearer is a customer")


class InvitationCode(SQLModel, table=True):
    """``digest`` is the SHA-256 of the code (hex); the code itself was shown once. ``hint`` are its first four characters."""

    __tablename__ = "invitation_codes"

    digest: str = Field(primary_key=True)
    hint: str
    cohort: str = Field(index=True)
    most_uses: int
    uses: int = 0
    expires_at: datetime = Field(sa_type=Utc)
    note: str = ""
    made_by: str
    made_at: datetime = Field(sa_type=Utc, index=True)
    revoked_at: datetime | None = Field(default=None, sa_type=Utc)


@dataclass(frozen=True)
class Issued:
    """A code as it is given away."""

    code: str
    digest: str


def write_code(chance: bytes) -> str:
    """Ten bytes as a code in four groups."""
    number = int.from_bytes(chance[:10], "big")
    digits = "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))
    return "-".join(digits[start : start + 4] for start in range(0, _LENGTH, 4))


def digest_code(code: str) -> str:
    """The digest of a code as typed: case, blanks, dashes and letters that look like digits do not matter."""
    plain = "".join(character for character in code.upper() if character.isalnum()).translate(str.maketrans("OIL", "011"))
    return hashlib.sha256(plain.encode()).hexdigest()


class Invitations:
    """Issues, finds, uses up and revokes codes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def issue(self, cohort: str, *, number: int = 1, uses: int = 1, days: int = 30, note: str = "", by: str) -> list[Issued]:
        """New codes; this is the only time they can be read. Raises BadInput."""
        for name, value, most in (("number", number, MOST_AT_ONCE), ("uses", uses, 100_000), ("days", days, 366)):
            if not 1 <= value <= most:
                raise BadInput(f"{name} is out of range.", field=name, expected=f"1 to {most}")
        codes = [write_code(secrets.token_bytes(10)) for _ in range(number)]
        with self._database.write(_SCOPE) as session:
            return [self.keep(session, code, cohort=cohort, uses=uses, days=days, note=note, by=by) for code in codes]

    def keep(self, session: Session, code: str, *, cohort: str, uses: int, days: int, note: str, by: str) -> Issued:
        """Make ``code`` good, in the caller's transaction."""
        now, digest = self._clock.now(), digest_code(code)
        session.merge(
            InvitationCode(
                digest=digest, hint=code[:4], cohort=cohort, most_uses=uses, expires_at=now + timedelta(days=days), note=note[:200],
                made_by=by, made_at=now,
            )
        )  # fmt: skip
        return Issued(code, digest)

    def find_usable(self, digest: str) -> InvitationCode | None:
        """The code with this digest, None when it is unknown, used up, revoked or too old: which of them is not told."""
        with self._database.read(_SCOPE) as session:
            row = session.get(InvitationCode, digest)
            usable = row is not None and row.uses < row.most_uses and row.revoked_at is None and self._clock.now() < row.expires_at
            return row if usable else None

    def use(self, session: Session, digest: str) -> str:
        """Take one use in the caller's transaction and answer the cohort. Raises Conflict when none is left."""
        row = InvitationCode
        usable = sa.and_(
            col(row.digest) == digest, col(row.uses) < col(row.most_uses), col(row.revoked_at).is_(None), col(row.expires_at) > self._clock.now()
        )  # fmt: skip
        taken = session.execute(sa.update(row).where(usable).values(uses=col(row.uses) + 1))
        if taken.rowcount != 1:  # type: ignore[attr-defined]
            raise Conflict("This invitation was used up or has ended meanwhile.", remedy="Ask for another one.")
        return str(session.scalar(sa.select(col(row.cohort)).where(col(row.digest) == digest)))

    def revoke(self, digest: str) -> None:
        """Raises NotFound."""
        with self._database.write(_SCOPE) as session:
            row = session.get(InvitationCode, digest)
            if row is None:
                raise NotFound("There is no such code.")
            row.revoked_at = row.revoked_at or self._clock.now()
            session.add(row)

    def page(self, *, cohort: str = "", offset: int = 0, limit: int = 50) -> tuple[list[InvitationCode], int]:
        """Codes, newest first, and their whole number."""
        wanted: Iterable[sa.ColumnElement[bool]] = [col(InvitationCode.cohort) == cohort] if cohort else []
        with self._database.read(_SCOPE) as session:
            total = session.scalar(sa.select(sa.func.count()).select_from(InvitationCode).where(*wanted)) or 0
            query = select(InvitationCode).where(*wanted).order_by(col(InvitationCode.made_at).desc(), col(InvitationCode.digest))
            return list(session.exec(query.offset(offset).limit(limit))), total
