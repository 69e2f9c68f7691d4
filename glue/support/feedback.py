"""Feedback: a rating, a few words, the page they are about, and whether we may write back."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, Session, col, select

from glue.clock import Clock
from glue.db import Database, System, TenantScoped, Utc
from glue.errors import BadInput
from glue.rules.names import TenantId

LONGEST_TEXT = 4000
_OPERATORS = System("operators read the feedback of all customers")

# Themes are found by words; a text may have several, or none.
THEMES = {
    "price": ("price", "expensive", "cost", "cheap", "teuer", "preis", "caro", "prix"),
    "speed": ("slow", "fast", "wait", "langsam", "schnell", "lento", "lent"),
    "quality": ("wrong", "error", "quality", "mistake", "falsch", "fehler", "erreur"),
    "ease": ("easy", "confusing", "find", "understand", "einfach", "verwirrend", "facile", "fácil"),
    "missing": ("missing", "wish", "would like", "need", "fehlt", "wünsche", "falta", "manque"),
}


class Feedback(TenantScoped, table=True):
    """``contact`` says whether the person agreed to be written to."""

    __tablename__ = "feedback"

    id: int | None = Field(default=None, primary_key=True)
    rating: int
    text: str = ""
    page: str = ""
    author: str = ""
    contact: bool = False
    at: datetime = Field(sa_type=Utc, index=True)


class FeedbackBox:
    """Takes feedback and lets operators read it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def give(self, tenant: TenantId, *, rating: int, text: str, page: str, author: str, contact: bool) -> None:
        """Raises BadInput."""
        if rating not in range(1, 6):
            raise BadInput("Please give one to five stars.", field="rating", expected="1 to 5")
        if len(text) > LONGEST_TEXT:
            raise BadInput("Please write at most %(longest)s characters.", field="text", longest=LONGEST_TEXT)
        with self._database.write(tenant) as session:
            session.add(
                Feedback(
                    tenant_id=tenant,
                    rating=rating,
                    text=text.strip(),
                    page=page[:200],
                    author=author if contact else "",
                    contact=contact,
                    at=self._clock.now(),
                )
            )

    def read(self, *, offset: int = 0, limit: int = 50) -> list[Feedback]:
        """Newest first, of all customers."""
        return self.page(offset=offset, limit=limit)[0]

    def page(
        self, *, of: TenantId | None = None, since: datetime | None = None, until: datetime | None = None, offset: int = 0, limit: int = 50
    ) -> tuple[list[Feedback], int]:
        """Newest first, with the whole number: of all customers or ``of`` one, given in [since, until)."""
        wanted = [col(Feedback.tenant_id) == of] if of else []
        wanted += [col(Feedback.at) >= since] if since else []
        wanted += [col(Feedback.at) < until] if until else []
        with self._database.read(_OPERATORS) as session:
            total = session.scalar(sa.select(sa.func.count()).select_from(Feedback).where(*wanted)) or 0
            query = select(Feedback).where(*wanted).order_by(col(Feedback.id).desc())
            return list(session.exec(query.offset(offset).limit(limit))), total

    def themes(self) -> list[tuple[str, int]]:
        """How many texts touch each theme, most first."""
        return themes_of(row.text for row in self.read(limit=1000))


def themes_of(texts: Iterable[str]) -> list[tuple[str, int]]:
    """Themes by the number of texts that touch them."""
    counts: Counter[str] = Counter()
    for text in texts:
        lower = text.lower()
        counts.update(theme for theme, words in THEMES.items() if any(word in lower for word in words))
    return counts.most_common()


def scrub_feedback(session: Session, tenant: TenantId) -> None:
    """Forget a customer's feedback, in the caller's transaction."""
    session.execute(sa.delete(Feedback).where(col(Feedback.tenant_id) == tenant))
