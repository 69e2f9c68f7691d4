from dataclasses import replace
from datetime import UTC, timedelta

from glue.clock import Clock
from glue.errors import UpstreamConflict
from glue.rules.facts import License, LicenseFile, Machine
from glue.upstream.calling import Page
from tests.fakes.faults import Faults


class FakeKeygen:
    def __init__(self, clock: Clock, *, policies: dict[str, frozenset[str]], product: str = "coditect") -> None:
        self.clock = clock
        self.faults = Faults("keygen")
        self.product = product
        self.policies = {name: f"policy-{name}" for name in policies}
        self.policy_grants = {f"policy-{name}": grants for name, grants in policies.items()}
        self.licenses: dict[str, License] = {}
        self.attached: dict[str, set[str]] = {}
        self.machines: dict[str, Machine] = {}
        self._count = 0

    def account_id(self) -> str:
        self.faults.enter("account_id")
        return "keygen-1"

    def find_product(self, code: str) -> dict | None:
        self.faults.enter("find_product")
        return {"id": "product-1", "code": code} if code == self.product else None

    def list_policies(self, product_id: str) -> list[dict]:
        self.faults.enter("list_policies")
        return [{"id": key, "metadata": {"policy": name}} for name, key in self.policies.items()]

    def find_license(self, license_id: str) -> License | None:
        self.faults.enter("find_license")
        return self.licenses.get(license_id)

    def create_license(self, *, license_id, policy_id, name, expiry, max_machines, metadata) -> License:
        self.faults.enter("create_license")
        if license_id not in self.licenses:
            self._count += 1
            moment = expiry and expiry.astimezone(UTC) + timedelta(milliseconds=0)
            self.licenses[license_id] = License(
                license_id, f"key-{self._count}", policy_id, moment, False, "ACTIVE", max_machines, metadata, name
            )
            self.attached[license_id] = set()
        self.faults.leave("create_license")
        return self.licenses[license_id]

    def update_license(self, license_id: str, **fields) -> License:
        self.faults.enter("update_license")
        if not self.faults.ignores("update_license"):
            self.licenses[license_id] = replace(self.licenses[license_id], **fields)
        self.faults.leave("update_license")
        return self.licenses[license_id]

    edit = update_license

    def change_policy(self, license_id: str, policy_id: str) -> None:
        self.faults.enter("change_policy")
        self.licenses[license_id] = replace(self.licenses[license_id], policy_id=policy_id)

    def revoke_license(self, license_id: str) -> None:
        self.faults.enter("revoke_license")
        self.licenses.pop(license_id, None)

    def list_licenses(self, *, page: int = 1, per_page: int = 100) -> Page[License]:
        self.faults.enter("list_licenses")
        rows = list(self.licenses.values())
        start = (page - 1) * per_page
        return Page(tuple(rows[start : start + per_page]), page + 1 if start + per_page < len(rows) else None, None)

    def license_entitlements(self, license_id: str) -> frozenset[str]:
        self.faults.enter("license_entitlements")
        return frozenset(self.attached[license_id]) | self.policy_grants[self.licenses[license_id].policy_id]

    def attach_entitlements(self, license_id: str, codes: frozenset[str]) -> None:
        self.faults.enter("attach_entitlements")
        self.attached[license_id] |= codes

    def detach_entitlements(self, license_id: str, codes: frozenset[str]) -> None:
        self.faults.enter("detach_entitlements")
        self.attached[license_id] -= codes

    def list_machines(self, license_id: str) -> tuple[Machine, ...]:
        self.faults.enter("list_machines")
        return tuple(one for one in self.machines.values() if one.license_id == license_id)

    def activate_machine(self, license_id: str, *, fingerprint: str, name: str, platform: str, hostname: str = "") -> Machine:
        self.faults.enter("activate_machine")
        taken = self.list_machines(license_id)
        existing = next((one for one in taken if one.fingerprint == fingerprint), None)
        if existing is None:
            limit = self.licenses[license_id].max_machines
            if limit is not None and len(taken) >= limit:
                raise UpstreamConflict("full", upstream="keygen", operation="activate_machine", codes=("MACHINE_LIMIT_EXCEEDED",))
            self._count += 1
            existing = Machine(f"machine-{self._count}", license_id, fingerprint, name, platform, self.clock.now(), None, hostname)
            self.machines[existing.id] = existing
        self.faults.leave("activate_machine")
        return existing

    def deactivate_machine(self, machine_id: str) -> None:
        self.faults.enter("deactivate_machine")
        self.machines.pop(machine_id, None)

    def check_out_license(self, license_id: str, *, ttl_seconds: int) -> LicenseFile:
        self.faults.enter("check_out_license")
        now = self.clock.now()
        return LicenseFile(f"-----BEGIN LICENSE FILE-----\n{license_id}", now, now + timedelta(seconds=ttl_seconds))

    def check_out_machine(self, machine_id: str, *, ttl_seconds: int) -> LicenseFile:
        self.faults.enter("check_out_machine")
        now = self.clock.now()
        return LicenseFile(f"-----BEGIN MACHINE FILE-----\n{machine_id}", now, now + timedelta(seconds=ttl_seconds))

    def public_key(self) -> bytes:
        self.faults.enter("public_key")
        return self.public_key_bytes
