"""What can be asked of the books. Each request says what has to be loaded for it and acts once that is there. Pure."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import orjson

from glue.errors import Conflict
from glue.meter.books import Books, Fact, Hold, iso
from glue.meter.meters import priced_of
from glue.meter.terms import Terms
from glue.meter.units import as_json

Body = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Request(ABC):
    """``key`` with ``digest`` of what was asked make a repetition get the first answer again; another digest is a conflict."""

    terms: Terms
    key: str | None = None
    digest: str = ""
    hold_ids: ClassVar[tuple[str, ...]] = ()
    fact_keys: ClassVar[tuple[str, ...]] = ()

    def perform(self, books: Books) -> Body:
        """The answer. Raises GlueError, and then nothing was changed: a refusal is not kept, so it may be asked again."""
        if self.key is None:
            return self.act(books)
        place = (self.terms.tenant, self.key)
        if (stored := books.answers.get(place)) is not None:
            if stored[0] != self.digest:
                raise Conflict(
                    "This Idempotency-Key was used for another request.",
                    remedy="Use a new key for a new request.",
                    idempotency_key=self.key,
                )
            body: Body = orjson.loads(stored[1])
            return body
        body = self.act(books)
        text = orjson.dumps(body).decode()
        books.answers[place] = self.digest, text
        books.new_answers.append((*place, self.digest, text))
        return body

    @abstractmethod
    def act(self, books: Books) -> Body:
        """What this kind of request does to the books. Raises GlueError before it changes anything."""


@dataclass(slots=True, kw_only=True)
class Consume(Request):
    """Check and record at once."""

    fact: Fact

    def act(self, books: Books) -> Body:
        books.demand(self.terms, self.fact.units)
        over = books.record(self.terms, self.fact)
        return {"allowed": True, "meter": self.fact.kind.code, "units": as_json(self.fact.units), "over_limit": over} | books.figures(
            self.terms
        )


@dataclass(slots=True, kw_only=True)
class Record(Request):
    """Facts that happened, all or none: never refused for a limit. A fact whose key is there already is not counted again."""

    facts: list[tuple[Terms, Fact]]

    @property
    def fact_keys(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(fact.key for _, fact in self.facts if fact.key is not None)

    def act(self, books: Books) -> Body:
        fresh: dict[str | int, tuple[Terms, Fact]] = {}
        for number, (terms, fact) in enumerate(self.facts):
            if fact.key is None:
                fresh[number] = terms, fact
                continue
            earlier = fresh.get(fact.key)
            known = earlier[1].content if earlier else books.facts.get((terms.tenant, fact.key))
            if known is None:
                fresh[fact.key] = terms, fact
            elif known != fact.content:
                raise Conflict("A fact with this key says something else.", remedy="Give every fact its own key.", key=fact.key)
        over = sorted({fact.kind.code for terms, fact in fresh.values() if books.record(terms, fact)})
        return {
            "accepted": len(fresh),
            "duplicates": len(self.facts) - len(fresh),
            "over_limit": bool(over),
            "meters_over_limit": over,
        }


@dataclass(slots=True, kw_only=True)
class TakeHold(Request):
    units: int
    expires_at: int
    dimensions: str = "{}"

    def act(self, books: Books) -> Body:
        books.demand(self.terms, self.units)
        hold = books.open_hold(self.terms, self.units, expires_at=self.expires_at, dimensions=self.dimensions)
        return describe_hold(hold, books.now) | books.figures(self.terms)


@dataclass(slots=True, kw_only=True)
class _OfHold(Request):
    hold_id: str

    @property
    def hold_ids(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.hold_id,)

    def _hold(self, books: Books, *allowed: str) -> Hold:
        hold = books.find_hold(self.terms.tenant, self.hold_id)
        if hold.state not in allowed:
            raise Conflict(f"The hold is {hold.state}.", remedy="Take a new hold.", hold=hold.id, state=hold.state)
        return hold


@dataclass(slots=True, kw_only=True)
class RenewHold(_OfHold):
    """Give a hold more time; one that has expired is taken again if its units are still there."""

    expires_at: int

    def act(self, books: Books) -> Body:
        hold = self._hold(books, "open")
        if not hold.is_open(books.now):
            books.demand(self.terms, hold.units)
        books.change_hold(hold, expires_at=max(self.expires_at, hold.expires_at))
        return describe_hold(hold, books.now)


@dataclass(slots=True, kw_only=True)
class ReleaseHold(_OfHold):
    """Give back what is reserved. Again is fine."""

    def act(self, books: Books) -> Body:
        hold = self._hold(books, "open", "released")
        if hold.state == "open":
            books.change_hold(hold, state="released")
        return describe_hold(hold, books.now)


@dataclass(slots=True, kw_only=True)
class SettleHold(_OfHold):
    """Turn a hold into usage. The work was done, so it is always recorded: what was neither reserved nor free is flagged.

    ``close=False`` settles a part and keeps the rest reserved.
    """

    fact: Fact
    close: bool = True

    def act(self, books: Books) -> Body:
        hold = books.find_hold(self.terms.tenant, self.hold_id)
        if hold.state == "settled" and self.close and hold.settled == self.fact.units:
            return describe_hold(hold, books.now) | {"over_hold": False, "late": False}
        hold = self._hold(books, "open")
        fact = self._fact_of(hold)
        late = not hold.is_open(books.now)
        reserved = 0 if late else hold.units
        if self.close:
            books.change_hold(hold, state="settled")
        else:
            books.change_hold(hold, units=max(0, hold.units - fact.units))
        unreserved = max(0, fact.units - reserved)
        over_hold = bool(unreserved) and bool(books.lacking(self.terms, fact.units))
        hold.settled += fact.units
        over_limit = books.record(self.terms, fact, "over_hold" if over_hold else "")
        return describe_hold(hold, books.now) | {"over_hold": over_hold, "over_limit": over_limit, "late": late} | books.figures(self.terms)

    def _fact_of(self, hold: Hold) -> Fact:
        """The fact with what was said of the hold when it was taken, too."""
        if hold.dimensions in {"{}", self.fact.dimensions}:
            return self.fact
        merged = orjson.loads(hold.dimensions) | orjson.loads(self.fact.dimensions)
        dimensions = orjson.dumps(merged, option=orjson.OPT_SORT_KEYS).decode()
        return replace(self.fact, dimensions=dimensions, priced=priced_of(self.fact.kind, dimensions))


def describe_hold(hold: Hold, now: int) -> Body:
    """A hold as answers show it; an open one past its time is ``expired``."""
    state = "expired" if hold.state == "open" and not hold.is_open(now) else hold.state
    return {
        "id": hold.id,
        "meter": hold.meter,
        "units": as_json(hold.units),
        "settled": as_json(hold.settled),
        "state": state,
        "expires_at": iso(hold.expires_at),
    }
