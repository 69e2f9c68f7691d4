"""Licenses: made under an id of our own, so that a lost answer is found again. Never renewed: the expiry is set."""

import re
from contextlib import suppress
from datetime import datetime
from typing import Any

from glue.errors import BadInput, UpstreamConflict, UpstreamNotFound
from glue.rules.facts import License, LicenseFile
from glue.upstream.calling import Page
from glue.upstream.keygen.calls import KeygenCalls, Record, checked_id, document, linkage, related_id
from glue.upstream.reading import instant, iso, known_instant, text

_METADATA_KEY = re.compile(r"[a-z][A-Za-z0-9]*")


class Licenses(KeygenCalls):
    def find_license(self, license_id: str) -> License | None:
        try:
            return self._send("find_license", "GET", f"/licenses/{checked_id(license_id)}", _license_of)
        except UpstreamNotFound:
            return None

    def create_license(
        self, *, license_id: str, policy_id: str, name: str, expiry: datetime | None, max_machines: int | None, metadata: dict[str, str]
    ) -> License:
        """Make a license under our id; the one that is there already is answered as it is.

        Keygen stores what it answered 503 for, so after UpstreamUnavailable this may simply be repeated.
        """
        attributes = {"name": name, "expiry": iso(expiry), "maxMachines": max_machines, "metadata": _checked_metadata(metadata)}
        body = document("licenses", attributes, record_id=checked_id(license_id), policy=("policies", policy_id))
        try:
            return self._send("create_license", "POST", "/licenses", _license_of, json=body)
        except UpstreamConflict:
            existing = self.find_license(license_id)
            if existing is None:
                raise
            return existing

    def update_license(self, license_id: str, **fields: Any) -> License:
        """Set the given ones of expiry, suspended, max_machines, metadata (all of it) and name. Repeating it is harmless."""
        names = {"expiry": "expiry", "suspended": "suspended", "max_machines": "maxMachines", "metadata": "metadata", "name": "name"}
        attributes = {names[field]: value for field, value in fields.items()}
        if "expiry" in attributes:
            attributes["expiry"] = iso(attributes["expiry"])
        if "metadata" in attributes:
            attributes["metadata"] = _checked_metadata(attributes["metadata"])
        body = document("licenses", attributes, record_id=checked_id(license_id))
        return self._send("update_license", "PATCH", f"/licenses/{license_id}", _license_of, json=body)

    def change_policy(self, license_id: str, policy_id: str) -> None:
        """Move to another policy. Machines over its limit stay; an incompatible one is UpstreamConflict."""
        body = {"data": {"type": "policies", "id": policy_id}}
        self._send("change_policy", "PUT", f"/licenses/{checked_id(license_id)}/policy", lambda _: None, json=body)

    def list_licenses(self, *, page: int = 1, per_page: int = 100) -> Page[License]:
        return self._list("list_licenses", "/licenses", parse_license, page=page, per_page=per_page)

    def revoke_license(self, license_id: str) -> None:
        """Delete the license and its machines. Already gone is fine."""
        with suppress(UpstreamNotFound):
            self._send("revoke_license", "DELETE", f"/licenses/{checked_id(license_id)}/actions/revoke", lambda _: None)

    def license_entitlements(self, license_id: str) -> frozenset[str]:
        """Codes, those of the policy included."""
        return frozenset(self._license_entitlement_ids(license_id))

    def attach_entitlements(self, license_id: str, codes: frozenset[str]) -> None:
        """Give the license these entitlements; those it has, also by its policy, are left alone."""
        missing = codes - self.license_entitlements(license_id)
        if not missing:
            return
        body = linkage("entitlements", self.entitlement_ids(missing))
        try:
            self._send("attach_entitlements", "POST", f"/licenses/{license_id}/entitlements", lambda _: None, json=body)
        except UpstreamConflict:
            if not codes <= self.license_entitlements(license_id):
                raise

    def detach_entitlements(self, license_id: str, codes: frozenset[str]) -> None:
        """Take these entitlements off the license. One that its policy gives is UpstreamRefused."""
        ids = [one for code, one in self._license_entitlement_ids(license_id).items() if code in codes]
        if ids:
            path = f"/licenses/{license_id}/entitlements"
            self._send("detach_entitlements", "DELETE", path, lambda _: None, json=linkage("entitlements", ids))

    def _license_entitlement_ids(self, license_id: str) -> dict[str, str]:
        path = f"/licenses/{checked_id(license_id)}/entitlements"
        return dict(self._all("license_entitlements", path, code_and_id))

    def entitlement_ids(self, codes: frozenset[str]) -> list[str]:
        """Ids of entitlements by code. Raises UpstreamConflict naming those that Keygen does not have."""
        known = dict(self._all("list_entitlements", "/entitlements", code_and_id))
        unknown = sorted(codes - known.keys())
        if unknown:
            raise self._http.calls.refuse(
                "entitlement_ids", f"Keygen has no entitlement {', '.join(unknown)}.", remedy="`glue apply` makes the declared ones."
            )
        return [known[code] for code in sorted(codes)]

    def check_out_license(self, license_id: str, *, ttl_seconds: int) -> LicenseFile:
        """A signed file that proves the license offline, its entitlements included. Suspension is not checked: do it before."""
        body = {"meta": {"ttl": ttl_seconds, "include": ["entitlements"]}}
        path = f"/licenses/{checked_id(license_id)}/actions/check-out"
        return self._send("check_out_license", "POST", path, parse_file, json=body)

    def validate_key(self, key: str, *, fingerprint: str = "") -> tuple[bool, str]:
        """Whether the key is good now, and Keygen's code for why or why not. Judge by the first."""
        meta: Record = {"key": key} | ({"scope": {"fingerprint": fingerprint}} if fingerprint else {})
        return self._send(
            "validate_key",
            "POST",
            "/licenses/actions/validate-key",
            lambda answer: (answer["meta"]["valid"] is True, str(answer["meta"]["code"])),
            json={"meta": meta},
        )


def code_and_id(record: Record) -> tuple[str, str]:
    return str(record["attributes"]["code"]), str(record["id"])


def _license_of(answer: Any) -> License:
    return parse_license(answer["data"])


def parse_license(record: Record) -> License:
    attributes = record["attributes"]
    return License(
        id=record["id"],
        key=attributes["key"],
        policy_id=related_id(record, "policy"),
        expiry=instant(attributes["expiry"]),
        suspended=attributes["suspended"] is True,
        status=attributes["status"],
        max_machines=attributes["maxMachines"],
        metadata={key: value if isinstance(value, str) else str(value) for key, value in attributes["metadata"].items()},
        name=text(attributes["name"]),
    )


def parse_file(answer: Any) -> LicenseFile:
    attributes = answer["data"]["attributes"]
    return LicenseFile(attributes["certificate"], issued_at=known_instant(attributes["issued"]), expires_at=instant(attributes["expiry"]))


def _checked_metadata(metadata: dict[str, str]) -> dict[str, str]:
    # Keygen rewrites other keys (KC_User → kcUser), after which they would never compare equal.
    for key in metadata:
        if not _METADATA_KEY.fullmatch(key):
            raise BadInput("Keygen would rewrite this metadata key.", field="metadata", expected="lowerCamelCase letters and digits")
    return metadata
