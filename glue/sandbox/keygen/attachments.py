"""Entitlements of policies and licenses, users of licenses: attach and detach, all or nothing."""

from operator import itemgetter

from glue.sandbox.keygen.account import Row
from glue.sandbox.keygen.body import read_links
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.listing import respond
from glue.sandbox.keygen.names import read_uuid
from glue.sandbox.keygen.problems import Fault, conflict, entity_refused, forbidden, missing, not_found, on_relationship, resource_refused
from glue.sandbox.keygen.states import entitlements_of, exceeds_overage, limit, policy_of, user_ids


@route("POST", "policies/*/entitlements", "policy.entitlements.attach")
async def attach_to_policy(call: Call, wanted: str) -> Answer:
    row = call.find("policies", wanted)
    return await _attach(call, row, "policy-entitlements", read_links(call.body, "entitlements"))


@route("POST", "licenses/*/entitlements", "license.entitlements.attach")
async def attach_to_license(call: Call, wanted: str) -> Answer:
    row = call.find("licenses", wanted)
    return await _attach(call, row, "license-entitlements", read_links(call.body, "entitlements"))


@route("POST", "licenses/*/users", "license.users.attach")
async def attach_users(call: Call, wanted: str) -> Answer:
    row = call.find("licenses", wanted)
    return await _attach(call, row, "license-users", read_links(call.body, "users"))


async def _attach(call: Call, holder: Row, kind: str, ids: list[str]) -> Answer:
    account = call.account
    holder_name, held = kind.split("-")
    member = "user" if held == "users" else "entitlement"
    if faults := _faults(call, holder, kind, ids):
        raise resource_refused(*faults)
    await account.race()
    if any(link[member] in ids for link in account.by(kind, holder_name, holder["id"])):
        raise conflict()
    links = [account.add(kind, **{holder_name: holder["id"], member: row_id}) for row_id in dict.fromkeys(ids)]
    documents = [call.render.attachment(link) for link in links]
    account.broadcast(f"{holder_name}.{held}.attached", holder, payload=documents)
    return Answer(200, {"data": documents})


def _faults(call: Call, holder: Row, kind: str, ids: list[str]) -> list[Fault]:
    account = call.account
    holder_name, held = kind.split("-")
    member = "user" if held == "users" else "entitlement"
    about = "licenses" if held == "users" else "entitlements"
    faults: list[Fault] = []
    taken = {link[member] for link in account.by(kind, holder_name, holder["id"])}
    for row_id in dict.fromkeys(ids):
        if account.get(held, row_id) is None:
            faults.append(not_found(about, member))
        elif row_id in taken:
            faults.append(on_relationship(about, member, "already exists", f"{member.upper()}_TAKEN"))
        elif kind == "license-entitlements" and _by_policy(call, holder, row_id):
            detail = "already exists (entitlement is attached through policy)"
            faults.append(on_relationship(about, member, detail, "ENTITLEMENT_CONFLICT"))
        elif held == "users" and row_id == holder["owner"]:
            faults.append(on_relationship(about, member, "already exists (user is attached through owner)", "USER_CONFLICT"))
    if held == "users" and not any(fault["code"] == "USER_NOT_FOUND" for fault in faults):
        policy = policy_of(account, holder)
        allowed = limit(holder, policy, "maxUsers")
        if exceeds_overage(len(user_ids(account, holder)) + len(ids), allowed, policy):
            detail = f"user count has exceeded maximum allowed for license ({allowed})"
            faults.append(on_relationship(about, "users", detail, "USER_LIMIT_EXCEEDED"))
    return faults


def _by_policy(call: Call, license_row: Row, entitlement_id: str) -> bool:
    links = call.account.by("policy-entitlements", "policy", license_row["policy"])
    return any(link["entitlement"] == entitlement_id for link in links)


@route("DELETE", "policies/*/entitlements", "policy.entitlements.detach")
async def detach_from_policy(call: Call, wanted: str) -> Answer:
    return _detach(call, call.find("policies", wanted), "policy-entitlements", read_links(call.body, "entitlements"))


@route("DELETE", "licenses/*/entitlements", "license.entitlements.detach")
async def detach_from_license(call: Call, wanted: str) -> Answer:
    return _detach(call, call.find("licenses", wanted), "license-entitlements", read_links(call.body, "entitlements"))


@route("DELETE", "licenses/*/users", "license.users.detach")
async def detach_users(call: Call, wanted: str) -> Answer:
    return _detach(call, call.find("licenses", wanted), "license-users", read_links(call.body, "users"))


def _detach(call: Call, holder: Row, kind: str, ids: list[str]) -> Answer:
    account = call.account
    holder_name, held = kind.split("-")
    member = "user" if held == "users" else "entitlement"
    attached = {link[member]: link for link in account.by(kind, holder_name, holder["id"])}
    for index, row_id in enumerate(ids):
        if row_id in attached:
            continue
        what = f"cannot detach {member} '{row_id}'"
        if kind == "license-entitlements" and _by_policy(call, holder, row_id):
            raise forbidden(f"{what} (entitlement is attached through policy)", pointer=f"/data/{index}")
        if held == "users" and row_id == holder["owner"]:
            raise forbidden(f"{what} (user is attached through owner)", pointer=f"/data/{index}")
        raise entity_refused(f"{what} ({member} is not attached)", f"/data/{index}")
    links = [attached[row_id] for row_id in ids]
    documents = [call.render.attachment(link) for link in links]
    for link in links:
        account.remove(link)
    account.broadcast(f"{holder_name}.{held}.detached", holder, payload=documents)
    return Answer(204)


@route("GET", "policies/*/entitlements", "entitlement.read")
async def entitlements_of_policy(call: Call, wanted: str) -> Answer:
    row = call.find("policies", wanted)
    links = call.account.by("policy-entitlements", "policy", row["id"])
    return respond(call, [call.account.need("entitlements", link["entitlement"]) for link in links])


@route("GET", "licenses/*/entitlements", "entitlement.read")
async def entitlements_of_license(call: Call, wanted: str) -> Answer:
    return respond(call, entitlements_of(call.account, call.find("licenses", wanted)))


@route("GET", "licenses/*/entitlements/*", "entitlement.read")
async def entitlement_of_license(call: Call, wanted: str, entitlement: str) -> Answer:
    found = {row["id"]: row for row in entitlements_of(call.account, call.find("licenses", wanted))}
    row = found.get(read_uuid(entitlement) or "")
    if row is None:
        raise missing("entitlements", entitlement)
    return call.show(row)


@route("GET", "licenses/*/users", "user.read")
async def users_of_license(call: Call, wanted: str) -> Answer:
    account = call.account
    users = [account.need("users", user_id) for user_id in user_ids(account, call.find("licenses", wanted))]
    return respond(call, sorted(users, key=itemgetter("seq")))
