"""What one transaction knows and changes: counters, holds, folds, answers. Pure: loaded before, saved after.

Requests act on the books one after the other, so two of one transaction can never both take the last unit.
"""

import os
from dataclasses import dataclass, field
from decimal import Decimal

from glue.errors import BadInput, GlueError, LimitReached, NotFound, Unavailable
from glue.meter.meters import MeterKind
from glue.meter.periods import from_micros
from glue.meter.terms import Terms
from glue.meter.units import as_json

_MOST = 2**62
MOST_OPEN_HOLDS = 10_000  # of a tenant and meter; each costs a little at every request


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that was used. ``period`` names the billing period, ``key`` is the customer's own id of the fact."""

    kind: MeterKind
    units: int
    occurred_at: int
    period: str
    dimensions: str = "{}"
    priced: str = "{}"
    key: str | None = None
    hold_id: str | None = None

    @property
    def content(self) -> tuple[str, int]:
        """What has to be the same when the key comes again; a fact without a time gets a new one each time."""
        return self.kind.code, self.units


@dataclass(slots=True)
class Hold:
    """A reservation. Instants in microseconds, units in millionths; ``settled`` is what was used of it so far."""

    id: str
    tenant: str
    meter: str
    units: int
    settled: int
    state: str
    created_at: int
    expires_at: int
    dimensions: str

    def is_open(self, now: int) -> bool:
        return self.state == "open" and self.expires_at > now


@dataclass(slots=True)
class Fold:
    """An event for Lago that still gathers facts."""

    id: str
    tenant: str
    meter: str
    period: str
    dimensions: str
    units: int
    events: int
    latest_at: int
    created_at: int


