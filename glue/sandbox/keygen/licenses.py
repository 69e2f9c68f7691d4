"""Licenses: create, read, list, update, delete, and what they point at."""

from typing import Any

from glue.sandbox.keygen.account import Account, Row
from glue.sandbox.keygen.body import read_link, read_resource
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.cascade import delete
from glue.sandbox.keygen.checks import check_limits, check_metadata
from glue.sandbox.keygen.license_keys import make_key
from glue.sandbox.keygen.listing import filtered, respond
from glue.sandbox.keygen.names import read_uuid
from glue.sandbox.keygen.problems import (
    Fault,
    conflict,
    not_found,
    not_in_sandbox,
    on_attribute,
    on_relationship,
    on_resource,
    resource_refused,
)
from glue.sandbox.keygen.schema import LIMITS
from glue.sandbox.keygen.states import Moments, license_status, policy_of, user_ids
from glue.sandbox.keygen.times import add_seconds, to_text

_KIND = "licenses"
_MIN_KEY_LENGTH = 6
_DEFAULTS: Row = {
    **dict.fromkeys(("name", "key", "expiry", "protected", *LIMITS, "owner", "group")),
    **dict.fromkeys(("lastValidated", "lastCheckIn", "lastCheckOut", "expiredEvent", "expiringEvent", "overdueEvent", "checkInEvent")),
    "suspended": False,
    "uses": 0,
    "metadata": {},
}
_STRICTNESS = ("UNIQUE_PER_LICENSE", "UNIQUE_PER_POLICY", "UNIQUE_PER_PRODUCT", "UNIQUE_PER_ACCOUNT")


def _check_identity(account: Account, row_id: str | None, key: str | None) -> list[Fault]:
    faults = []
    if row_id is not None and account.get(_KIND, row_id) is not None:
        faults.append(on_resource(_KIND, "must not conflict with another license", "ID_CONFLICT", "/data/id"))
    if key is not None:
        if account.get(_KIND, read_uuid(key)) is not None:
            faults.append(on_attribute(_KIND, "key", "must not conflict with another license's identifier (UUID)", "CONFLICT"))
        elif account.by(_KIND, "key", key):
            faults.append(on_attribute(_KIND, "key", "has already been taken", "TAKEN"))
        if len(key) < _MIN_KEY_LENGTH:
            faults.append(on_attribute(_KIND, "key", f"is too short (minimum is {_MIN_KEY_LENGTH} characters)", "TOO_SHORT"))
    return faults


def check_group(account: Account, group_id: str | None, members: str) -> list[Fault]:
    """Whether the group has room for one more of ``members``: users, licenses or machines."""
    if group_id is None:
        return []
    group = account.get("groups", group_id)
    if group is None:
        return [not_found(members, "group")]
    allowed = group[f"max{members.capitalize()}"]
    if allowed is None or len(account.by(members, "group", group_id)) < allowed:
        return []
    noun = members.removesuffix("s")
    detail = f"{noun} count has exceeded maximum allowed by current group ({allowed})"
    return [on_relationship(members, "group", detail, f"GROUP_{noun.upper()}_LIMIT_EXCEEDED")]


@route("POST", "licenses", "license.create")
async def create_license(call: Call) -> Answer:
    account = call.account
    row_id, given, relations = read_resource(call.body, _KIND, create=True)
    owner_id = relations.get("owner", relations.get("user"))
    owner, policy = account.get("users", owner_id), account.get("policies", relations["policy"])
    faults = check_metadata(_KIND, given)
    if policy is None or not call.by.sees(account, policy):
        faults += [not_found(_KIND, "policy"), not_found(_KIND, "product")]
    else:
        faults += check_limits(_KIND, given, floating=policy["floating"])
    if owner_id is not None and owner is None:
        faults.append(not_found(_KIND, "owner"))
    group_id = relations.get("group") or (owner["group"] if owner else None)
    faults += _check_identity(account, row_id, given.get("key")) + check_group(account, group_id, _KIND)
    if faults or policy is None:
        raise resource_refused(*faults)
    if policy["usePool"]:
        raise not_in_sandbox("a license from a pool of keys")
    await account.race()
    if _check_identity(account, row_id, given.get("key")):
        raise conflict()
    row = _store(account, row_id, given, policy, {"owner": owner_id, "group": group_id})
    call.announce("license.created", row)
    return call.show(row, 201)


