"""Validation of licenses: the order of the checks is Keygen's, and ``valid`` is not the same as the code ``VALID``."""

from math import ceil
from typing import Any

from glue.sandbox.keygen.account import Account, Row
from glue.sandbox.keygen.body import read_meta
from glue.sandbox.keygen.calls import Answer, Call, route
from glue.sandbox.keygen.licenses import start_expiry
from glue.sandbox.keygen.problems import bad_request
from glue.sandbox.keygen.schema import Attribute
from glue.sandbox.keygen.states import (
    entitlements_of,
    exceeds,
    exceeds_overage,
    heartbeat_required,
    heartbeat_status,
    is_banned,
    is_expired,
    limit,
    machine_counts,
    next_check_in,
    policy_of,
    user_ids,
)

Scope = dict[str, Any]
Verdict = tuple[bool, str, str]  # valid, detail, code

_LISTS = ("fingerprints", "components", "entitlements")
_SCOPES = ("product", "policy", "user", "machine", "fingerprint", *_LISTS, "checksum", "version")
_META = {"key": Attribute(required=True, blank=False, null=False), "nonce": Attribute("integer"), "scope": Attribute("any")}


@route("POST", "licenses/actions/validate-key", "license.validate", anonymous=True)
async def validate_key(call: Call) -> Answer:
    meta = read_meta(call.body, _META, required=True)
    scope = _read_scope(meta)
    row = call.account.tables["licenses"].one("key", meta["key"])
    if row is not None and call.bearer is not None and not call.bearer.sees(call.account, row):
        row = None
    if row is None:
        return Answer(200, {"data": None, "meta": _meta(call, (False, "does not exist", "NOT_FOUND"), meta)})
    return _answer(call, row, scope, meta)


@route("POST", "licenses/*/actions/validate", "license.validate")
async def validate_license(call: Call, wanted: str) -> Answer:
    row = call.find("licenses", wanted)
    meta = read_meta(call.body, {name: spec for name, spec in _META.items() if name != "key"})
    return _answer(call, row, _read_scope(meta), meta)


@route("GET", "licenses/*/actions/validate", "license.validate")
async def quick_validate(call: Call, wanted: str) -> Answer:
    row = call.find("licenses", wanted)
    verdict = judge(call.account, row, None)
    call.account.save(row, touch=False, lastValidated=call.account.now_text())
    return Answer(200, {"data": call.render.resource(row), "meta": _meta(call, verdict, {})})


def _answer(call: Call, row: Row, scope: Scope, meta: Scope) -> Answer:
    account = call.account
    verdict = judge(account, row, scope)
    account.save(row, touch=False, lastValidated=account.now_text())
    document = {"data": call.render.resource(row), "meta": _meta(call, verdict, meta)}
    # The term that starts with the first validation shows from the next answer on.
    start_expiry(account, row, policy_of(account, row), "FROM_FIRST_VALIDATION")
    call.announce("license.validation.succeeded" if verdict[0] else "license.validation.failed", row, meta=document["meta"])
    return Answer(200, document)


def _meta(call: Call, verdict: Verdict, given: Scope) -> Scope:
    valid, detail, code = verdict
    name = "code" if call.version >= "1.2" else "constant"
    given = {key: value for key, value in given.items() if key != "key"}
    return {"ts": call.account.now_text(), "valid": valid, "detail": detail, name: code, **given}


def _read_scope(meta: Scope) -> Scope:
    scope = meta.get("scope")
    if scope is None:
        return {}
    if not isinstance(scope, dict):
        raise bad_request("type mismatch (received string expected object)", "/meta/scope")
    for name, value in scope.items():
        if name not in _SCOPES:
            raise bad_request("unpermitted parameter", f"/meta/scope/{name}")
        if name in _LISTS and value is not None and not isinstance(value, list):
            raise bad_request("type mismatch (received string expected array)", f"/meta/scope/{name}")
    return scope


def judge(account: Account, row: Row, scope: Scope | None) -> Verdict:
    """Validate ``row``; without a scope (None) scopes are not looked at, an empty one misses those that are required."""
    policy = policy_of(account, row)
    expired = is_expired(row, account.now_text())
    verdict = _judge_license(account, row, policy, expired=expired)
    if verdict is None and scope is not None:
        verdict = _judge_scope(account, row, policy, scope)
    if verdict is None:
        verdict = _judge_users(account, row, policy)
    if verdict is None and policy["strict"]:
        verdict = _judge_machines(account, row, policy)
    if verdict is not None:
        return verdict
    if expired:
        return policy["expirationStrategy"] in {"MAINTAIN_ACCESS", "ALLOW_ACCESS"}, "is expired", "EXPIRED"
    return True, "is valid", "VALID"


def _judge_license(account: Account, row: Row, policy: Row, *, expired: bool) -> Verdict | None:
    if is_banned(account, row):
        return False, "is banned", "BANNED"
    if row["suspended"]:
        return False, "is suspended", "SUSPENDED"
    if expired and policy["expirationStrategy"] == "REVOKE_ACCESS":
        return False, "is expired", "EXPIRED"
    due = next_check_in(row, policy)
    if due is not None and due < account.now_text():
        return False, "is overdue for check in", "OVERDUE"
    return None


