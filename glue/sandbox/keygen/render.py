"""Resources as JSON:API documents, attribute by attribute as Keygen orders them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from glue.sandbox.keygen.account import Account, Row
from glue.sandbox.keygen.schema import CHOICES, SCOPES
from glue.sandbox.keygen.states import (
    Moments,
    heartbeat_required,
    heartbeat_seconds,
    heartbeat_status,
    license_status,
    limits,
    machine_counts,
    next_check_in,
    next_heartbeat,
    policy_of,
)
from glue.sandbox.keygen.times import to_text

Document = dict[str, Any]

# Attributes that are stored as they are shown.
_PLAIN: dict[str, tuple[str, ...]] = {
    "products": ("name", "code", "distributionStrategy", "url", "platforms", "metadata"),
    "entitlements": ("name", "code", "metadata"),
    "groups": ("name", "maxUsers", "maxLicenses", "maxMachines", "metadata"),
    "components": ("fingerprint", "name", "metadata"),
    "webhook-endpoints": ("url", "subscriptions", "signatureAlgorithm", "apiVersion"),
    "webhook-events": ("endpoint", "apiVersion", "payload", "event", "status", "lastResponseCode", "lastResponseBody"),
    "policies": (
        *("name", "duration", "strict", "floating", "usePool", "maxMachines", "maxProcesses", "maxUsers", "maxCores", "maxUses"),
        *(name for name in CHOICES if not name.startswith("heartbeat")),
        *("scheme", "encrypted", "protected"),
        *SCOPES,
        *("requireCheckIn", "checkInInterval", "checkInIntervalCount", "heartbeatDuration"),
        *(name for name in CHOICES if name.startswith("heartbeat")),
        *("requireHeartbeat", "metadata"),
    ),
}
# Relationships of which only the link is shown.
_LINKED: dict[str, tuple[str, ...]] = {
    "products": ("policies", "licenses", "machines", "users", "tokens", "platforms", "channels", "releases", "artifacts"),
    "groups": ("owners", "users", "licenses", "machines"),
    "users": ("products", "licenses", "machines", "tokens", "secondFactors"),
    "accounts": (
        *("settings", "webhookEndpoints", "webhookEvents", "products", "platforms", "arches", "channels", "releases", "artifacts"),
        *("policies", "users", "keys", "licenses", "machines", "components", "processes", "tokens"),
    ),
}
_DASHED = {"secondFactors": "second-factors", "webhookEndpoints": "webhook-endpoints", "webhookEvents": "webhook-events"}


class Renderer:
    """Renders records of one account at one moment in one version of the API."""

    def __init__(self, account: Account, version: str = "1.8") -> None:
        self._account = account
        self._base = f"/v1/accounts/{account.id}"
        self._owner = "owner" if version >= "1.6" else "user"
        self._now: datetime = account.now()
        self._moments = Moments.at(self._now)
        self._special: dict[str, Callable[[Row, str], tuple[Document, Document]]] = {
            "policies": self._policies,
            "users": self._users,
            "licenses": self._licenses,
            "machines": self._machines,
            "components": self._components,
            "tokens": self._tokens,
            "webhook-endpoints": self._webhook_endpoints,
        }
        self._shared = {"links": {"related": self._base}, "data": {"type": "accounts", "id": account.id}}

    def resource(self, row: Row) -> Document:
        kind = row["type"]
        path = f"{self._base}/{kind}/{row['id']}"
        method = self._special.get(kind)
        if method is None:
            attributes = {name: row[name] for name in _PLAIN[kind]}
            relations = self._linked(kind, path)
        else:
            attributes, relations = method(row, path)
        attributes["created"], attributes["updated"] = row["created"], row["updated"]
        document = {"id": row["id"], "type": kind, "attributes": attributes, "relationships": {"account": self._shared, **relations}}
        document["links"] = {"self": path}
        if kind == "webhook-events":
            document["meta"] = {"idempotencyToken": row["idempotencyToken"]}
        return document

    def attachment(self, row: Row) -> Document:
        """A join record: a policy's or license's entitlement, a license's user."""
        first, second = ("license", "user") if row["type"] == "license-users" else ("entitlement", row["type"].split("-")[0])
        relations = {name: self._pointer(f"{self._plural(name)}/{row[name]}", self._plural(name), row[name]) for name in (first, second)}
        holder, held = (second, first) if first == "entitlement" else (first, second)
        related = f"{self._base}/{self._plural(holder)}/{row[holder]}/{self._plural(held)}/{row[held]}"
        return {
            "id": row["id"],
            "type": row["type"],
            "attributes": {"created": row["created"], "updated": row["updated"]},
            "relationships": {"account": self._shared, **relations},
            "links": {"related": related},
        }

    def token(self, row: Row, raw: str | None = None) -> Document:
        document = self.resource(row)
        if raw is not None:
            head = {"kind": document["attributes"]["kind"], "token": raw}
            document["attributes"] = head | {name: value for name, value in document["attributes"].items() if name != "kind"}
        return document

    def file(self, row: Row, related: list[Row]) -> Document:
        """A license or machine file; ``related`` are the license and, for a machine file, the machine."""
        relations = {
            item["type"].removesuffix("s"): self._pointer(f"{item['type']}/{item['id']}", item["type"], item["id"]) for item in related
        }
        attributes = {name: row[name] for name in ("certificate", "algorithm", "includes", "ttl", "expiry", "issued")}
        return {"id": row["id"], "type": row["type"], "attributes": attributes, "relationships": {"account": self._shared, **relations}}

    def account(self) -> Document:
        facts = self._account.facts.get("account") or {}
        keys = self._account.keys.public()
        attributes = {"name": facts["name"], "slug": "glue-test", "apiVersion": "1.8", "status": "SUBSCRIBED", "protected": True}
        return {
            "id": self._account.id,
            "type": "accounts",
            "attributes": attributes | {"created": facts["created"], "updated": facts["updated"]},
            "relationships": self._linked("accounts", self._base),
            "links": {"self": self._base},
            "meta": {"publicKey": keys["rsa2048"], "keys": keys},
        }

    def metric(self, row: Row) -> Document:
        attributes = {name: row[name] for name in ("metric", "data", "created", "updated")}
        links = {"self": f"{self._base}/metrics/{row['id']}"}
        return {"id": row["id"], "type": "metrics", "attributes": attributes, "relationships": {"account": self._shared}, "links": links}

    def _policies(self, row: Row, path: str) -> tuple[Document, Document]:
        attributes = {name: row[name] for name in _PLAIN["policies"]}
        relations = {"product": self._to(path, "product", "products", row["product"])}
        return attributes, relations | {name: {"links": {"related": f"{path}/{name}"}} for name in ("pool", "licenses", "entitlements")}

    def _users(self, row: Row, path: str) -> tuple[Document, Document]:
        names = [row["firstName"], row["lastName"]]
        attributes = {
            "fullName": " ".join(names) if all(names) else None,
            "firstName": row["firstName"],
            "lastName": row["lastName"],
            "email": row["email"],
            "status": "BANNED" if row.get("banned") else "ACTIVE",
            "role": row["role"],
            "metadata": row["metadata"],
        }
        return attributes, {"group": self._to(path, "group", "groups", row["group"]), **self._linked("users", path)}

    def _licenses(self, row: Row, path: str) -> tuple[Document, Document]:
        policy = policy_of(self._account, row)
        machines, cores = machine_counts(self._account, row)
        users = len(self._account.by("license-users", "license", row["id"])) + bool(row["owner"])
        attributes = {
            "name": row["name"],
            "key": row["key"],
            "expiry": row["expiry"],
            "status": license_status(self._account, row, self._moments),
            "uses": row["uses"],
            "suspended": row["suspended"],
            "scheme": policy["scheme"],
            "encrypted": policy["encrypted"],
            "strict": policy["strict"],
            "floating": policy["floating"],
            "protected": policy["protected"] if row["protected"] is None else row["protected"],
            "version": None,
            **limits(row, policy),
            "requireHeartbeat": policy["requireHeartbeat"],
            "requireCheckIn": policy["requireCheckIn"],
            "lastValidated": row["lastValidated"],
            "lastCheckIn": row["lastCheckIn"],
            "nextCheckIn": next_check_in(row, policy),
            "lastCheckOut": row["lastCheckOut"],
            "metadata": row["metadata"],
        }
        owner = self._to(path, self._owner, "users", row["owner"])
        relations = {
            "product": self._to(path, "product", "products", row["product"]),
            "policy": self._to(path, "policy", "policies", row["policy"]),
            "group": self._to(path, "group", "groups", row["group"]),
            self._owner: owner,
            "users": {"links": {"related": f"{path}/users"}, "meta": {"count": users}},
            "machines": {"links": {"related": f"{path}/machines"}, "meta": {"cores": cores, "count": machines}},
            "tokens": {"links": {"related": f"{path}/tokens"}},
            "entitlements": {"links": {"related": f"{path}/entitlements"}},
        }
        return attributes, relations

    def _machines(self, row: Row, path: str) -> tuple[Document, Document]:
        license_row = self._account.need("licenses", row["license"])
        policy = policy_of(self._account, license_row)
        following = next_heartbeat(row, policy)
        attributes = {
            **{name: row[name] for name in ("fingerprint", "cores", "ip", "hostname", "platform", "name")},
            "requireHeartbeat": heartbeat_required(row, policy),
            "heartbeatStatus": heartbeat_status(row, policy, self._now),
            "heartbeatDuration": heartbeat_seconds(policy),
            "maxProcesses": row["maxProcesses"],
            "lastCheckOut": row["lastCheckOut"],
            "lastHeartbeat": row["lastHeartbeat"],
            "nextHeartbeat": to_text(following) if following else None,
            "metadata": row["metadata"],
        }
        relations = {
            "product": self._to(path, "product", "products", license_row["product"]),
            "group": self._to(path, "group", "groups", row["group"]),
            "license": self._to(path, "license", "licenses", row["license"]),
            "owner": self._to(path, "owner", "users", row["owner"]),
            "components": {"links": {"related": f"{path}/components"}},
            "processes": {"links": {"related": f"{path}/processes"}},
        }
        return attributes, relations

    def _components(self, row: Row, path: str) -> tuple[Document, Document]:
        machine = self._account.need("machines", row["machine"])
        attributes = {name: row[name] for name in _PLAIN["components"]}
        relations = {
            "product": self._to(path, "product", "products", machine["product"]),
            "license": self._to(path, "license", "licenses", machine["license"]),
            "machine": self._to(path, "machine", "machines", machine["id"]),
        }
        return attributes, relations

    def _tokens(self, row: Row, _: str) -> tuple[Document, Document]:
        attributes = {"kind": f"{TOKEN_KINDS.get(row['kind'], row['kind'])}-token", "expiry": row["expiry"], "name": row["name"]}
        if row["kind"] == "activ":
            counters = ("maxActivations", "activations", "maxDeactivations", "deactivations")
            attributes |= {name: row.get(name) for name in counters}
        return attributes, {"bearer": self._pointer(f"{row['bearer_type']}/{row['bearer']}", row["bearer_type"], row["bearer"])}

    def _webhook_endpoints(self, row: Row, _: str) -> tuple[Document, Document]:
        attributes = {name: row[name] for name in _PLAIN["webhook-endpoints"]}
        if row["product"] is None:
            return attributes, {"product": {"links": {"related": None}, "data": None}}
        return attributes, {"product": self._pointer(f"products/{row['product']}", "products", row["product"])}

    def _linked(self, kind: str, path: str) -> Document:
        return {name: {"links": {"related": f"{path}/{_DASHED.get(name, name)}"}} for name in _LINKED.get(kind, ())}

    def _to(self, path: str, name: str, kind: str, row_id: str | None) -> Document:
        return {"links": {"related": f"{path}/{name}"}, "data": {"type": kind, "id": row_id} if row_id else None}

    def _pointer(self, where: str, kind: str, row_id: str) -> Document:
        return {"links": {"related": f"{self._base}/{where}"}, "data": {"type": kind, "id": row_id}}

    @staticmethod
    def _plural(name: str) -> str:
        return "policies" if name == "policy" else f"{name}s"


TOKEN_KINDS = {"prod": "product", "activ": "activation", "dev": "developer"}
