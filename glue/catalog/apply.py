"""Plan, then exactly that plan. Each object accepts its state before or after, so that a killed run goes on."""

from collections.abc import Callable
from pathlib import Path

from glue.catalog.desired import desired_objects
from glue.catalog.files import load
from glue.catalog.plan import Change, Plan, make_plan, same
from glue.catalog.systems import Systems
from glue.errors import Conflict, UnsafePlan


def plan_files(folder: Path, systems: Systems, *, progress: Callable[[str], None] = lambda _: None) -> Plan:
    """What applying the files below ``folder`` would change. Raises ConfigInvalid, UpstreamError."""
    desired = desired_objects(load(folder))
    actual = systems.read_all(progress=progress)
    return make_plan(desired, actual, plans_in_use=systems.plans_in_use())


def apply_plan(plan: Plan, systems: Systems, *, digest: str, progress: Callable[[Change], None] = lambda _: None) -> None:
    """Make the plan's changes, each read back. ``digest`` is of the plan that was read.

    Raises Conflict when the plan is another or an object is neither as planned before nor as it should be, and
    UnsafePlan when a change is refused.
    """
    if digest != plan.digest:
        raise Conflict(f"The plan is now {plan.digest}, not {digest}: something changed since it was read.", remedy="Read the plan again.")
    refused = [change for change in plan.changes if change.refusal]
    if refused:
        raise UnsafePlan("; ".join(f"{change.name}: {change.refusal}" for change in refused), remedy="Change the files, then plan again.")
    for change in plan.changes:
        progress(change)
        _make(change, systems)


def _make(change: Change, systems: Systems) -> None:
    item = change.declared
    there = systems.read(item)
    if same(item, there):
        return
    if change.action == "create":
        # Lago makes a plan's entitlements with the plan, empty: that is still "before".
        if there is not None and item.kind != "plan entitlements":
            raise Conflict(f"{change.name} was made by somebody else meanwhile.", remedy="Plan again.")
        systems.create(item)
    else:
        if there is None:
            raise Conflict(f"{change.name} is gone.", remedy="Plan again.")
        systems.update(item)
    found = systems.read(item)
    if not same(item, found):
        wrong = make_plan([item], {} if found is None else {(item.system, item.kind, item.key): found}).changes[0].differences
        places = ", ".join(f"{difference.place} is {difference.before!r}" for difference in wrong)
        raise Conflict(f"{change.name} was written but does not read back as written: {places}.", remedy="See docs/how-to/mend-a-plan.md.")
