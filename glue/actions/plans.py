"""Plans: look before changing, change, take it back, cancel, go on after all."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from glue.actions.asking import Actions
from glue.errors import BadInput, Conflict, UpstreamError
from glue.rules.facts import Subscription
from glue.rules.names import TenantId
from glue.rules.plan_change import period_end, whole_period
from glue.rules.preflight import InUse, Preflight, preflight
from glue.rules.tenant import IntentKind


def look_before_change(
    actions: Actions,
    tenant: TenantId,
    tier: str,
    *,
    row: Subscription | None,
    plans: Mapping[str, Mapping[str, Any]],
    running_work: int = 0,
) -> Preflight:
    """What changing from the active ``row`` to ``tier`` would mean.

    Raises BadInput for an unknown or the present tier, Conflict without subscription.
    """
    new = actions.tiers.find(tier)
    if new is None:
        raise BadInput("There is no such plan.", field="tier", expected=", ".join(item.code for item in actions.tiers))
    old = actions.tiers.of_plan(row.plan_code) if row else None
    if row is None or old is None:
        raise Conflict("There is no running subscription to change.")
    if old.code == new.code:
        raise BadInput("This is your plan already.", field="tier")
    interval = next(plan.interval for plan in old.plans if plan.code == row.plan_code)
    currency = actions.record(tenant).currency
    amounts = tuple(int(plans[code]["amount_cents"]) for code in (row.plan_code, new.plan_for(currency).code))
    now = actions.clock.now()
    in_trial = bool(old.trial_days and row.started_at and row.trial_ended_at is None and (now - row.started_at).days < old.trial_days)
    return preflight(
        old,
        new,
        _in_use(actions, tenant, running_work),
        now=now,
        period=whole_period(row, interval),
        amounts_cents=(amounts[0], amounts[1]),
        old_paid=not in_trial,
    )


def change_plan(actions: Actions, tenant: TenantId, tier: str, *, by: str) -> None:
    """Up at once, down at the period's end. Raises BadInput."""
    if actions.tiers.find(tier) is None:
        raise BadInput("There is no such plan.", field="tier")
    actions.ask(tenant, IntentKind.CHANGE, tier=tier, by=by, text=f"Change to {tier}.")


def keep_plan(actions: Actions, tenant: TenantId, *, by: str) -> None:
    """Take a waiting downgrade or cancellation back."""
    actions.ask(tenant, IntentKind.KEEP, by=by, text="Stay with the present plan.")


def cancel(actions: Actions, tenant: TenantId, *, when: str, by: str) -> None:
    """``when`` is end (of the period) or now. Raises BadInput."""
    kinds = {"end": IntentKind.CANCEL_AT_END, "now": IntentKind.CANCEL_NOW}
    if when not in kinds:
        raise BadInput("Please choose when.", field="when", expected="end or now")
    actions.ask(tenant, kinds[when], by=by, text="Cancel the subscription now." if when == "now" else "Cancel at the period's end.")


def ends_at(row: Subscription) -> datetime | None:
    """When the running period ends."""
    return period_end(row)


def _in_use(actions: Actions, tenant: TenantId, running_work: int) -> InUse:
    record = actions.record(tenant).identities
    try:
        members = actions.systems.keycloak.list_members(record.organization_id) if record.organization_id else ()
        machines = actions.systems.keygen.list_machines(record.license_id) if record.license_id else ()
    except UpstreamError:
        members, machines = (), ()
    people = sum(not member.service_account for member in members)
    return InUse(seats=people, machines=len(machines), programs=len(members) - people, running_work=running_work)
