"""A run's credits in the meter: holds for its cap, settled part by part, the rest given back."""

from typing import Any

from glue.agents.tables import AgentRun
from glue.errors import Conflict, NotFound
from glue.meter.metering import Meter
from glue.rules.names import TenantId

METER = "agent_credits"
TOKENS = "agent_tokens"
HOLD_SECONDS = 86_400  # renewed by whoever carries out the run, long before


class RunCredits:
    """Every call may be repeated: keys name the run, the step and the attempt."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def hold(self, tenant: TenantId, run_id: str, credits_: int, *, part: int = 0) -> dict[str, Any]:
        """Reserve credits; {id, units} to keep with the run. Raises LimitReached, NotAllowed, Unavailable."""
        taken = self._meter.hold(tenant, METER, credits_, seconds=HOLD_SECONDS, key=f"{run_id}/hold/{part}", dimensions={"run": run_id})
        return {"id": taken["id"], "units": credits_}

    def settle(self, tenant: TenantId, run: AgentRun, *, start: int, cost: int, key: str, dimensions: dict[str, str]) -> None:
        """Turn credits ``start`` to ``start + cost`` of the run's cap into usage, each from the hold they belong to."""
        begin = 0
        for number, hold in enumerate(run.holds):
            end = begin + int(hold["units"])
            # What no hold covers (it cannot be, by the budget of steps) would be recorded with the last, never dropped.
            last = number == len(run.holds) - 1
            part = (start + cost if last else min(end, start + cost)) - max(begin, start)
            if part > 0:
                self._meter.settle(tenant, hold["id"], part, close=False, key=f"{key}/{number}", dimensions=dimensions)
            begin = end

    def settle_hold(self, tenant: TenantId, hold_id: str, cost: int, *, key: str, dimensions: dict[str, str]) -> None:
        """Turn ``cost`` of a hold into usage and give back the rest."""
        if cost:
            self._meter.settle(tenant, hold_id, cost, close=True, key=key, dimensions=dimensions)
        else:
            self._meter.release(tenant, hold_id)

    def record_tokens(self, tenant: TenantId, tokens: int, *, key: str, dimensions: dict[str, str]) -> None:
        if tokens:
            self._meter.record_usage(tenant, TOKENS, tokens, key=key, dimensions=dimensions)

    def renew(self, tenant: TenantId, run: AgentRun) -> None:
        """Keep the reservation. Raises LimitReached when it had lapsed and its credits went elsewhere."""
        for hold in run.holds:
            if not hold.get("closed"):
                self._meter.renew(tenant, hold["id"], seconds=HOLD_SECONDS)

    def release(self, tenant: TenantId, run: AgentRun) -> None:
        """Give back what was not used; again is fine."""
        for hold in run.holds:
            try:
                self._meter.release(tenant, hold["id"])
            except (Conflict, NotFound):  # settled to its end, or long forgotten: nothing is reserved either way
                continue
