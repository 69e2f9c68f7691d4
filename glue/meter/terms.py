"""What a tenant may use of a meter right now, out of its snapshot. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from glue.errors import GlueError, NotAllowed, Unavailable
from glue.meter.meters import MeterKind
from glue.meter.periods import period_end, quota_day
from glue.meter.units import ONE
from glue.rules.snapshot import MeterGrant, Snapshot
from glue.rules.tiers import BlindAllowance

BLIND_AFTER = timedelta(minutes=10)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cap:
    """A hard limit in millionths of units on the counter of ``period``; ``reason`` when it is reached."""

    period: str
    limit: int
    reason: str = "limit_reached"


@dataclass(frozen=True, slots=True)
class Prepaid:
    """Balance that open and uninvoiced usage is paid from: counters of ``since`` and later, at the highest unit prices."""

    balance_cents: int
    prices: dict[str, Decimal]
    since: str

    def cents(self, meter: str, millionths: int) -> Decimal:
        return self.prices.get(meter, Decimal(0)) * millionths * 100 / ONE


@dataclass(frozen=True, slots=True)
class Spend:
    """What the customer wants to spend on usage in a period at most. Units beyond ``free`` ones count at the highest price."""

    cap_cents: int
    prices: dict[str, Decimal]
    free: dict[str, int]

    def cents(self, meter: str, millionths: int) -> Decimal:
        return self.prices.get(meter, Decimal(0)) * max(0, millionths - self.free.get(meter, 0) * ONE) * 100 / ONE


@dataclass(frozen=True, slots=True)
class Terms:
    """``limit`` is what to show (None: unlimited), ``caps`` what must hold. ``refusal`` forbids outright: a reason's code."""

    tenant: str
    kind: MeterKind
    period: str
    limit: int | None
    caps: tuple[Cap, ...]
    resets_at: str | None
    valid_until: datetime
    refusal: str = ""
    explanation: str = ""
    prepaid: Prepaid | None = None
    spend: Spend | None = None

    def refused(self) -> GlueError:
        """The error for ``refusal``. Blindness passes, so it says when to ask again."""
        if self.refusal == "blind":
            return Unavailable(self.explanation, retry_after_seconds=10, reason=self.refusal, meter=self.kind.code)
        return NotAllowed(self.explanation, remedy=_REMEDIES.get(self.refusal, ""), reason=self.refusal, meter=self.kind.code)


_REMEDIES = {
    "not_included": "A larger plan includes it; see the plan page of the portal.",
    "suspended": "Settle what is open on the billing page of the portal.",
    "canceled": "Choose a plan in the portal to start again.",
}


def terms_of(snapshot: Snapshot, kind: MeterKind, *, now: datetime, blind_after: timedelta = BLIND_AFTER) -> Terms:
    """Terms that hold from ``now`` until their ``valid_until``."""
    period, resets_at, valid_until = "", None, _NEVER
    if snapshot.period is not None:
        period = quota_day(snapshot.period, now).isoformat()
        end = period_end(snapshot.period)
        if now < end:
            resets_at, valid_until = end.isoformat().replace("+00:00", "Z"), end
    grant = snapshot.meters.get(kind.code)
    limit = None if grant is None or grant.limit is None else grant.limit * ONE
    caps = (Cap(period, limit),) if grant is not None and grant.hard and limit is not None else ()
    refusal, explanation = _refusal(snapshot, grant, kind)
    blind_from = snapshot.confirmed_at + blind_after
    if now < blind_from:
        valid_until = min(valid_until, blind_from)
    elif grant is not None and not refusal:
        allowance = grant.blind
        if isinstance(allowance, BlindAllowance):
            ends = blind_from + timedelta(minutes=allowance.minutes)
            if now < ends:
                caps = (*caps, Cap(f"blind since {blind_from.isoformat()}", allowance.units * ONE, "blind"))
                valid_until = min(valid_until, ends)
        if allowance == "deny" or (isinstance(allowance, BlindAllowance) and now >= ends):
            refusal, explanation = "blind", "What this customer bought could not be confirmed for too long."
    return Terms(
        tenant=snapshot.tenant, kind=kind, period=period, limit=limit, caps=caps, resets_at=resets_at, valid_until=valid_until,
        refusal=refusal, explanation=explanation, prepaid=_prepaid(snapshot, period), spend=_spend(snapshot),
    )  # fmt: skip


def _refusal(snapshot: Snapshot, grant: MeterGrant | None, kind: MeterKind) -> tuple[str, str]:
    if not snapshot.standing.may_use:
        return snapshot.standing.value, snapshot.reason
    if grant is None:
        return "not_included", f"The plan does not include {kind.code}."
    return "", ""


def _spend(snapshot: Snapshot) -> Spend | None:
    if snapshot.spend_cap_cents is None:
        return None
    return Spend(snapshot.spend_cap_cents, snapshot.unit_prices, snapshot.free_units)


def _prepaid(snapshot: Snapshot, period: str) -> Prepaid | None:
    if snapshot.prepaid_balance_cents is None:
        return None
    since = period if snapshot.unbilled_since is None else min(period, snapshot.unbilled_since.date().isoformat())
    return Prepaid(snapshot.prepaid_balance_cents, snapshot.unit_prices, since)
