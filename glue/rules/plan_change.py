"""From an intent to the next step of the subscription. An upgrade acts at once, a downgrade and an end at the period's."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from glue.rules.changes import Change, Part, Plain, instant
from glue.rules.facts import Observed, Subscription
from glue.rules.tenant import Intent, IntentKind, TenantRecord
from glue.rules.tiers import Tiers


@dataclass(frozen=True)
class PlanStep:
    """``fulfilled``: what was asked is true now, the intent can be taken off."""

    changes: list[Change]
    fulfilled: bool = False


DONE = PlanStep([], fulfilled=True)


def decide_plan_change(record: TenantRecord, observed: Observed, tiers: Tiers) -> PlanStep | None:
    """The next step towards the tenant's intent; None without one."""
    intent = record.intent
    if intent is None:
        return None
    active = observed.active_subscription
    waiting = next((row for row in observed.subscriptions if row.status == "pending"), None)
    match intent.kind:
        case IntentKind.SUBSCRIBE:
            if active or waiting or any(row.status == "incomplete" for row in observed.subscriptions):
                return DONE
            return PlanStep([_plan(intent, None, tiers.get(intent.tier).plan_for(record.currency).code, adds=True)])
        case IntentKind.CHANGE:
            return _change(intent, active, waiting, tiers, record.currency)
        case IntentKind.CANCEL_NOW:
            steps = [_step(intent, "pending", waiting.plan_code, None)] if waiting else []
            if active:
                steps.append(_step(intent, "active", True, False, restrictive=True))
            return PlanStep(steps) if steps else DONE
        case IntentKind.CANCEL_AT_END:
            end = period_end(active) if active else None
            if active is None or active.ending_at is not None or end is None:
                return DONE if active is None or active.ending_at is not None else PlanStep([])
            return PlanStep([_step(intent, "end", None, instant(end), restrictive=True)])
        case IntentKind.KEEP:
            steps = [_step(intent, "pending", waiting.plan_code, None)] if waiting and active else []
            if active and active.ending_at:
                steps.append(_step(intent, "end", instant(active.ending_at), None, adds=True))
            return PlanStep(steps) if steps else DONE
        case IntentKind.ERASE:
            return None


def whole_period(active: Subscription, interval: str) -> tuple[datetime, datetime] | None:
    """The calendar period [start, end) that the running one is all or, in the first, the rest of: fees are shares of it.

    ``interval`` as in Lago: weekly, monthly, quarterly, semiannual or yearly, each billed by the calendar.
    """
    end = period_end(active)
    if end is None:
        return None
    last = end - timedelta(days=1)
    if interval == "weekly":
        return datetime.combine(last.date() - timedelta(days=last.weekday()), time(), tzinfo=UTC), end
    months = {"monthly": 1, "quarterly": 3, "semiannual": 6, "yearly": 12}[interval]
    return last.replace(day=1, month=(last.month - 1) // months * months + 1), end


def period_end(active: Subscription) -> datetime | None:
    """Midnight after the running period: Lago ends at 00:05 of that day and bills nothing for it, for it starts a period."""
    if active.period_ends_at is None:
        return None
    return datetime.combine((active.period_ends_at + timedelta(seconds=1)).date(), time(), tzinfo=UTC)


def _change(intent: Intent, active: Subscription | None, waiting: Subscription | None, tiers: Tiers, currency: str) -> PlanStep:
    target = tiers.get(intent.tier)
    if active is None:
        return DONE if waiting else PlanStep([_plan(intent, None, target.plan_for(currency).code, adds=True)])
    current = tiers.of_plan(active.plan_code)
    if current is not None and current.code == target.code:
        return PlanStep([_step(intent, "pending", waiting.plan_code, None)]) if waiting else DONE
    plan = target.plan_for(currency).code
    if plan in {active.next_plan_code, waiting.plan_code if waiting else None}:
        return DONE
    grows = current is None or target.rank > current.rank
    steps = [_step(intent, "end", instant(active.ending_at), None, adds=True)] if active.ending_at else []
    return PlanStep([*steps, _plan(intent, active.plan_code, plan, adds=grows)])


def _plan(intent: Intent, before: str | None, after: str, *, adds: bool) -> Change:
    return _step(intent, "plan", before, after, adds=adds, restrictive=not adds)


def _step(intent: Intent, field: str, before: Plain, after: Plain, *, adds: bool = False, restrictive: bool = False) -> Change:
    who = f" by {intent.asked_by}" if intent.asked_by else ""
    words = str(intent.kind).replace("_", " ")
    return Change(
        Part.SUBSCRIPTION,
        field,
        before,
        after,
        f"Asked{who}: {words} {intent.tier}".strip() + ".",
        restrictive=restrictive,
        adds=adds,
        asked=True,
    )
