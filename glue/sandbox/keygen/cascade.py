"""What goes with a record that is deleted: silently, without events of its own."""

from glue.sandbox.keygen.account import Account, Row

# (what goes too, the field by which it belongs)
_BELONGS: dict[str, tuple[tuple[str, str], ...]] = {
    "products": (("policies", "product"), ("licenses", "product"), ("tokens", "bearer")),
    "policies": (("licenses", "policy"), ("policy-entitlements", "policy")),
    "users": (("licenses", "owner"), ("license-users", "user"), ("tokens", "bearer")),
    "licenses": (("machines", "license"), ("license-entitlements", "license"), ("license-users", "license"), ("tokens", "bearer")),
    "machines": (("components", "machine"),),
    "entitlements": (("policy-entitlements", "entitlement"), ("license-entitlements", "entitlement")),
}


def delete(account: Account, row: Row) -> None:
    """Remove ``row`` and everything that belongs to it; members of a group stay, without group."""
    for kind, field in _BELONGS.get(row["type"], ()):
        for dependent in account.by(kind, field, row["id"]):
            delete(account, dependent)
    if row["type"] == "groups":
        for kind in ("users", "licenses", "machines"):
            for member in account.by(kind, "group", row["id"]):
                account.save(member, group=None)
    if row["type"] == "users":
        for machine in account.by("machines", "owner", row["id"]):
            account.save(machine, owner=None)
    account.remove(row)
