"""Coupons that a customer redeems by their code. Whoever knows a code may use it once, so tries are counted: guessing ends soon."""

import re
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from glue.actions.asking import Actions
from glue.converge.effects import Effect, EffectState
from glue.converge.timeline import TimelineEntry, tell
from glue.errors import BadInput, Conflict, LimitReached
from glue.rules.names import TenantId

MOST_TRIES, TRIES_WITHIN = 10, timedelta(hours=1)
_TRIED = "Tried a coupon code that does not exist."
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}")


def redeem_coupon(actions: Actions, tenant: TenantId, code: str, *, by: str) -> str:
    """Apply a coupon once and answer its name.

    Raises BadInput, Conflict when it was redeemed before, LimitReached after too many wrong codes, UpstreamUnavailable.
    """
    code = code.strip()
    _demand_a_try(actions, tenant)
    coupon = _find(actions, code) if _CODE.fullmatch(code) else None
    if coupon is None:
        with actions.database.write(tenant) as session:
            tell(session, tenant, at=actions.clock.now(), kind="note", text=_TRIED, cause=f"Asked by {by}.")
        raise BadInput("There is no such coupon.", field="code", expected="the code as it was sent to you")
    currency = actions.record(tenant).currency
    if coupon["coupon_type"] == "fixed_amount" and coupon["amount_currency"] != currency:
        raise BadInput("This coupon is of another currency.", field="code", expected=f"a coupon in {currency}")
    name, key = str(coupon["name"]), f"coupon/{tenant}/{code}"
    with actions.database.read(tenant) as session:
        earlier = session.get(Effect, key)
    if earlier is not None and earlier.state == EffectState.REFUSED:
        raise Conflict("This coupon was refused; please write to us.")
    if earlier is not None:
        raise Conflict("This coupon was redeemed already.")
    payload = {"customer": tenant, "coupon_code": code}
    actions.do(tenant, "apply_coupon", payload, key=key, by=by, text=f"Redeemed the coupon {name}.")
    return name


def _demand_a_try(actions: Actions, tenant: TenantId) -> None:
    wrong = select(sa.func.count()).select_from(TimelineEntry).where(col(TimelineEntry.text) == _TRIED)
    with actions.database.read(tenant) as session:
        tries = session.exec(wrong.where(col(TimelineEntry.at) > actions.clock.now() - TRIES_WITHIN)).one()
    if tries >= MOST_TRIES:
        raise LimitReached("Too many wrong codes were tried. Try again in an hour, or write to us.", limit=MOST_TRIES)


def _find(actions: Actions, code: str) -> dict[str, Any] | None:
    coupons = actions.systems.lago.list_objects("coupons")
    return next((one for one in coupons if one["code"] == code and not one["terminated_at"]), None)
