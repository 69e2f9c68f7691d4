"""Products, entitlements and groups."""

import re

from glue.sandbox.keygen.account import Row
from glue.sandbox.keygen.body import read_resource
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.checks import check_choice, check_code, check_metadata, check_number
from glue.sandbox.keygen.listing import filtered, respond
from glue.sandbox.keygen.problems import Fault, conflict, on_attribute, resource_refused, singular

_STRATEGIES = ("LICENSED", "OPEN", "CLOSED")
_URL = re.compile(r"https?://[^\s/]+(/\S*)?")
_DEFAULTS: dict[str, Row] = {
    "products": {"name": None, "code": None, "url": None, "distributionStrategy": "LICENSED", "platforms": None, "metadata": {}},
    "entitlements": {"name": None, "code": None, "metadata": {}},
    "groups": {"name": None, "maxUsers": None, "maxLicenses": None, "maxMachines": None, "metadata": {}},
}


def _check(call: Call, kind: str, fields: Row, itself: Row | None = None) -> list[Fault]:
    faults = check_metadata(kind, fields)
    if kind == "groups":
        for name in ("maxUsers", "maxLicenses", "maxMachines"):
            faults += check_number(kind, name, fields[name], least=0)
        return faults
    faults += check_code(call.account, kind, fields["code"], itself=itself)
    if kind == "products":
        faults += check_choice(
            kind, "distributionStrategy", fields["distributionStrategy"], _STRATEGIES, "unsupported distribution strategy"
        )
        if fields["url"] is not None and not _URL.fullmatch(fields["url"]):
            faults.append(on_attribute(kind, "url", "must be a valid URL", "INVALID"))
    return faults


async def _create(call: Call, kind: str) -> Answer:
    _, given, _ = read_resource(call.body, kind, create=True)
    fields = _DEFAULTS[kind] | given
    if faults := _check(call, kind, fields):
        raise resource_refused(*faults)
    await call.account.race()
    if kind != "groups":
        if check_code(call.account, kind, fields["code"]):
            raise conflict()
        fields["code_key"] = fields["code"].lower() if fields["code"] else None
    row = call.account.add(kind, **fields)
    call.announce(f"{singular(kind)}.created", row)
    return call.show(row, 201)


async def _update(call: Call, kind: str, wanted: str) -> Answer:
    row = call.find(kind, wanted)
    _, given, _ = read_resource(call.body, kind, create=False)
    fields = {name: row[name] for name in _DEFAULTS[kind]} | given
    if faults := _check(call, kind, fields, row):
        raise resource_refused(*faults)
    if kind != "groups":
        fields["code_key"] = fields["code"].lower() if fields["code"] else None
    call.account.save(row, **fields)
    call.announce(f"{singular(kind)}.updated", row)
    return call.show(row)


def _register(kind: str) -> None:
    noun = singular(kind)

    async def create(call: Call) -> Answer:
        return await _create(call, kind)

    async def index(call: Call) -> Answer:
        return respond(call, filtered(call, kind, {}))

    async def update(call: Call, wanted: str) -> Answer:
        return await _update(call, kind, wanted)

    route("POST", kind, f"{noun}.create")(create)
    route("GET", kind, f"{noun}.read")(index)
    route("PATCH", f"{kind}/*", f"{noun}.update")(update)
    route("PUT", f"{kind}/*", f"{noun}.update")(update)


for _kind in _DEFAULTS:
    _register(_kind)
