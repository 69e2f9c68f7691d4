"""Routes that differ in their tables only: one record, its deletion, what it points at, what belongs to it."""

from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.cascade import delete
from glue.sandbox.keygen.listing import respond
from glue.sandbox.keygen.problems import missing, singular
from glue.sandbox.keygen.schema import EVENTS

_READABLE = ("products", "entitlements", "groups", "policies", "users", "licenses", "machines", "components", "tokens")
_HOOKS = ("webhook-endpoints", "webhook-events")
_DELETABLE = ("products", "entitlements", "groups", "policies", "users", *_HOOKS)
# (record, field, kind of what the field points at)
_POINTERS = (
    ("policies", "product", "products"),
    *(
        ("licenses", name, kind)
        for name, kind in (("policy", "policies"), ("product", "products"), ("owner", "users"), ("group", "groups"))
    ),
    *(
        ("machines", name, kind)
        for name, kind in (("license", "licenses"), ("product", "products"), ("owner", "users"), ("group", "groups"))
    ),
    ("users", "group", "groups"),
)
# (record, what belongs to it, by which field; None: nothing does in this sandbox)
_BELONGINGS = (
    ("products", "policies", "product"),
    ("products", "licenses", "product"),
    ("products", "machines", "product"),
    ("policies", "licenses", "policy"),
    ("licenses", "machines", "license"),
    ("licenses", "tokens", "bearer"),
    ("machines", "components", "machine"),
    ("machines", "processes", None),
    ("users", "machines", "owner"),
    *(("groups", kind, "group") for kind in ("users", "licenses", "machines")),
    ("groups", "owners", None),
)


def _read(kind: str) -> None:
    @route("GET", f"{kind}/*", f"{singular(kind)}.read")
    async def read(call: Call, wanted: str) -> Answer:
        return call.show(call.find(kind, wanted))


def _delete(kind: str) -> None:
    @route("DELETE", f"{kind}/*", f"{singular(kind)}.delete")
    async def remove(call: Call, wanted: str) -> Answer:
        row = call.find(kind, wanted)
        event = f"{singular(kind)}.deleted"
        if event in EVENTS:
            call.announce(event, row)
        delete(call.account, row)
        return Answer(204)


def _follow(kind: str, name: str, target_kind: str) -> None:
    @route("GET", f"{kind}/*/{name}", f"{singular(target_kind)}.read")
    async def follow(call: Call, wanted: str) -> Answer:
        target = call.account.get(target_kind, call.find(kind, wanted)[name])
        if target is None:
            raise missing(f"{name}s")
        return call.show(target)


def _list(kind: str, what: str, field: str | None) -> None:
    @route("GET", f"{kind}/*/{what}", f"{singular(what)}.read")
    async def belongings(call: Call, wanted: str) -> Answer:
        row = call.find(kind, wanted)
        return respond(call, call.account.by(what, field, row["id"]) if field else [])


for _kind in (*_READABLE, *_HOOKS):
    _read(_kind)
for _kind in _DELETABLE:
    _delete(_kind)
for _pointer in _POINTERS:
    _follow(*_pointer)
for _belonging in _BELONGINGS:
    _list(*_belonging)
