"""The ten steps. Each goes through the door a person or a program would use and ends with what the systems say."""

from collections.abc import Callable

from glue.cli.story import money_steps, tenant_steps, usage_steps
from glue.cli.story.world import Said, World

Play = Callable[[World], Said]

STEPS: tuple[tuple[str, Play], ...] = (
    ("The declared files are applied; a second time nothing changes", tenant_steps.apply_files),
    ("Alice registers, verifies her mail and becomes a customer", tenant_steps.alice_becomes_a_customer),
    ("Her token carries organization and plan; Bob joins; a third person has no seat", tenant_steps.bob_joins),
    ("Two machines are activated with signed files; a third is refused", tenant_steps.machines_are_activated),
    ("A program is metered and stopped at the hard limit, to the unit", usage_steps.program_is_metered),
    ("A sentence becomes a quote, a run, files and settled credits", usage_steps.work_is_dispatched),
    ("Pro to Team at once; Team to Pro at the period's end", money_steps.plans_change),
    ("The invoice stays unpaid until the license is refused, is paid, and all is well again", money_steps.invoice_is_late),
    ("Changes that nobody told us are found; a hand-made suspension stays", money_steps.drift_is_found),
    ("She cancels, takes her data along and is erased", money_steps.alice_leaves),
)
