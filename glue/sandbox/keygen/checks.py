"""Checks shared by several resources: codes, numbers, metadata."""

from typing import Any

from glue.sandbox.keygen.account import Account, Row
from glue.sandbox.keygen.names import read_uuid
from glue.sandbox.keygen.problems import Fault, on_attribute

MAX_INTEGER = 2**31 - 1
MAX_METADATA_KEYS = 64


def check_metadata(kind: str, fields: dict[str, Any]) -> list[Fault]:
    if len(fields.get("metadata") or {}) > MAX_METADATA_KEYS:
        return [on_attribute(kind, "metadata", f"too many keys (exceeded limit of {MAX_METADATA_KEYS} keys)", "TOO_LONG")]
    return []


def check_code(account: Account, kind: str, code: str | None, *, itself: Row | None = None) -> list[Fault]:
    """Codes are unique regardless of case, and not shaped like an id."""
    if code is None:
        return []
    if read_uuid(code):
        return [on_attribute(kind, "code", "is invalid", "INVALID")]
    other = account.tables[kind].one("code_key", code.lower())
    if other is not None and (itself is None or other["id"] != itself["id"]):
        return [on_attribute(kind, "code", "has already been taken", "TAKEN")]
    return []


def check_number(kind: str, name: str, value: int | None, *, least: int, above_zero: bool = False) -> list[Fault]:
    """``above_zero`` words the bound as "greater than 0"."""
    if value is None:
        return []
    if above_zero and value <= 0:
        return [on_attribute(kind, name, "must be greater than 0", "INVALID")]
    if value < least:
        return [on_attribute(kind, name, f"must be greater than or equal to {least}", "INVALID")]
    if value > MAX_INTEGER:
        return [on_attribute(kind, name, f"must be less than or equal to {MAX_INTEGER}", "INVALID")]
    return []


def check_choice(kind: str, name: str, value: Any, choices: tuple[str, ...], detail: str) -> list[Fault]:
    return [] if value in choices else [on_attribute(kind, name, detail, "NOT_ALLOWED")]


def check_limits(kind: str, fields: dict[str, Any], *, floating: bool) -> list[Fault]:
    """The limits of a policy, or those by which a license departs from it."""
    machines = fields.get("maxMachines")
    faults = check_number(kind, "maxMachines", machines, least=0)
    if machines is not None and not faults:
        if floating and machines < 1:
            faults.append(on_attribute(kind, "maxMachines", "must be greater than or equal to 1 for floating policy", "INVALID"))
        elif not floating and machines != 1:
            faults.append(on_attribute(kind, "maxMachines", "must be equal to 1 for non-floating policy", "INVALID"))
    faults += check_number(kind, "maxProcesses", fields.get("maxProcesses"), least=1, above_zero=True)
    faults += check_number(kind, "maxUsers", fields.get("maxUsers"), least=1, above_zero=True)
    faults += check_number(kind, "maxCores", fields.get("maxCores"), least=1)
    return faults + check_number(kind, "maxUses", fields.get("maxUses"), least=0)
