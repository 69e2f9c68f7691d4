"""Machines: activation, reading, heartbeats by request, components."""

from datetime import timedelta
from typing import Any

from glue.sandbox.keygen.account import Account, Row
from glue.sandbox.keygen.body import read_resource
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.cascade import delete
from glue.sandbox.keygen.checks import check_metadata, check_number
from glue.sandbox.keygen.licenses import check_group, start_expiry
from glue.sandbox.keygen.listing import filtered, respond
from glue.sandbox.keygen.problems import (
    Fault,
    entity_refused,
    forbidden,
    not_found,
    on_attribute,
    on_resource,
    resource_refused,
)
from glue.sandbox.keygen.states import dies_at, exceeds_overage, heartbeat_status, limit, policy_of

_KIND = "machines"
_DEFAULTS: Row = {
    **dict.fromkeys(("name", "ip", "hostname", "platform", "cores", "maxProcesses", "owner", "group")),
    **dict.fromkeys(("lastHeartbeat", "lastCheckOut", "deathEvent")),
    "metadata": {},
}


@route("POST", "machines", "machine.create")
async def activate(call: Call) -> Answer:
    account = call.account
    row_id, given, relations = read_resource(call.body, _KIND, create=True)
    license_row = account.get("licenses", relations["license"])
    if call.by.role in {"license", "user"}:
        _refuse_strangers(call, license_row)
    if license_row is None or not call.by.sees(account, license_row):
        raise resource_refused(not_found(_KIND, "license"), not_found(_KIND, "policy"))
    policy = policy_of(account, license_row)
    group_id = relations.get("group") or license_row["group"]
    faults = _check(account, given, license_row, policy, relations.get("owner"))
    faults += _check_identity(account, row_id, given["fingerprint"], license_row, policy) + check_group(account, group_id, _KIND)
    if faults:
        raise resource_refused(*faults)
    token = call.by.token
    if token and token["kind"] == "activ":
        _count_token(call, token, "activations", "maxActivations")
    await account.race()
    taken = _check_identity(account, row_id, given["fingerprint"], license_row, policy)
    if taken:
        raise resource_refused(*taken)
    begun = account.now_text() if policy["requireHeartbeat"] and policy["heartbeatBasis"] == "FROM_CREATION" else None
    own = {"license": license_row["id"], "product": license_row["product"], "owner": relations.get("owner"), "group": group_id}
    row = account.add(_KIND, id=row_id, **(_DEFAULTS | given | own | {"lastHeartbeat": begun}))
    for component in relations.get("components") or []:
        account.add("components", machine=row["id"], **({"name": None, "metadata": {}} | component))
    start_expiry(account, license_row, policy, "FROM_FIRST_ACTIVATION")
    call.announce("machine.created", row)
    return call.show(row, 201)


def _refuse_strangers(call: Call, license_row: Row | None) -> None:
    if license_row is None or not call.by.sees(call.account, license_row):
        raise forbidden()
    policy = policy_of(call.account, license_row)
    protected = policy["protected"] if license_row["protected"] is None else license_row["protected"]
    if call.by.role == "user" and protected:
        raise forbidden()


def _count_token(call: Call, token: Row, counter: str, bound: str) -> None:
    used, allowed = token.get(counter) or 0, token.get(bound)
    if allowed is not None and used >= allowed:
        detail = f"exceeds maximum allowed ({allowed})"
        raise resource_refused(on_attribute("tokens", counter, detail, "LIMIT_EXCEEDED"))
    token[counter] = used + 1
    call.account.save(token)


def _check_identity(account: Account, row_id: str | None, fingerprint: str, license_row: Row, policy: Row) -> list[Fault]:
    faults = []
    if row_id is not None and account.get(_KIND, row_id) is not None:
        faults.append(on_resource(_KIND, "must not conflict with another machine", "ID_CONFLICT", "/data/id"))
    scope = policy["machineUniquenessStrategy"]
    for other in account.by(_KIND, "fingerprint", fingerprint):
        its_license = account.need("licenses", other["license"])
        same = {
            "UNIQUE_PER_LICENSE": its_license["id"] == license_row["id"],
            "UNIQUE_PER_POLICY": its_license["policy"] == license_row["policy"],
            "UNIQUE_PER_PRODUCT": its_license["product"] == license_row["product"],
            "UNIQUE_PER_ACCOUNT": True,
        }
        if same[scope]:
            faults.append(on_attribute(_KIND, "fingerprint", "has already been taken", "TAKEN"))
            break
    return faults


