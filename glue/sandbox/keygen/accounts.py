"""The account itself, liveness, totals, and lists of what this sandbox has none of."""

from collections import Counter
from datetime import timedelta

from glue.sandbox.keygen.account import Row
from glue.sandbox.keygen.body import read_resource
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.listing import respond
from glue.sandbox.keygen.states import Moments, license_status

_METRIC_DAYS = 14


@route("GET", "ping", anonymous=True)
async def ping(_: Call) -> Answer:
    return Answer(200, raw=b" ", headers={"content-type": "text/plain; charset=utf-8"}, signed=False)


@route("GET", "health", anonymous=True)
@route("GET", "health/webhooks", anonymous=True)
async def health(_: Call) -> Answer:
    return Answer(204, signed=False)


@route("GET", "accounts/*", "account.read")
async def read_account(call: Call, _: str) -> Answer:
    return Answer(200, {"data": call.render.account()})


@route("PATCH", "accounts/*", "account.update")
async def update_account(call: Call, _wanted: str) -> Answer:
    _, given, _ = read_resource(call.body, "accounts", create=False)
    facts = call.account.facts.get("account") or {}
    call.account.facts.put("account", facts | {"updated": call.account.now_text()} | {key: given[key] for key in ("name",) if key in given})
    return Answer(200, {"data": call.render.account()})


@route("POST", "passwords", anonymous=True)
async def forgotten_password(_: Call) -> Answer:
    return Answer(204)


@route("GET", "analytics/actions/count", "account.read")
async def totals(call: Call) -> Answer:
    account, moments = call.account, Moments.at(call.account.now())
    licenses = list(account.tables["licenses"])
    active = [row for row in licenses if license_status(account, row, moments) not in {"INACTIVE", "BANNED"}]
    owners = {row["owner"] for row in active if row["owner"]}
    meta = {
        "activeLicensedUsers": len(owners) + sum(not row["owner"] for row in active),
        "activeLicenses": len(active),
        "totalLicenses": len(licenses),
        "totalMachines": len(account.tables["machines"]),
        "totalUsers": len(account.by("users", "role", "user")),
    }
    return Answer(200, {"meta": meta})


@route("GET", "analytics/actions/top-urls-by-volume", "account.read")
@route("GET", "analytics/actions/top-licenses-by-volume", "account.read")
async def volumes(_: Call) -> Answer:
    return Answer(200, {"meta": []})


@route("GET", "metrics", "account.read")
async def metrics(call: Call) -> Answer:
    return respond(call, list(call.account.metrics), call.render.metric)


@route("GET", "metrics/actions/count", "account.read")
async def metric_counts(call: Call) -> Answer:
    today = call.account.now().date()
    days = [(today - timedelta(days=back)).isoformat() for back in reversed(range(_METRIC_DAYS))]
    counts: Counter[str] = Counter(row["created"][:10] for row in call.account.metrics)
    return Answer(200, {"meta": {day: counts[day] for day in days}})


@route("GET", "components", "component.read")
async def list_components(call: Call) -> Answer:
    return respond(call, list(call.account.tables["components"]))


def _empty(path: str) -> None:
    @route("GET", path, "release.read")
    async def nothing(call: Call) -> Answer:
        rows: list[Row] = []
        return respond(call, rows)


for _path in ("releases", "artifacts", "packages", "engines", "platforms", "arches", "channels", "keys", "processes", "settings"):
    _empty(_path)
