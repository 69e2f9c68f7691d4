"""What is derived and never stored: states of licenses and machines, limits in force, who uses a license."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from glue.sandbox.keygen.account import Account, Row
from glue.sandbox.keygen.schema import LIMITS
from glue.sandbox.keygen.times import add_interval, from_text, to_text

EXPIRING_WITHIN = timedelta(days=3)
INACTIVE_AFTER = timedelta(days=90)
DEFAULT_HEARTBEAT_SECONDS = 600
OVERAGE = {"NO_OVERAGE": 1.0, "ALLOW_1_25X_OVERAGE": 1.25, "ALLOW_1_5X_OVERAGE": 1.5, "ALLOW_2X_OVERAGE": 2.0}


def policy_of(account: Account, license: Row) -> Row:  # noqa: A002 - Keygen's own word
    return account.need("policies", license["policy"])


def limit(license: Row, policy: Row, name: str) -> int | None:  # noqa: A002
    """The license's own limit or, failing that, its policy's; None is unlimited."""
    own: int | None = license.get(name)
    inherited: int | None = policy.get(name)
    return inherited if own is None else own


def limits(license: Row, policy: Row) -> dict[str, int | None]:  # noqa: A002
    return {name: policy[name] if license[name] is None else license[name] for name in LIMITS}


def exceeds(count: int, allowed: int | None) -> bool:
    return allowed is not None and count > allowed


def exceeds_overage(count: int, allowed: int | None, policy: Row) -> bool:
    """Whether ``count`` is more than the policy's overage strategy tolerates."""
    factor = OVERAGE.get(policy["overageStrategy"])
    return allowed is not None and factor is not None and count > allowed * factor


def is_banned(account: Account, license: Row) -> bool:  # noqa: A002
    if license["owner"] is None:
        return False
    owner = account.get("users", license["owner"])
    return owner is not None and bool(owner.get("banned"))


def is_expired(license: Row, now_text: str) -> bool:  # noqa: A002
    return license["expiry"] is not None and license["expiry"] < now_text


@dataclass(frozen=True)
class Moments:
    """The instants that a license's status depends on, as text."""

    now: str
    expiring_until: str
    active_since: str

    @classmethod
    def at(cls, now: datetime) -> "Moments":
        return cls(to_text(now), to_text(now + EXPIRING_WITHIN), to_text(now - INACTIVE_AFTER))


def license_status(account: Account, license: Row, moments: Moments) -> str:  # noqa: A002
    if is_banned(account, license):
        return "BANNED"
    if license["suspended"]:
        return "SUSPENDED"
    if license["expiry"] is not None and license["expiry"] < moments.expiring_until:
        return "EXPIRED" if license["expiry"] < moments.now else "EXPIRING"
    seen = (license["lastValidated"], license["lastCheckIn"], license["lastCheckOut"], license["created"])
    return "ACTIVE" if any(instant and instant >= moments.active_since for instant in seen) else "INACTIVE"


def next_check_in(license: Row, policy: Row) -> str | None:  # noqa: A002
    if not policy["requireCheckIn"] or license["lastCheckIn"] is None:
        return None
    return to_text(add_interval(from_text(license["lastCheckIn"]), policy["checkInInterval"], policy["checkInIntervalCount"]))


def machine_counts(account: Account, license: Row) -> tuple[int, int]:  # noqa: A002
    """Machines of the license and their cores."""
    machines = account.by("machines", "license", license["id"])
    return len(machines), sum([machine["cores"] or 0 for machine in machines])


def user_ids(account: Account, license: Row) -> list[str]:  # noqa: A002
    """The owner and the users attached."""
    owner = [license["owner"]] if license["owner"] else []
    return owner + [link["user"] for link in account.by("license-users", "license", license["id"])]


def entitlements_of(account: Account, license: Row) -> list[Row]:  # noqa: A002
    """The policy's and its own, each once, in order of their creation."""
    links = account.by("policy-entitlements", "policy", license["policy"]) + account.by("license-entitlements", "license", license["id"])
    found = {link["entitlement"]: account.need("entitlements", link["entitlement"]) for link in links}
    return sorted(found.values(), key=itemgetter("seq"))


def heartbeat_seconds(policy: Row) -> int:
    return int(policy["heartbeatDuration"] or DEFAULT_HEARTBEAT_SECONDS)


def next_heartbeat(machine: Row, policy: Row) -> datetime | None:
    if machine["lastHeartbeat"] is None:
        return None
    return from_text(machine["lastHeartbeat"]) + timedelta(seconds=heartbeat_seconds(policy))


def heartbeat_required(machine: Row, policy: Row) -> bool:
    """By the policy, or because the machine has begun to ping."""
    return bool(policy["requireHeartbeat"] or machine["lastHeartbeat"])


def dies_at(machine: Row, policy: Row) -> datetime | None:
    """When the machine is dead unless it pings; None while nothing is expected of it."""
    if not heartbeat_required(machine, policy):
        return None
    return next_heartbeat(machine, policy) or from_text(machine["created"]) + timedelta(seconds=heartbeat_seconds(policy))


def heartbeat_status(machine: Row, policy: Row, now: datetime) -> str:
    deadline = dies_at(machine, policy)
    if deadline is not None and deadline < now:
        return "DEAD"
    if machine["lastHeartbeat"] is None:
        return "NOT_STARTED"
    return "RESURRECTED" if machine.get("resurrected") else "ALIVE"


def as_bool(value: Any) -> bool:
    """A flag in a query string."""
    return str(value).lower() in {"1", "true", "t", "yes"}
