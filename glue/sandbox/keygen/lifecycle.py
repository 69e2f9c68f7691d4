"""A license's actions: suspend, reinstate, renew, check in, revoke, count usage."""

from typing import Any

from glue.sandbox.keygen.account import Row
from glue.sandbox.keygen.body import read_meta
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.cascade import delete
from glue.sandbox.keygen.licenses import start_expiry
from glue.sandbox.keygen.problems import conflict, entity_refused, on_attribute, resource_refused
from glue.sandbox.keygen.schema import INTEGER
from glue.sandbox.keygen.states import is_expired, limit, policy_of
from glue.sandbox.keygen.times import add_seconds, from_text, to_text

_KIND = "licenses"
_TRIES = 2  # of a count that another request got in the way of


@route("POST", "licenses/*/actions/suspend", "license.suspend")
async def suspend(call: Call, wanted: str) -> Answer:
    return await _set_suspended(call, wanted, suspended=True)


@route("POST", "licenses/*/actions/reinstate", "license.reinstate")
async def reinstate(call: Call, wanted: str) -> Answer:
    return await _set_suspended(call, wanted, suspended=False)


async def _set_suspended(call: Call, wanted: str, *, suspended: bool) -> Answer:
    row = call.find(_KIND, wanted)
    if row["suspended"] == suspended:
        raise entity_refused("is already suspended" if suspended else "is not suspended", "/data/attributes/suspended")
    await call.account.race()
    call.account.save(row, suspended=suspended)
    call.announce("license.suspended" if suspended else "license.reinstated", row)
    return call.show(row)


@route("POST", "licenses/*/actions/renew", "license.renew")
async def renew(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    account, policy = call.account, policy_of(call.account, row)
    if policy["duration"] is None:
        raise entity_refused("cannot be renewed because the policy does not have a duration")
    if row["expiry"] is None:
        raise entity_refused("cannot be renewed because it does not have an expiry")
    from_now = policy["renewalBasis"] == "FROM_NOW" or (
        policy["renewalBasis"] == "FROM_NOW_IF_EXPIRED" and is_expired(row, account.now_text())
    )
    start = account.now() if from_now else from_text(row["expiry"])
    await account.race()
    account.save(row, expiry=to_text(add_seconds(start, policy["duration"])))
    call.announce("license.renewed", row)
    return call.show(row)


@route("POST", "licenses/*/actions/check-in", "license.check-in")
async def check_in(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    if not policy_of(call.account, row)["requireCheckIn"]:
        raise entity_refused("cannot be checked in because the policy does not require it")
    call.account.save(row, lastCheckIn=call.account.now_text())
    call.announce("license.checked-in", row)
    return call.show(row)


@route("DELETE", "licenses/*/actions/revoke", "license.revoke")
async def revoke(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    call.announce("license.revoked", row)
    delete(call.account, row)
    return Answer(204)


@route("POST", "licenses/*/actions/increment-usage", "license.usage.increment")
async def increment(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    amount: int = _amount(call.body, "increment")
    return await _count(call, row, amount, "incremented")


@route("POST", "licenses/*/actions/decrement-usage", "license.usage.decrement")
async def decrement(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    amount: int = _amount(call.body, "decrement")
    return await _count(call, row, -amount, "decremented")


@route("POST", "licenses/*/actions/reset-usage", "license.usage.reset")
async def reset(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    call.account.save(row, uses=0)
    call.announce("license.usage.reset", row)
    return call.show(row)


def _amount(body: Any, name: str) -> int:
    amount = read_meta(body, {name: INTEGER}).get(name)
    return 1 if amount is None else int(amount)


async def _count(call: Call, row: Row, amount: int, verb: str) -> Answer:
    policy = policy_of(call.account, row)
    allowed = limit(row, policy, "maxUses")
    for _ in range(_TRIES):
        before = row["uses"]
        if before + amount < 0:
            raise resource_refused(on_attribute(_KIND, "uses", "must be greater than or equal to 0", "INVALID"))
        if allowed is not None and before + amount > allowed:
            detail = f"usage exceeds maximum allowed for license ({allowed})"
            raise resource_refused(on_attribute(_KIND, "uses", detail, "LIMIT_EXCEEDED"))
        await call.account.race()
        if row["uses"] == before:
            break
    else:
        raise conflict(f"failed to {verb.removesuffix('ed')} due to another conflicting update", "/data/attributes/uses")
    call.account.save(row, uses=before + amount)
    start_expiry(call.account, row, policy, "FROM_FIRST_USE")
    call.announce(f"license.usage.{verb}", row)
    return call.show(row)