def _store(account: Account, row_id: str | None, given: Row, policy: Row, relations: Row) -> Row:
    template = given.pop("key", None)
    fields = _DEFAULTS | {name: value for name, value in given.items() if value is not None} | relations
    if fields["expiry"] is None and policy["duration"] and policy["expirationBasis"] == "FROM_CREATION":
        fields["expiry"] = to_text(add_seconds(account.now(), policy["duration"]))
    if policy["requireCheckIn"]:
        fields["lastCheckIn"] = account.now_text()
    row = account.add(_KIND, id=row_id, product=policy["product"], policy=policy["id"], **fields)
    return account.save(row, touch=False, key=make_key(account, row, policy, template))


def start_expiry(account: Account, license_row: Row, policy: Row, basis: str) -> None:
    """Begin the license's term if its policy counts from ``basis`` and it has not begun."""
    if license_row["expiry"] is None and policy["duration"] and policy["expirationBasis"] == basis:
        account.save(license_row, expiry=to_text(add_seconds(account.now(), policy["duration"])))


@route("GET", "licenses", "license.list")
async def list_licenses(call: Call) -> Answer:
    account, moments = call.account, Moments.at(call.account.now())

    def used_by(row: Row, value: str) -> bool:
        user = account.get("users", value) or account.tables["users"].one("email", value.lower())
        return user is not None and user["id"] in user_ids(account, row)

    def has_status(row: Row, value: str) -> bool:
        return license_status(account, row, moments) == value.upper()

    tests = {"status": has_status, "user": used_by}
    return respond(call, filtered(call, _KIND, tests, index=("policy", "owner", "group", "product")))


@route("PATCH", "licenses/*", "license.update")
async def update_license(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    _, given, _ = read_resource(call.body, _KIND, create=False)
    policy = policy_of(call.account, row)
    if faults := check_metadata(_KIND, given) + check_limits(_KIND, given, floating=policy["floating"]):
        raise resource_refused(*faults)
    if given.get("suspended", False) is None:
        given["suspended"] = False
    call.account.save(row, **given)
    call.announce("license.updated", row)
    return call.show(row)


@route("DELETE", "licenses/*", "license.delete")
async def delete_license(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    await call.account.race()
    call.announce("license.deleted", row)
    delete(call.account, row)
    return Answer(204)


@route("PUT", "licenses/*/policy", "license.policy.update")
async def change_policy(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    account, old = call.account, policy_of(call.account, row)
    new = account.get("policies", read_link(call.body, "policies", nullable=False))
    if new is None or not call.by.sees(account, new):
        raise resource_refused(not_found(_KIND, "policy"))
    if _incompatible(old, new):
        detail = "cannot change to a policy that is not compatible with the current one"
        raise resource_refused(on_relationship(_KIND, "policy", detail, "POLICY_NOT_COMPATIBLE"))
    changes: dict[str, Any] = {"policy": new["id"], "product": new["product"]}
    if new["transferStrategy"] == "RESET_EXPIRY":
        changes["expiry"] = to_text(add_seconds(account.now(), new["duration"])) if new["duration"] else None
    account.save(row, **changes)
    for machine in account.by("machines", "license", row["id"]):
        account.save(machine, touch=False, product=new["product"])
    call.announce("license.policy.updated", row)
    return call.show(row)


def _incompatible(old: Row, new: Row) -> bool:
    if any(old[name] != new[name] for name in ("encrypted", "usePool", "scheme")):
        return True
    return _STRICTNESS.index(new["machineUniquenessStrategy"]) > _STRICTNESS.index(old["machineUniquenessStrategy"])


@route("PUT", "licenses/*/owner", "license.owner.update")
async def change_owner(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    owner = read_link(call.body, "users", nullable=True)
    if owner is not None and call.account.get("users", owner) is None:
        raise resource_refused(not_found(_KIND, "owner"))
    call.account.save(row, owner=owner)
    call.announce("license.owner.updated", row)
    return call.show(row)


@route("PUT", "licenses/*/group", "license.group.update")
async def change_group(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    group = read_link(call.body, "groups", nullable=True)
    if faults := check_group(call.account, group if group != row["group"] else None, _KIND):
        raise resource_refused(*faults)
    call.account.save(row, group=group)
    call.announce("license.group.updated", row)
    return call.show(row)