@dataclass(slots=True)
class Books:
    """``now`` is business time in microseconds. Lists of what changed are what saving writes."""

    now: int
    counters: dict[tuple[str, str, str], int] = field(default_factory=dict)
    held: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # units and number of open holds
    holds: dict[str, Hold] = field(default_factory=dict)
    folds: dict[tuple[str, str, str, str], Fold] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)  # digest, body
    facts: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    journal: list[tuple[str, Fact, str, str]] = field(default_factory=list)  # tenant, fact, fold, flag
    new_answers: list[tuple[str, str, str, str]] = field(default_factory=list)
    changed_counters: set[tuple[str, str, str]] = field(default_factory=set)
    changed_folds: set[tuple[str, str, str, str]] = field(default_factory=set)
    changed_holds: set[str] = field(default_factory=set)

    def used(self, terms: Terms, period: str | None = None) -> int:
        return self.counters.get((terms.tenant, terms.kind.code, terms.period if period is None else period), 0)

    def held_units(self, terms: Terms) -> int:
        return self.held.get((terms.tenant, terms.kind.code), (0, 0))[0]

    def lacking(self, terms: Terms, units: int) -> str:
        """Why ``units`` more cannot be taken: a reason's code, empty when they can."""
        held = self.held_units(terms)
        for cap in terms.caps:
            if terms.kind.combine(self.used(terms, cap.period), units) + held > cap.limit:
                return cap.reason
        if (
            terms.prepaid is not None
            and self._owed_cents(terms) + terms.prepaid.cents(terms.kind.code, units) > terms.prepaid.balance_cents
        ):
            return "prepaid_exhausted"
        if terms.spend is not None:
            spent = self.spent_cents(terms)
            after = self.spent_cents(terms, units)
            # What the plan includes may still be used: only what would cost more is stopped.
            if after > spent and after > terms.spend.cap_cents:
                return "spend_cap"
        return ""

    def spent_cents(self, terms: Terms, units: int = 0) -> Decimal:
        """What usage and open holds of the period cost by ``terms.spend``, with ``units`` more of the meter; 0 without a cap."""
        spend = terms.spend
        if spend is None:
            return Decimal(0)
        total = Decimal(0)
        for meter in spend.prices:
            used = self.counters.get((terms.tenant, meter, terms.period), 0)
            if meter == terms.kind.code:
                used = terms.kind.combine(used, units)
            total += spend.cents(meter, used + self.held.get((terms.tenant, meter), (0, 0))[0])
        return total

    def _owed_cents(self, terms: Terms) -> Decimal:
        prepaid = terms.prepaid
        assert prepaid is not None
        owed = [
            prepaid.cents(meter, used)
            for (tenant, meter, period), used in self.counters.items()
            if tenant == terms.tenant and period >= prepaid.since and not period.startswith("blind")
        ]
        reserved = [prepaid.cents(meter, units) for (tenant, meter), (units, _) in self.held.items() if tenant == terms.tenant]
        return sum((*owed, *reserved), Decimal(0))

    def demand(self, terms: Terms, units: int) -> None:
        """Raises what forbids taking ``units`` more; takes nothing."""
        if terms.refusal:
            raise terms.refused()
        reason = self.lacking(terms, units)
        if reason == "blind":
            raise Unavailable(
                "The allowance while plans cannot be confirmed is used up.", retry_after_seconds=10, reason=reason, meter=terms.kind.code
            )
        if reason:
            raise _limit_reached(terms, reason, self.figures(terms), units)

    def record(self, terms: Terms, fact: Fact, flag: str = "") -> bool:
        """Write a fact down: journal, counters, fold. Answers whether its period is over the limit with it."""
        kind, tenant, meter = fact.kind, terms.tenant, fact.kind.code
        periods = {fact.period, *(cap.period for cap in terms.caps if cap.reason == "blind")}
        if any(self.used(terms, period) + fact.units > _MOST for period in periods):
            raise BadInput("The total of this period would be too large to count.", field="units", expected="a realistic amount")
        for period in periods:
            key = (tenant, meter, period)
            self.counters[key] = kind.combine(self.counters.get(key, 0), fact.units)
            self.changed_counters.add(key)
        over = terms.limit is not None and self.counters[tenant, meter, fact.period] > terms.limit
        place = (tenant, meter, fact.period, fact.priced)
        fold = self.folds.get(place)
        if fold is None:
            fold = self.folds[place] = Fold(os.urandom(16).hex(), *place, 0, 0, fact.occurred_at, self.now)
        fold.units = kind.combine(fold.units, fact.units)
        fold.events += 1
        fold.latest_at = max(fold.latest_at, fact.occurred_at)
        self.changed_folds.add(place)
        self.journal.append((tenant, fact, fold.id, flag or ("over_limit" if over else "")))
        if fact.key is not None:
            self.facts[tenant, fact.key] = fact.content
        return over

    def open_hold(self, terms: Terms, units: int, *, expires_at: int, dimensions: str) -> Hold:
        """Reserve ``units``; the caller has demanded them."""
        held, number = self.held.get((terms.tenant, terms.kind.code), (0, 0))
        if number >= MOST_OPEN_HOLDS:
            raise LimitReached("Too many holds are open.", remedy="Settle or release some first.", reason="too_many_holds")
        hold = Hold(
            f"{terms.kind.code}-{os.urandom(12).hex()}", terms.tenant, terms.kind.code, units, 0, "open", self.now, expires_at, dimensions
        )
        self.holds[hold.id] = hold
        self.changed_holds.add(hold.id)
        self.held[hold.tenant, hold.meter] = held + units, number + 1
        return hold

    def find_hold(self, tenant: str, hold_id: str) -> Hold:
        hold = self.holds.get(hold_id)
        if hold is None or hold.tenant != tenant:
            raise NotFound("There is no such hold.", remedy="Check its id.", hold=hold_id)
        return hold

    def change_hold(self, hold: Hold, *, state: str | None = None, units: int | None = None, expires_at: int | None = None) -> None:
        """Change a hold and what is reserved with it."""
        self._reserve(hold, -1)
        hold.state = state or hold.state
        hold.units = hold.units if units is None else units
        hold.expires_at = expires_at or hold.expires_at
        self._reserve(hold, 1)
        self.changed_holds.add(hold.id)

    def _reserve(self, hold: Hold, sign: int) -> None:
        if hold.is_open(self.now):
            units, number = self.held.get((hold.tenant, hold.meter), (0, 0))
            self.held[hold.tenant, hold.meter] = units + sign * hold.units, number + sign

    def figures(self, terms: Terms) -> dict[str, object]:
        """Limit, used, remaining (after open holds), resets_at: as answers show them."""
        used, held = self.used(terms), self.held_units(terms)
        remaining = None if terms.limit is None else as_json(max(0, terms.limit - used - held))
        return {
            "limit": None if terms.limit is None else as_json(terms.limit),
            "used": as_json(used),
            "held": as_json(held),
            "remaining": remaining,
            "resets_at": terms.resets_at,
        }


def _limit_reached(terms: Terms, reason: str, figures: dict[str, object], units: int) -> GlueError:
    if reason == "prepaid_exhausted":
        detail, remedy = "The prepaid balance does not cover this.", "Top up the balance in the portal."
    else:
        detail = f"{figures['remaining']} of {figures['limit']} {terms.kind.code} are left in this period, {as_json(units)} were asked for."
        remedy = "Choose a larger plan, or wait until the period ends."
    if reason == "spend_cap":
        detail = "What your organization wants to spend on usage in this period is spent."
        remedy = "An admin can raise the spend cap on the usage page of the portal."
    return LimitReached(detail, remedy=remedy, reason=reason, meter=terms.kind.code, **figures)


def iso(micros: int) -> str:
    """An instant as answers show it."""
    return from_micros(micros).isoformat().replace("+00:00", "Z")
