"""Passwords: a cheap hash (accounts here are throw-away), the realm's policy, and the brute-force lock."""

import hashlib
import hmac
import json
import re
import secrets

from glue.sandbox.identity.answers import Document
from glue.sandbox.identity.state import Realm, new_id

ROUNDS = 1000
COUNTED = {
    "digits": (r"\d", "Digits", "numerical digits"),
    "lowerCase": (r"[a-z]", "LowerCaseChars", "lower case characters"),
    "upperCase": (r"[A-Z]", "UpperCaseChars", "upper case characters"),
    "specialChars": (r"[^a-zA-Z0-9]", "SpecialChars", "special characters"),
}
WITHOUT_EFFECT = {
    "passwordHistory", "forceExpiredPasswordChange", "hashAlgorithm", "hashIterations", "passwordBlacklist", "passwordAge", "recoveryCodesWarningThreshold",
    "maxAuthAge",
}  # fmt: skip
WITH_EFFECT = {"length", "maxLength", "notUsername", "notEmail", "notContainsUsername", "regexPattern", *COUNTED}


def set_password(realm: Realm, user: Document, password: str) -> None:
    """Give ``user`` this password (the policy is the caller's business)."""
    salt = secrets.token_hex(8)
    user["password"] = {"id": new_id(), "createdDate": realm.now_ms(), "salt": salt, "hash": _hash(password, salt)}
    realm.users.put(user["id"], user)


def is_password(user: Document, password: str) -> bool:
    kept = user.get("password")
    return kept is not None and hmac.compare_digest(kept["hash"], _hash(password, kept["salt"]))


def credential_page(kept: Document) -> Document:
    """A password's representation: how it is kept, never the secret."""
    how = {"hashIterations": ROUNDS, "algorithm": "pbkdf2-sha256", "additionalParameters": {}}
    data = json.dumps(how, separators=(",", ":"))
    return {"id": kept["id"], "type": "password", "createdDate": kept["createdDate"], "credentialData": data}


def _hash(password: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), ROUNDS).hex()


def policies(text: str) -> dict[str, str]:
    """``length(12) and notUsername`` as {name: argument}."""
    found = (re.fullmatch(r"(\w+)(?:\((.*)\))?", part.strip()) for part in text.split(" and ") if part.strip())
    return {match[1]: match[2] or "" for match in found if match}


def unknown_policies(text: str) -> set[str]:
    return set(policies(text)) - WITH_EFFECT - WITHOUT_EFFECT


def policy_violation(realm: Realm, user: Document, password: str) -> tuple[str, str] | None:
    """What the realm's policy has against it: (message key, sentence); None when fine."""
    username, email = str(user.get("username") or "").lower(), str(user.get("email") or "").lower()
    for name, argument in policies(realm.settings.get("passwordPolicy") or "").items():
        number = int(argument) if argument.isdigit() else 8 if name == "length" else 64 if name == "maxLength" else 1
        if name == "length" and len(password) < number:
            return "invalidPasswordMinLengthMessage", f"Invalid password: minimum length {number}."
        if name == "maxLength" and len(password) > number:
            return "invalidPasswordMaxLengthMessage", f"Invalid password: maximum length {number}."
        if name in COUNTED and len(re.findall(COUNTED[name][0], password)) < number:
            _, key, words = COUNTED[name]
            return f"invalidPasswordMin{key}Message", f"Invalid password: must contain at least {number} {words}."
        if name == "notUsername" and password.lower() == username:
            return "invalidPasswordNotUsernameMessage", "Invalid password: must not be equal to the username."
        if name == "notEmail" and password.lower() == email:
            return "invalidPasswordNotEmailMessage", "Invalid password: must not be equal to the email."
        if name == "notContainsUsername" and username and username in password.lower():
            return "invalidPasswordNotContainsUsernameMessage", "Invalid password: Can not contain the username."
        if name == "regexPattern" and not re.fullmatch(argument, password):
            return "invalidPasswordRegexPatternMessage", "Invalid password: fails to match regex pattern(s)."
    return None


def note_failure(realm: Realm, user: Document) -> None:
    """Count a wrong password; too many, or two in quick succession, lock the account for a while."""
    settings = realm.settings
    if not settings["bruteForceProtected"] or is_locked(realm, user):
        return
    now = realm.now_ms()
    seen: Document = user.get("failures") or {"count": 0, "last": 0, "until": 0, "locks": 0}
    if now - seen["last"] > settings["maxDeltaTimeSeconds"] * 1000:
        seen = seen | {"count": 0}
    count = seen["count"] + 1
    factor, wait = settings["failureFactor"], 0
    if count >= factor:
        rounds = count // factor if settings["bruteForceStrategy"] == "MULTIPLE" else count - factor + 1
        wait = min(settings["waitIncrementSeconds"] * rounds, settings["maxFailureWaitSeconds"])
    elif seen["last"] and now - seen["last"] < settings["quickLoginCheckMilliSeconds"]:
        wait = settings["minimumQuickLoginWaitSeconds"]
    until = realm.now() + wait if wait else seen["until"]
    user["failures"] = {"count": count, "last": now, "until": until, "locks": seen["locks"] + bool(wait)}
    realm.users.put(user["id"], user)


def is_locked(realm: Realm, user: Document) -> bool:
    """Whether the brute-force lock holds at this moment."""
    return bool(realm.settings["bruteForceProtected"] and user.get("failures") and user["failures"]["until"] > realm.now())


def lock_page(realm: Realm, user: Document) -> Document:
    """The state of a user's brute-force lock, as attack-detection shows it."""
    seen = user.get("failures") or {}
    return {
        "numFailures": seen.get("count", 0),
        "numTemporaryLockouts": seen.get("locks", 0),
        "numSecondaryAuthFailures": 0,
        "disabled": is_locked(realm, user),
        "lastIPFailure": "127.0.0.1" if seen else "n/a",
        "lastFailure": seen.get("last", 0),
        "failedLoginNotBefore": seen.get("until", 0),
    }


def clear_failures(realm: Realm, user: Document) -> None:
    if user.pop("failures", None):
        realm.users.put(user["id"], user)
