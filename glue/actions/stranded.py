"""Usage that fits into no open period: billed by an invoice of its own, or waived. How much is a person's decision."""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal

from glue.actions.asking import Actions
from glue.converge.effects import Effect, EffectState
from glue.converge.tenants import get_tenant
from glue.errors import BadInput, Conflict, NotFound
from glue.meter.flush import Flush, Stranded

ADD_ON = "usage_of_earlier_periods"  # declared in lago/add_ons.yaml
LARGEST_CENTS = 10_000_000


def price_stranded(actions: Actions, item: Stranded, prices: Callable[[str], Mapping[str, Decimal]]) -> int:
    """The most it can be worth, in cents: every unit at the highest price of the customer's plan. Included units are not taken off."""
    with actions.database.read(item.tenant) as session:
        plan = get_tenant(session, item.tenant).plan_code
    price = prices(plan).get(item.meter, Decimal(0))
    return int((item.units * price * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def bill_stranded(actions: Actions, flush: Flush, fold_id: str, *, cents: int, by: str) -> None:
    """Bill it with an invoice over ``cents``, or waive it with 0. Twice is once.

    Raises NotFound, BadInput, UpstreamUnavailable; Conflict when another amount was asked for before, or that one was refused.
    """
    item = next((one for one in flush.stranded() if one.fold_id == fold_id), None)
    if item is None:
        raise NotFound("This usage is not stranded (any more).")
    if not 0 <= cents <= LARGEST_CENTS:
        raise BadInput("This amount is out of range.", field="amount", expected=f"0 to {LARGEST_CENTS // 100}")
    key = f"stranded/{fold_id}"
    with actions.database.read(item.tenant) as session:
        _check_earlier(session.get(Effect, key), cents)
    what = f"{item.units.normalize():f} of {item.meter} until {item.latest_at:%Y-%m-%d}"
    if cents:
        payload = {
            "customer": item.tenant,
            "currency": actions.record(item.tenant).currency,
            "add_on_code": ADD_ON,
            "units": "1",
            "unit_amount_cents": cents,
            "description": f"{what} ({fold_id})",
        }
        actions.do(item.tenant, "one_off_invoice", payload, key=key, by=by, text=f"Billed {what} once.")
    else:
        actions.change(item.tenant, by=by, text=f"Waived {what}.")
    flush.bill_stranded(fold_id, reference=f"billed {cents} cents once, by {by}" if cents else f"waived by {by}")


def _check_earlier(earlier: Effect | None, cents: int) -> None:
    """An invoice that was asked for once may have been made since, and is never taken back by a second decision."""
    if earlier is None:
        return
    asked = earlier.payload["unit_amount_cents"]
    if asked != cents:
        raise Conflict(f"An invoice over {asked} cents was asked for already; confirm that amount to take this off the list.")
    if earlier.state == EffectState.REFUSED:
        raise Conflict(f"Lago refused this invoice: {earlier.error} Send it again from the list of unclear effects.")
