"""Who asks: tokens, license keys, e-mail and password; and what each role may do."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from glue.sandbox.keygen.account import DOMAIN, Account, Row, digest
from glue.sandbox.keygen.problems import NO_PERMISSION, Problem, forbidden, unauthorized
from glue.sandbox.keygen.states import is_banned, is_expired, policy_of

_ABOUT = f"https://{DOMAIN}/docs/api/authentication/"
_REQUIRED = "You must be authenticated to complete the request"

_LICENSE_MAY = frozenset(
    {"account.read", "license.read", "license.list", "license.validate", "license.check-in", "license.check-out", "license.usage.increment"}
    | {f"machine.{what}" for what in ("create", "read", "update", "delete", "heartbeat.ping", "heartbeat.reset", "check-out")}
    | {"entitlement.read", "component.read", "process.read", "release.read", "token.read", "token.regenerate", "token.revoke"}
)
_USER_MAY = _LICENSE_MAY | {
    "user.read",
    "user.update",
    "license.create",
    "license.renew",
    "license.revoke",
    "search",
    "token.create",
    "group.read",
}
_PRODUCT_MAY_NOT = frozenset(
    {"product.create", "product.delete", "entitlement.create", "entitlement.update", "entitlement.delete", "account.update"}
    | {f"webhook-{what}" for what in ("endpoint.create", "endpoint.update", "endpoint.delete", "event.retry", "event.delete")}
)
# Permitted by role, but never on these grounds: the refusal has other words.
_OUT_OF_REACH = frozenset({("license", "license.list"), ("license", "machine.update"), ("user", "license.create")}) | {
    (role, "search") for role in ("product", "user", "license")
}
_ADMINISTRATORS = frozenset({"admin", "developer", "sales-agent", "support-agent"})


@dataclass(frozen=True)
class Bearer:
    """The record that asks (a user, product or license) and the token it used, if any."""

    record: Row
    token: Row | None = None

    @property
    def role(self) -> str:
        kind = self.record["type"]
        return str(self.record["role"]) if kind == "users" else str(kind.removesuffix("s"))

    @property
    def is_admin(self) -> bool:
        return self.role in _ADMINISTRATORS

    def may(self, action: str) -> None:
        """Raise unless the role permits ``action``, e.g. ``license.create``."""
        role = self.role
        if role in _ADMINISTRATORS:
            return
        if (role, action) in _OUT_OF_REACH:
            raise forbidden()
        if role == "product":
            allowed = action not in _PRODUCT_MAY_NOT
        elif role == "read-only":
            allowed = action.endswith((".read", ".list", ".validate"))
        else:
            allowed = action in (_LICENSE_MAY if role == "license" else _USER_MAY)
        if not allowed:
            raise forbidden(f"{NO_PERMISSION} ({role} lacks permission to perform action)")

    def sees(self, account: Account, row: Row) -> bool:
        """Whether ``row`` exists for this bearer; what it does not see is not found."""
        me, kind = self.record["id"], row["type"]
        if self.is_admin or self.role == "read-only":
            return True
        if kind == "tokens":
            return bool(row["bearer"] == me)
        if self.role == "product":
            return bool(row.get("product", me) == me) if kind != "products" else bool(row["id"] == me)
        licenses = [self.record] if self.role == "license" else _licenses_of(account, me)
        if kind == "licenses":
            return any(row["id"] == license_row["id"] for license_row in licenses)
        if kind == "machines":
            return any(row["license"] == license_row["id"] for license_row in licenses)
        return bool(row["id"] == me) if kind == "users" else kind in {"entitlements", "components", "groups"}


def authenticate(account: Account, authorization: str | None, query: dict[str, Any], *, password_allowed: bool) -> Bearer | None:
    """The bearer of a request, None for nobody; raises 401 and 403 as Keygen words them."""
    scheme, _, value = (authorization or "").partition(" ")
    if not authorization and isinstance(query.get("token"), str):
        return _by_token(account, query["token"], None)
    if not authorization and isinstance(query.get("auth"), str):
        user, _, secret = query["auth"].partition(":")
        return _by_license_key(account, secret, None) if user == "license" else _by_token(account, secret, None)
    if scheme == "Basic" and value:
        return _by_basic(account, value, password_allowed=password_allowed)
    if scheme in {"Bearer", "Token"} and value:
        return _by_token(account, value, scheme)
    if scheme == "License" and value:
        return _by_license_key(account, value, scheme)
    return None


def anonymous(authorization: str | None) -> Problem:
    """The refusal of a request that needs a bearer and has none."""
    return unauthorized((authorization or "").partition(" ")[0], _REQUIRED, "TOKEN_MISSING", about=_ABOUT)


def _by_token(account: Account, raw: str, scheme: str | None) -> Bearer:
    token = account.tables["tokens"].one("digest", digest(raw))
    record = account.get(token["bearer_type"], token["bearer"]) if token else None
    if token is None or record is None:
        raise unauthorized(scheme, _REQUIRED, "TOKEN_INVALID", about=f"{_ABOUT}#token-authentication")
    if token["expiry"] is not None and token["expiry"] < account.now_text():
        raise unauthorized(scheme, "Token is expired", "TOKEN_EXPIRED")
    if record["type"] == "users" and record.get("banned"):
        raise forbidden("User is banned", code="USER_BANNED")
    if record["type"] == "licenses":
        _refuse_unusable(account, record)
    return Bearer(record, token)


def _by_license_key(account: Account, key: str, scheme: str | None) -> Bearer:
    about = f"{_ABOUT}#license-authentication"
    license_row = account.tables["licenses"].one("key", key)
    if license_row is None:
        raise unauthorized(scheme, _REQUIRED, "LICENSE_INVALID", about=about)
    if policy_of(account, license_row)["authenticationStrategy"] not in {"LICENSE", "MIXED"}:
        raise forbidden("License key authentication is not allowed by policy", code="LICENSE_NOT_ALLOWED", about=about)
    _refuse_unusable(account, license_row)
    return Bearer(license_row)


def _refuse_unusable(account: Account, license_row: Row) -> None:
    if is_banned(account, license_row):
        raise forbidden("License is banned", code="LICENSE_BANNED")
    if license_row["suspended"]:
        raise forbidden("License is suspended", code="LICENSE_SUSPENDED")
    if is_expired(license_row, account.now_text()) and policy_of(account, license_row)["expirationStrategy"] == "REVOKE_ACCESS":
        raise forbidden("License is expired", code="LICENSE_EXPIRED")


def _by_basic(account: Account, encoded: str, *, password_allowed: bool) -> Bearer:
    try:
        user, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user, secret = "", ""
    if user == "license":
        return _by_license_key(account, secret, "Basic")
    if user == "token":
        return _by_token(account, secret, "Basic")
    if not password_allowed or not user:
        raise unauthorized("Basic", _REQUIRED, "TOKEN_INVALID", about=f"{_ABOUT}#token-authentication")
    record = account.tables["users"].one("email", user.lower())
    if record is None:
        raise unauthorized("Basic", "email must be valid", "EMAIL_INVALID", header=True)
    if not secret:
        raise unauthorized("Basic", "password is required", "PASSWORD_REQUIRED", header=True)
    if record["password"] is None:
        raise unauthorized("Basic", "password is unsupported", "PASSWORD_NOT_SUPPORTED", header=True)
    if record["password"] != digest(secret):
        raise unauthorized("Basic", "password must be valid", "PASSWORD_INVALID", header=True)
    return Bearer(record)


def _licenses_of(account: Account, user_id: str) -> list[Row]:
    owned = account.by("licenses", "owner", user_id)
    return owned + [account.need("licenses", link["license"]) for link in account.by("license-users", "user", user_id)]
