"""``glue seed``: many made-up customers in this installation's database, to see how pages behave with them."""

from time import perf_counter
from typing import Annotated

import typer

from glue.cli.opened import AsJson, opened
from glue.cli.printing import out, reporting_errors, show_json
from glue.errors import NotAllowed


def command(
    *,
    tenants: Annotated[int, typer.Option(help="How many customers.", min=1, max=100_000)] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Write customers with tickets, deliveries, drift, usage and a cohort, beside sandboxes only.

    They exist in our database alone: a worker that runs later finds them missing in the three systems.
    """
    from glue.ops import schema
    from glue.ops.seed import seed

    with reporting_errors(as_json=as_json), opened() as service:
        if service.settings.clock_file is None:
            raise NotAllowed("Customers are made up beside sandboxes only.", remedy="Set GLUE_CLOCK_FILE, as `glue up` does.")
        schema.upgrade(service.database)
        schema.upgrade(service.meter_database, meter=True)
        began = perf_counter()
        plans = {tier.code: tier.plan_for("USD").code for tier in service.tiers}
        cohort = next((cohort.code for cohort in service.rollout.cohorts), "")
        written = seed(service.database, service.meter_database, tenants=tenants, now=service.clock.now(), cohort=cohort, plans=plans)
        service.meter_database.close()
        seconds = round(perf_counter() - began, 1)
    if as_json:
        show_json({"tenants": tenants, "rows": written, "seconds": seconds})
    else:
        out.print(f"{tenants} customers, {written} rows in {seconds} s.")
