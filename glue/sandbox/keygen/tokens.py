"""Tokens: log in, issue, regenerate, revoke; who am I."""

from datetime import timedelta

from glue.sandbox.keygen.account import Row, digest
from glue.sandbox.keygen.body import read_resource
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.listing import filtered, respond
from glue.sandbox.keygen.problems import missing
from glue.sandbox.keygen.times import to_text

_KIND = "tokens"
_LIFETIME = timedelta(weeks=2)
_PREFIXES = {"admin": "admin", "user": "user", "product": "prod", "license": "activ", "developer": "dev"}


@route("POST", "tokens", "token.create", password=True)
async def create_token(call: Call) -> Answer:
    return _issue(call, call.by.record, call.by.role, status=201)


@route("POST", "products/*/tokens", "product.tokens.generate")
async def issue_for_product(call: Call, wanted: str) -> Answer:
    return _issue(call, call.find("products", wanted), "product", status=200)


@route("POST", "licenses/*/tokens", "license.tokens.generate")
async def issue_for_license(call: Call, wanted: str) -> Answer:
    return _issue(call, call.find("licenses", wanted), "license", status=200)


@route("POST", "users/*/tokens", "user.tokens.generate")
async def issue_for_user(call: Call, wanted: str) -> Answer:
    user = call.find("users", wanted)
    return _issue(call, user, user["role"], status=200)


def _issue(call: Call, bearer: Row, role: str, *, status: int) -> Answer:
    _, given, _ = read_resource(call.body, _KIND, create=True, optional=True)
    fields: Row = {"expiry": to_text(call.account.now() + _LIFETIME)} if role == "user" and "expiry" not in given else {}
    if role == "license":
        fields |= {"activations": 0, "deactivations": 0}
    row, raw = call.account.issue_token(_PREFIXES.get(role, role), bearer, **(fields | given))
    call.announce("token.generated", row)
    document = call.render.token(row, raw)
    return Answer(status, {"data": document}, location=document["links"]["self"] if status == 201 else None)


@route("GET", "tokens", "token.read")
async def list_tokens(call: Call) -> Answer:
    return respond(call, filtered(call, _KIND, {}, index=("bearer",)))


@route("PUT", "tokens/*", "token.regenerate")
async def regenerate_token(call: Call, wanted: str) -> Answer:
    return _regenerate(call, call.find(_KIND, wanted))


@route("PUT", "tokens", "token.regenerate")
async def regenerate_current_token(call: Call) -> Answer:
    if call.by.token is None:
        raise missing(_KIND)
    return _regenerate(call, call.by.token)


def _regenerate(call: Call, row: Row) -> Answer:
    spare, raw = call.account.issue_token(row["kind"], call.account.need(row["bearer_type"], row["bearer"]))
    call.account.remove(spare)
    expiry = to_text(call.account.now() + _LIFETIME) if row["expiry"] is not None else None
    call.account.save(row, digest=digest(raw), expiry=expiry)
    call.announce("token.regenerated", row)
    return Answer(200, {"data": call.render.token(row, raw)})


@route("DELETE", "tokens/*", "token.revoke")
async def revoke_token(call: Call, wanted: str) -> Answer:
    row = call.find(_KIND, wanted)
    call.announce("token.revoked", row)
    call.account.remove(row)
    return Answer(204)


@route("GET", "me")
async def who_am_i(call: Call) -> Answer:
    document = {"data": call.render.resource(call.by.record)}
    if call.by.token is not None:
        document["included"] = [call.render.resource(call.by.token)]  # type: ignore[assignment]
    return Answer(200, document)


@route("GET", "profile")
async def profile(call: Call) -> Answer:
    token = call.by.token
    return Answer(200, {"data": call.render.resource(call.by.record), "meta": {"tokenId": token["id"] if token else None}})