def _check(account: Account, given: Row, license_row: Row, policy: Row, owner: str | None) -> list[Fault]:
    faults = check_metadata(_KIND, given) + check_number(_KIND, "cores", given.get("cores"), least=1)
    if owner is not None and account.get("users", owner) is None:
        faults.append(not_found(_KIND, "owner"))
    machines = account.by(_KIND, "license", license_row["id"])
    if policy["machineLeasingStrategy"] == "PER_USER":
        machines = [machine for machine in machines if machine["owner"] == owner]
    allowed = limit(license_row, policy, "maxMachines")
    if exceeds_overage(len(machines) + 1, allowed, policy):
        detail = f"machine count has exceeded maximum allowed for license ({allowed})"
        faults.append(on_resource(_KIND, detail, "MACHINE_LIMIT_EXCEEDED"))
    return faults + _check_cores(machines, given.get("cores"), license_row, policy)


def _check_cores(others: list[Row], cores: int | None, license_row: Row, policy: Row) -> list[Fault]:
    allowed = limit(license_row, policy, "maxCores")
    if cores is None or not exceeds_overage(sum(machine["cores"] or 0 for machine in others) + cores, allowed, policy):
        return []
    detail = f"machine core count has exceeded maximum allowed for license ({allowed})"
    return [on_resource(_KIND, detail, "MACHINE_CORE_LIMIT_EXCEEDED")]


@route("GET", "machines", "machine.read")
async def list_machines(call: Call) -> Answer:
    account, now = call.account, call.account.now()

    def has_status(row: Row, value: str) -> bool:
        policy = policy_of(account, account.need("licenses", row["license"]))
        return heartbeat_status(row, policy, now) == value.upper()

    tests = {
        "status": has_status,
        "key": lambda row, value: account.need("licenses", row["license"])["key"] == value,
        "policy": lambda row, value: account.need("licenses", row["license"])["policy"] == value,
        **{name: _equals(name) for name in ("ip", "hostname")},
    }
    return respond(call, filtered(call, _KIND, tests, index=("license", "fingerprint", "owner", "group", "product")))


def _equals(name: str) -> Any:
    return lambda row, value: row[name] == value


@route("PATCH", "machines/*", "machine.update")
async def update_machine(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    _, given, _ = read_resource(call.body, _KIND, create=False)
    license_row = call.account.need("licenses", row["license"])
    others = [machine for machine in call.account.by(_KIND, "license", license_row["id"]) if machine["id"] != row["id"]]
    faults = check_metadata(_KIND, given) + check_number(_KIND, "cores", given.get("cores"), least=1)
    faults += _check_cores(others, given.get("cores"), license_row, policy_of(call.account, license_row))
    if faults:
        raise resource_refused(*faults)
    call.account.save(row, **given)
    call.announce("machine.updated", row)
    return call.show(row)


@route("DELETE", "machines/*", "machine.delete")
async def deactivate(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    token = call.by.token
    if token and token["kind"] == "activ":
        _count_token(call, token, "deactivations", "maxDeactivations")
    call.announce("machine.deleted", row)
    delete(call.account, row)
    return Answer(204)


@route("POST", "machines/*/actions/ping", "machine.heartbeat.ping")
@route("POST", "machines/*/actions/ping-heartbeat", "machine.heartbeat.ping")
async def ping(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    account = call.account
    policy = policy_of(account, account.need("licenses", row["license"]))
    dead = heartbeat_status(row, policy, account.now()) == "DEAD"
    if dead and not _may_revive(account, row, policy):
        raise entity_refused("is dead", "/data/attributes/heartbeatStatus", code="MACHINE_HEARTBEAT_DEAD")
    account.save(row, lastHeartbeat=account.now_text(), resurrected=dead, deathEvent=None)
    call.announce("machine.heartbeat.resurrected" if dead else "machine.heartbeat.ping", row)
    return call.show(row)


def _may_revive(account: Account, row: Row, policy: Row) -> bool:
    strategy = policy["heartbeatResurrectionStrategy"]
    died = dies_at(row, policy)
    if strategy == "ALWAYS_REVIVE" or died is None:
        return True
    return account.now() <= died + revival_period(policy)


def revival_period(policy: Row) -> timedelta:
    """How long after its death a machine may come back, for strategies with a period."""
    minutes = policy["heartbeatResurrectionStrategy"].partition("_")[0]
    return timedelta(minutes=int(minutes)) if minutes.isdigit() else timedelta(seconds=-1)


@route("POST", "machines/*/actions/reset", "machine.heartbeat.reset")
@route("POST", "machines/*/actions/reset-heartbeat", "machine.heartbeat.reset")
async def reset_heartbeat(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    call.account.save(row, lastHeartbeat=None, resurrected=False, deathEvent=None)
    call.announce("machine.heartbeat.reset", row)
    return call.show(row)
