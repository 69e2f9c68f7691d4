"""Users: people who own or share licenses, and the administrators."""

import re
from operator import itemgetter

from glue.sandbox.keygen.account import USER, Account, Row, digest
from glue.sandbox.keygen.body import read_link, read_resource
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.checks import check_metadata
from glue.sandbox.keygen.licenses import check_group
from glue.sandbox.keygen.listing import filtered, respond
from glue.sandbox.keygen.problems import NO_PERMISSION, Fault, bad_request, conflict, forbidden, on_attribute, resource_refused
from glue.sandbox.keygen.states import user_ids

_KIND = "users"
_ROLES = ("user", "admin", "developer", "read-only", "sales-agent", "support-agent")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_MIN_PASSWORD_LENGTH = 6


def _check_email(account: Account, email: str, itself: Row | None = None) -> list[Fault]:
    if not _EMAIL.fullmatch(email):
        return [on_attribute(_KIND, "email", "is invalid", "INVALID")]
    other = account.tables[_KIND].one("email", email.lower())
    if other is not None and other is not itself:
        return [on_attribute(_KIND, "email", "has already been taken", "TAKEN")]
    return []


def _check(account: Account, given: Row, itself: Row | None = None) -> list[Fault]:
    if given.get("role", "user") not in _ROLES:
        raise bad_request("is invalid", "/data/attributes/role")
    faults = check_metadata(_KIND, given)
    if "email" in given:
        faults += _check_email(account, given["email"], itself)
    password = given.get("password")
    if password is not None and len(password) < _MIN_PASSWORD_LENGTH:
        detail = f"is too short (minimum is {_MIN_PASSWORD_LENGTH} characters)"
        faults.append(on_attribute(_KIND, "password", detail, "TOO_SHORT"))
    return faults


def _stored(given: Row) -> Row:
    fields = dict(given)
    if "email" in fields:
        fields["email"] = fields["email"].lower()
    if fields.get("password") is not None:
        fields["password"] = digest(fields["password"])
    return fields


@route("POST", "users", "user.create", anonymous=True)
async def create_user(call: Call) -> Answer:
    if call.bearer is None:
        raise forbidden(f"{NO_PERMISSION} (ensure a token or license is present and valid)")
    _, given, relations = read_resource(call.body, _KIND, create=True)
    faults = _check(call.account, given) + check_group(call.account, relations.get("group"), _KIND)
    if faults:
        raise resource_refused(*faults)
    await call.account.race()
    if _check_email(call.account, given["email"]):
        raise conflict()
    row = call.account.add(_KIND, **(USER | _stored(given) | relations))
    call.announce("user.created", row)
    return call.show(row, 201)


@route("GET", "users", "user.read")
async def list_users(call: Call) -> Answer:
    roles = call.query.get("roles")
    wanted = roles if isinstance(roles, list) else ["user"]
    rows = [row for row in filtered(call, _KIND, {}, index=("group",)) if row["role"] in wanted]
    license_row = call.account.get("licenses", call.query.get("license"))
    if license_row is not None:
        holders = user_ids(call.account, license_row)
        rows = [row for row in rows if row["id"] in holders]
    return respond(call, rows)


@route("PATCH", "users/*", "user.update")
async def update_user(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    _, given, _ = read_resource(call.body, _KIND, create=False)
    if faults := _check(call.account, given, row):
        raise resource_refused(*faults)
    call.account.save(row, **_stored(given))
    call.announce("user.updated", row)
    return call.show(row)


@route("POST", "users/*/actions/ban", "user.ban")
async def ban(call: Call, wanted: str) -> Answer:
    return _set_banned(call, wanted, banned=True)


@route("POST", "users/*/actions/unban", "user.unban")
async def unban(call: Call, wanted: str) -> Answer:
    return _set_banned(call, wanted, banned=False)


def _set_banned(call: Call, wanted: str, *, banned: bool) -> Answer:
    row = call.find(_KIND, wanted)
    if row["role"] != "user":
        raise forbidden(f"{NO_PERMISSION} (must have a user role)")
    call.account.save(row, banned=banned)
    call.announce("user.banned" if banned else "user.unbanned", row)
    return call.show(row)


@route("PUT", "users/*/group", "user.group.update")
async def change_group(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    group = read_link(call.body, "groups", nullable=True)
    if faults := check_group(call.account, group if group != row["group"] else None, _KIND):
        raise resource_refused(*faults)
    call.account.save(row, group=group)
    call.announce("user.group.updated", row)
    return call.show(row)


@route("GET", "users/*/licenses", "license.read")
async def licenses_of_user(call: Call, wanted: str) -> Answer:
    account, user = call.account, call.find(_KIND, wanted)
    owned = account.by("licenses", "owner", user["id"])
    shared = [account.need("licenses", link["license"]) for link in account.by("license-users", "user", user["id"])]
    return respond(call, sorted(owned + shared, key=itemgetter("seq")))
