"""What may be written: attributes and relationships of each resource, with the kinds of value that are taken."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Attribute:
    """``kind``: string, integer, boolean, time, metadata, strings. ``required`` counts at creation only."""

    kind: str = "string"
    required: bool = False
    create: bool = True
    update: bool = True
    blank: bool = True
    null: bool = True


@dataclass(frozen=True)
class Relation:
    """``kind`` is the resource type pointed at."""

    kind: str
    required: bool = False


STRING, INTEGER, BOOLEAN = Attribute(), Attribute("integer"), Attribute("boolean")
TIME, METADATA, STRINGS = Attribute("time"), Attribute("metadata"), Attribute("strings")
NAME = Attribute(required=True, blank=False, null=False)
FIXED = Attribute(update=False)

SCHEMES = ("ED25519_SIGN", "RSA_2048_PKCS1_SIGN_V2", "RSA_2048_PKCS1_PSS_SIGN_V2", "RSA_2048_JWT_RS256")
# Policy attributes that take one word of a list; the first is the default.
_UNIQUE = tuple(f"UNIQUE_PER_{scope}" for scope in ("LICENSE", "POLICY", "PRODUCT", "ACCOUNT"))
_MATCHING = ("MATCH_ANY", "MATCH_TWO", "MATCH_MOST", "MATCH_ALL")
CHOICES: dict[str, tuple[str, ...]] = {
    "machineUniquenessStrategy": _UNIQUE,
    "machineMatchingStrategy": _MATCHING,
    "componentUniquenessStrategy": ("UNIQUE_PER_MACHINE", *_UNIQUE),
    "componentMatchingStrategy": _MATCHING,
    "expirationStrategy": ("RESTRICT_ACCESS", "REVOKE_ACCESS", "MAINTAIN_ACCESS", "ALLOW_ACCESS"),
    "expirationBasis": ("FROM_CREATION", *(f"FROM_FIRST_{what}" for what in ("VALIDATION", "ACTIVATION", "DOWNLOAD", "USE"))),
    "renewalBasis": ("FROM_EXPIRY", "FROM_NOW", "FROM_NOW_IF_EXPIRED"),
    "transferStrategy": ("KEEP_EXPIRY", "RESET_EXPIRY"),
    "authenticationStrategy": ("TOKEN", "LICENSE", "MIXED", "SESSION", "NONE"),
    "machineLeasingStrategy": ("PER_LICENSE", "PER_USER"),
    "processLeasingStrategy": ("PER_MACHINE", "PER_LICENSE", "PER_USER"),
    "overageStrategy": ("NO_OVERAGE", "ALWAYS_ALLOW_OVERAGE", "ALLOW_1_25X_OVERAGE", "ALLOW_1_5X_OVERAGE", "ALLOW_2X_OVERAGE"),
    "heartbeatCullStrategy": ("DEACTIVATE_DEAD", "KEEP_DEAD"),
    "heartbeatResurrectionStrategy": ("NO_REVIVE", *(f"{n}_MINUTE_REVIVE" for n in (1, 2, 5, 10, 15)), "ALWAYS_REVIVE"),
    "heartbeatBasis": ("FROM_FIRST_PING", "FROM_CREATION"),
}
SCOPES = tuple(
    f"require{what}Scope" for what in ("Product", "Policy", "Machine", "Fingerprint", "Components", "User", "Checksum", "Version")
)
LIMITS = ("maxMachines", "maxProcesses", "maxUsers", "maxCores", "maxUses")

ATTRIBUTES: dict[str, dict[str, Attribute]] = {
    "products": {"name": NAME, "code": STRING, "url": STRING, "distributionStrategy": STRING, "platforms": STRINGS, "metadata": METADATA},
    "entitlements": {"name": NAME, "code": NAME, "metadata": METADATA},
    "groups": {"name": NAME, "maxUsers": INTEGER, "maxLicenses": INTEGER, "maxMachines": INTEGER, "metadata": METADATA},
    "users": {
        **dict.fromkeys(("firstName", "lastName", "password", "role"), STRING),
        "email": NAME,
        "metadata": METADATA,
    },
    "policies": {
        "name": STRING,
        **dict.fromkeys(("duration", *LIMITS, "checkInIntervalCount", "heartbeatDuration"), INTEGER),
        **dict.fromkeys(("strict", "floating", "protected", "requireCheckIn", "requireHeartbeat", *SCOPES), BOOLEAN),
        **dict.fromkeys(("encrypted", "usePool"), Attribute("boolean", update=False)),
        "scheme": FIXED,
        "checkInInterval": STRING,
        **dict.fromkeys(CHOICES, STRING),
        "metadata": METADATA,
    },
    "licenses": {
        "name": STRING,
        "key": Attribute(update=False, blank=False),
        "expiry": TIME,
        **dict.fromkeys(("suspended", "protected"), BOOLEAN),
        **dict.fromkeys(LIMITS, INTEGER),
        "metadata": METADATA,
    },
    "machines": {
        "fingerprint": Attribute(required=True, update=False, blank=False, null=False),
        **dict.fromkeys(("name", "ip", "hostname", "platform"), STRING),
        **dict.fromkeys(("cores", "maxProcesses"), INTEGER),
        "metadata": METADATA,
    },
    "tokens": {"name": STRING, "expiry": TIME, "maxActivations": INTEGER, "maxDeactivations": INTEGER},
    "webhook-endpoints": {
        "url": NAME,
        "subscriptions": STRINGS,
        "signatureAlgorithm": STRING,
        "apiVersion": Attribute(create=False),
    },
    "accounts": {"name": STRING, "slug": STRING, "protected": BOOLEAN},
}
RELATIONS: dict[str, dict[str, Relation]] = {
    "policies": {"product": Relation("products", required=True)},
    "users": {"group": Relation("groups")},
    "licenses": {
        "policy": Relation("policies", required=True),
        "owner": Relation("users"),
        "user": Relation("users"),
        "group": Relation("groups"),
    },
    "machines": {
        "license": Relation("licenses", required=True),
        "owner": Relation("users"),
        "group": Relation("groups"),
        "components": Relation("components"),
    },
    "webhook-endpoints": {"product": Relation("products")},
}
OWN_ID = frozenset({"licenses", "machines"})  # a client may choose these ids

_CRUD = ("created", "updated", "deleted")


def _events(noun: str, *verbs: str) -> list[str]:
    return [f"{noun}.{verb}" for verb in verbs]


EVENTS = frozenset(
    _events("account", "updated", "subscription.paused", "subscription.resumed", "subscription.canceled", "subscription.renewed")
    + _events("artifact", *_CRUD, "downloaded", "uploaded")
    + _events("release", *_CRUD, "published", "yanked", "downloaded", "package.updated", "entitlements.attached", "entitlements.detached")
    + [event for noun in ("product", "entitlement", "group", "component", "key", "package") for event in _events(noun, *_CRUD)]
    + _events("license", *_CRUD, "expiring-soon", "expired", "checked-in", "check-in-required-soon", "check-in-overdue", "checked-out")
    + _events("license", "renewed", "revoked", "suspended", "reinstated", "validation.succeeded", "validation.failed")
    + _events("license", "usage.incremented", "usage.decremented", "usage.reset", "policy.updated", "group.updated", "owner.updated")
    + _events("license", "users.attached", "users.detached", "entitlements.attached", "entitlements.detached")
    + _events("machine", *_CRUD, "checked-out", "group.updated", "owner.updated")
    + [f"machine.heartbeat.{what}" for what in ("ping", "pong", "dead", "resurrected", "reset")]
    + _events("process", "created", "deleted", "heartbeat.ping", "heartbeat.pong", "heartbeat.dead")
    + _events("policy", *_CRUD, "entitlements.attached", "entitlements.detached")
    + _events("user", *_CRUD, "banned", "unbanned", "group.updated", "password-reset")
    + _events("token", "generated", "regenerated", "revoked")
    + _events("second-factor", *_CRUD)
)