def _judge_scope(account: Account, row: Row, policy: Row, scope: Scope) -> Verdict | None:
    for name in ("product", "policy", "user"):
        value = scope.get(name)
        if value is None:
            if policy[f"require{name.capitalize()}Scope"]:
                return _required(name)
        elif not (_is_user(account, row, value) if name == "user" else value == row[name]):
            return False, f"{name} scope does not match", f"{name.upper()}_SCOPE_MISMATCH"
    wanted = scope.get("entitlements")
    if wanted is not None:
        if not wanted:
            return False, "entitlements scope is empty", "ENTITLEMENTS_SCOPE_EMPTY"
        if set(wanted) - {entitlement["code"] for entitlement in entitlements_of(account, row)}:
            return False, "is missing one or more required entitlements", "ENTITLEMENTS_MISSING"
    return _judge_machine_scope(account, row, policy, scope) or _judge_release_scope(policy, scope)


def _required(name: str) -> Verdict:
    return False, f"{name} scope is required", f"{name.upper()}_SCOPE_REQUIRED"


def _is_user(account: Account, row: Row, value: Any) -> bool:
    user = account.get("users", str(value)) or account.tables["users"].one("email", str(value).lower())
    return user is not None and user["id"] in user_ids(account, row)


def _judge_machine_scope(account: Account, row: Row, policy: Row, scope: Scope) -> Verdict | None:
    machines = account.by("machines", "license", row["id"])
    fingerprints = [scope["fingerprint"]] if scope.get("fingerprint") is not None else scope.get("fingerprints")
    if scope.get("machine") is not None:
        matching = [machine for machine in machines if machine["id"] == scope["machine"]]
        verdict = _judge_presence(account, policy, "machine", machines, matching, least=1)
        if verdict:
            return verdict
    elif policy["requireMachineScope"]:
        return _required("machine")
    if fingerprints is not None:
        if not fingerprints:
            return False, "fingerprint scope is empty", "FINGERPRINT_SCOPE_EMPTY"
        matching = [machine for machine in machines if machine["fingerprint"] in fingerprints]
        least = _least(policy["machineMatchingStrategy"], len(fingerprints))
        verdict = _judge_presence(account, policy, "fingerprint", machines, matching, least=least)
        return verdict or _judge_components(account, policy, scope, fingerprints, matching)
    if policy["requireFingerprintScope"]:
        return _required("fingerprint")
    if scope.get("components") is not None:
        return False, "fingerprint scope is required when using the components scope", "FINGERPRINT_SCOPE_REQUIRED"
    return _required("components") if policy["requireComponentsScope"] else None


def _judge_presence(account: Account, policy: Row, name: str, machines: list[Row], matching: list[Row], *, least: int) -> Verdict | None:
    if not machines:
        word = "machines" if policy["floating"] else "machine"
        return False, f"{name} is not activated (has no associated {word})", f"NO_{word.upper()}"
    if len(matching) < least:
        why = "does not match any associated machines" if least == 1 else "does not match enough associated machines"
        subject = name if least == 1 else f"one or more {name}"
        return False, f"{subject} is not activated ({why})", f"{name.upper()}_SCOPE_MISMATCH"
    statuses = {heartbeat_status(machine, policy, account.now()) for machine in matching if heartbeat_required(machine, policy)}
    if "DEAD" in statuses:
        return False, "machine heartbeat is dead", "HEARTBEAT_DEAD"
    if "NOT_STARTED" in statuses:
        return False, "machine heartbeat is required", "HEARTBEAT_NOT_STARTED"
    return None


def _judge_components(account: Account, policy: Row, scope: Scope, fingerprints: list[str], matching: list[Row]) -> Verdict | None:
    components = scope.get("components")
    if components is None:
        return _required("components") if policy["requireComponentsScope"] else None
    if not components:
        return False, "components scope is empty", "COMPONENTS_SCOPE_EMPTY"
    if len(fingerprints) > 1:
        return False, "fingerprint scope is required when using the components scope", "FINGERPRINT_SCOPE_REQUIRED"
    held = [component for machine in matching for component in account.by("components", "machine", machine["id"])]
    count = sum(component["fingerprint"] in components for component in held)
    if count < _least(policy["componentMatchingStrategy"], len(components)):
        detail = "one or more component is not activated (does not match any associated components)"
        return False, detail, "COMPONENTS_SCOPE_MISMATCH"
    return None


def _least(strategy: str, count: int) -> int:
    """How many of ``count`` must match."""
    return {"MATCH_ANY": 1, "MATCH_TWO": 2, "MATCH_MOST": ceil(count / 2), "MATCH_ALL": count}[strategy]


def _judge_release_scope(policy: Row, scope: Scope) -> Verdict | None:
    """There are no releases here, so a checksum or version never matches one."""
    for name, what in (("checksum", "artifacts"), ("version", "releases")):
        if scope.get(name) is not None:
            return False, f"{name} scope is not valid (does not match any accessible {what})", f"{name.upper()}_SCOPE_MISMATCH"
        if policy[f"require{name.capitalize()}Scope"]:
            return _required(name)
    return None


def _judge_users(account: Account, row: Row, policy: Row) -> Verdict | None:
    count, allowed = len(user_ids(account, row)), limit(row, policy, "maxUsers")
    if not exceeds(count, allowed):
        return None
    return not exceeds_overage(count, allowed, policy), "has too many associated users", "TOO_MANY_USERS"


def _judge_machines(account: Account, row: Row, policy: Row) -> Verdict | None:
    machines, cores = machine_counts(account, row)
    if not machines:
        least = "at least" if policy["floating"] else "exactly"
        return False, f"must have {least} 1 associated machine", "NO_MACHINES" if policy["floating"] else "NO_MACHINE"
    for count, name, words, code in (
        (machines, "maxMachines", "machines", "TOO_MANY_MACHINES"),
        (cores, "maxCores", "machine cores", "TOO_MANY_CORES"),
    ):
        allowed = limit(row, policy, name)
        if exceeds(count, allowed):
            return not exceeds_overage(count, allowed, policy), f"has too many associated {words}", code
    return None
