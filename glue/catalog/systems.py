"""The three systems as the catalog sees them: read all declared kinds, make one object, change one object."""

from collections.abc import Callable
from typing import Any

from glue.catalog.desired import Declared, Fields, client_fields, lago_fields, plain, scope_fields
from glue.upstream.keycloak import Keycloak
from glue.upstream.keygen import Keygen
from glue.upstream.lago import Lago

Row = dict[str, Any]

LAGO_KINDS = ("taxes", "billable_metrics", "features", "plans", "coupons", "add_ons")


class Systems:
    """Reads and writes declared objects. Built for one plan or apply: what was listed once is remembered."""

    def __init__(self, keycloak: Keycloak, lago: Lago, keygen: Keygen, *, product_code: str) -> None:
        self._keycloak, self._lago, self._keygen = keycloak, lago, keygen
        self._product_code = product_code
        self._rows: dict[tuple[str, str], dict[str, Row]] = {}

    def read_all(self, *, progress: Callable[[str], None] = lambda _: None) -> dict[tuple[str, str, str], Fields]:
        """Every object of every kind, in normal form."""
        self._rows.clear()
        actual: dict[tuple[str, str, str], Fields] = {}
        for system, kinds in (
            ("keycloak", ("realm", "role", "client scope", "client")),
            ("lago", LAGO_KINDS),
            ("keygen", ("product", "entitlement", "policy")),
        ):
            progress(system)
            for kind in kinds:
                for key, row in self._list(system, kind).items():
                    actual[system, kind, key] = self._fields(system, kind, row)
        for code in self._list("lago", "plans"):
            actual["lago", "plan entitlements", code] = {"entitlements": plain(self._lago.plan_entitlements(code))}
        return actual

    def read(self, item: Declared) -> Fields | None:
        """One object as it is now, None when it is not there."""
        if item.kind == "plan entitlements":
            known = item.key in self._list("lago", "plans", fresh=True)
            return {"entitlements": plain(self._lago.plan_entitlements(item.key))} if known else None
        row = self._list(item.system, item.kind, fresh=True).get(item.key)
        return None if row is None else self._fields(item.system, item.kind, row)

    def plans_in_use(self) -> frozenset[str]:
        """Lago plan codes that customers have."""
        return frozenset(
            code for code, row in self._list("lago", "plans").items() if row.get("customers_count") or row.get("active_subscriptions_count")
        )

    def create(self, item: Declared) -> None:
        match item.system, item.kind:
            case "keycloak", "role":
                self._keycloak.create_realm_role(item.raw)
            case "keycloak", "client scope":
                self._keycloak.create_client_scope(item.raw)
            case "keycloak", "client":
                self._keycloak.create_client(item.raw)
            case "lago", "plan entitlements":
                self._lago.set_plan_entitlements(item.key, item.raw)
            case "lago", kind:
                self._lago.create_object(kind, self._lago_body(kind, item.raw))
            case "keygen", "product":
                self._keygen.create_product(item.raw)
            case "keygen", "entitlement":
                self._keygen.create_entitlement(item.raw)
            case "keygen", _:
                self._create_policy(item)

    def update(self, item: Declared) -> None:
        match item.system, item.kind:
            case "keycloak", "realm":
                self._keycloak.update_realm(item.raw)
            case "keycloak", "client scope":
                self._keycloak.update_client_scope(self._id(item), item.raw)
            case "keycloak", "client":
                self._keycloak.update_client(self._id(item), item.raw)
            case "lago", "plan entitlements":
                self._lago.set_plan_entitlements(item.key, item.raw)
            case "lago", kind:
                self._lago.update_object(kind, item.key, self._lago_body(kind, item.raw))
            case "keygen", "product":
                self._keygen.update_product(self._id(item), item.raw)
            case "keygen", "entitlement":
                self._keygen.update_entitlement(self._id(item), item.raw)
            case "keygen", _:
                self._keygen.update_policy(self._id(item), _without(item.raw, "entitlements", "scheme"))
                self._attach(self._id(item), item)

    def policy_ids(self) -> dict[str, str]:
        """Keygen's id of each tier's policy, by the policy's declared name."""
        return {key: str(row["id"]) for key, row in self._list("keygen", "policy").items()}

    def _create_policy(self, item: Declared) -> None:
        product = self._list("keygen", "product")[self._product_code]
        body = {**_without(item.raw, "entitlements"), "metadata": {"policy": item.key}}
        self._attach(str(self._keygen.create_policy(str(product["id"]), body)["id"]), item)

    def _attach(self, policy_id: str, item: Declared) -> None:
        wanted = frozenset(item.raw["entitlements"])
        self._keygen.attach_policy_entitlements(policy_id, wanted)
        self._keygen.detach_policy_entitlements(policy_id, frozenset(self._keygen.policy_entitlements(policy_id)) - wanted)

    def _id(self, item: Declared) -> str:
        return str(self._list(item.system, item.kind)[item.key]["id"])

    def _lago_body(self, kind: str, row: Row) -> Row:
        if kind != "plans":
            return row
        metrics = self._list("lago", "billable_metrics", fresh=True)
        there = {
            charge["billable_metric_code"]: charge["lago_id"]
            for charge in self._list("lago", "plans").get(row["code"], {}).get("charges", [])
        }
        charges = []
        for charge in row.get("charges", []):
            code = charge["billable_metric_code"]
            # A charge without its id would be replaced, and its unbilled usage lost.
            known = {"id": there[code]} if code in there else {}
            charges.append(known | _without(charge, "billable_metric_code") | {"billable_metric_id": metrics[code]["lago_id"]})
        return {**row, "charges": charges}

    def _list(self, system: str, kind: str, *, fresh: bool = False) -> dict[str, Row]:
        if fresh or (system, kind) not in self._rows:
            self._rows[system, kind] = self._read_list(system, kind)
        return self._rows[system, kind]

    def _read_list(self, system: str, kind: str) -> dict[str, Row]:
        match system, kind:
            case "keycloak", "realm":
                realm = self._keycloak.get_realm()
                return {realm["realm"]: realm}
            case "keycloak", "role":
                return {row["name"]: row for row in self._keycloak.list_realm_roles() if not _built_in_role(row["name"])}
            case "keycloak", "client scope":
                return {row["name"]: row for row in self._keycloak.list_client_scopes()}
            case "keycloak", "client":
                return {row["clientId"]: row for row in self._keycloak.list_clients()}
            case "lago", _:
                return {row["code"]: row for row in self._lago.list_objects(kind)}
            case "keygen", "product":
                row = self._keygen.find_product(self._product_code)
                return {self._product_code: row} if row else {}
            case "keygen", "entitlement":
                return {row["code"]: row for row in self._keygen.list_entitlements()}
            case _:
                products = self._list("keygen", "product")
                rows = self._keygen.list_policies(str(products[self._product_code]["id"])) if products else []
                return {row["metadata"]["policy"]: row for row in rows if row.get("metadata", {}).get("policy")}

    def _fields(self, system: str, kind: str, row: Row) -> Fields:
        match system, kind:
            case "keycloak", "client scope":
                return scope_fields(row)
            case "keycloak", "client":
                return client_fields(row)
            case "lago", _:
                return lago_fields(kind, row)
            case "keygen", "policy":
                return dict(plain({**row, "entitlements": sorted(self._keygen.policy_entitlements(str(row["id"])))}))
            case _:
                return dict(plain(row))


def _without(row: Row, *names: str) -> Row:
    return {key: value for key, value in row.items() if key not in names}


def _built_in_role(name: str) -> bool:
    return name.startswith("default-roles-") or name in {"offline_access", "uma_authorization"}
