"""Policies: what licenses of a tier may."""

from typing import Any

from glue.sandbox.keygen.account import Row
from glue.sandbox.keygen.body import read_resource
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.checks import check_choice, check_limits, check_metadata, check_number
from glue.sandbox.keygen.listing import filtered, respond
from glue.sandbox.keygen.names import snake
from glue.sandbox.keygen.problems import Fault, not_found, not_in_sandbox, on_attribute, resource_refused
from glue.sandbox.keygen.schema import CHOICES, LIMITS, SCHEMES, SCOPES

_KIND = "policies"
_DAY_SECONDS = 86_400
_FLAGS = ("strict", "floating", "encrypted", "usePool", "requireCheckIn", "requireHeartbeat", *SCOPES)
_DEFAULTS: Row = {
    **dict.fromkeys(("name", "duration", "scheme", "checkInInterval", "checkInIntervalCount", "heartbeatDuration", *LIMITS)),
    **dict.fromkeys(_FLAGS, False),
    **{name: words[0] for name, words in CHOICES.items()},
    "protected": True,
    "metadata": {},
}
_STEPS = {"ALLOW_1_25X_OVERAGE": 4, "ALLOW_1_5X_OVERAGE": 2}


def _check(fields: Row) -> list[Fault]:
    faults = check_metadata(_KIND, fields)
    if not fields["name"]:
        faults.append(on_attribute(_KIND, "name", "can't be blank", "MISSING"))
    faults += _check_duration(fields["duration"])
    faults += check_limits(_KIND, fields, floating=fields["floating"])
    for name, words in CHOICES.items():
        faults += check_choice(_KIND, name, fields[name], words, f"unsupported {snake(name).replace('_', ' ')}")
    faults += _check_overage(fields)
    if fields["encrypted"]:
        detail = "unsupported encryption scheme (scheme must be LEGACY_ENCRYPT for legacy encrypted policies)"
        faults += check_choice(_KIND, "scheme", fields["scheme"], ("LEGACY_ENCRYPT",), detail) if fields["scheme"] else []
    elif fields["scheme"] is not None:
        faults += check_choice(_KIND, "scheme", fields["scheme"], SCHEMES, "unsupported encryption scheme")
    heartbeat = fields["heartbeatDuration"]
    if heartbeat is not None and heartbeat < 60:
        faults.append(on_attribute(_KIND, "heartbeatDuration", "must be greater than or equal to 60 (1 minute)", "INVALID"))
    return faults + _check_check_in(fields)


def _check_duration(seconds: int | None) -> list[Fault]:
    if seconds is not None and 0 < seconds < _DAY_SECONDS:
        return [on_attribute(_KIND, "duration", f"must be greater than or equal to {_DAY_SECONDS} (1 day)", "INVALID")]
    return check_number(_KIND, "duration", seconds, least=1, above_zero=True)


def _check_overage(fields: Row) -> list[Fault]:
    strategy = fields["overageStrategy"]
    step = _STEPS.get(strategy)
    if step is None:
        return []
    why = None
    if not fields["floating"]:
        why = "for node-locked policy"
    else:
        names = {"maxMachines": "machines", "maxCores": "cores", "maxProcesses": "processes", "maxUsers": "users"}
        uneven = next((word for name, word in names.items() if fields[name] is not None and fields[name] % step), None)
        if uneven:
            why = f"with a max {uneven} value not divisible by {step}"
    return (
        [on_attribute(_KIND, "overageStrategy", f"incompatible overage strategy (cannot use {strategy} {why})", "NOT_ALLOWED")]
        if why
        else []
    )


def _check_check_in(fields: Row) -> list[Fault]:
    if not fields["requireCheckIn"]:
        return []
    faults = []
    if fields["checkInInterval"] not in {"day", "week", "month", "year"}:
        faults.append(on_attribute(_KIND, "checkInInterval", "must be one of: day, week, month, year", "NOT_ALLOWED"))
    if not 1 <= (fields["checkInIntervalCount"] or 0) <= 365:
        faults.append(on_attribute(_KIND, "checkInIntervalCount", "must be a number between 1 and 365 inclusive", "NOT_ALLOWED"))
    return faults


def _without_nulls(given: Row) -> Row:
    """Flags and choices given as null take their default."""
    return {name: value for name, value in given.items() if value is not None or name not in (*_FLAGS, *CHOICES, "protected")}


@route("POST", "policies", "policy.create")
async def create_policy(call: Call) -> Answer:
    _, raw, relations = read_resource(call.body, _KIND, create=True)
    given = _without_nulls(raw)
    fields: dict[str, Any] = _DEFAULTS | given
    if not fields["floating"] and "maxMachines" not in given:
        fields["maxMachines"] = 1
    if fields["requireHeartbeat"] and "heartbeatBasis" not in given:
        fields["heartbeatBasis"] = "FROM_CREATION"
    product = call.account.get("products", relations["product"])
    faults = _check(fields)
    if product is None or not call.by.sees(call.account, product):
        faults.append(not_found(_KIND, "product"))
    if faults:
        raise resource_refused(*faults)
    if fields["encrypted"]:
        raise not_in_sandbox("legacy encryption of license keys")
    row = call.account.add(_KIND, product=relations["product"], **fields)
    call.announce("policy.created", row)
    return call.show(row, 201)


@route("GET", "policies", "policy.read")
async def list_policies(call: Call) -> Answer:
    return respond(call, filtered(call, _KIND, {}, index=("product",)))


@route("PATCH", "policies/*", "policy.update")
async def update_policy(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    _, raw, _ = read_resource(call.body, _KIND, create=False)
    fields = {name: row[name] for name in _DEFAULTS} | _without_nulls(raw)
    if faults := _check(fields):
        raise resource_refused(*faults)
    call.account.save(row, **fields)
    call.announce("policy.updated", row)
    return call.show(row)
