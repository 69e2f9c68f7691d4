"""Machines: the seats of a license. Activate one at a time per license: parallel ones overshoot its limit."""

from contextlib import suppress
from typing import Any

from glue.errors import UpstreamConflict, UpstreamNotFound
from glue.rules.facts import LicenseFile, Machine
from glue.upstream.keygen.calls import KeygenCalls, Record, checked_id, document, related_id
from glue.upstream.keygen.licenses import parse_file
from glue.upstream.reading import instant, known_instant, text


class Machines(KeygenCalls):
    def list_machines(self, license_id: str) -> tuple[Machine, ...]:
        def wanted(record: Record) -> Machine | None:
            machine = _parse_machine(record)
            return machine if machine.license_id == license_id else None

        return tuple(self._all("list_machines", "/machines", wanted, params={"license": checked_id(license_id)}))

    def activate_machine(self, license_id: str, *, fingerprint: str, name: str, platform: str, hostname: str = "") -> Machine:
        """Take a seat; the machine of this fingerprint that is there already is answered.

        A full license is UpstreamConflict with MACHINE_LIMIT_EXCEEDED among ``fields["codes"]``. Neither suspension
        nor expiry is checked for our token: check the license before.
        """
        attributes = {"fingerprint": fingerprint, "name": name, "platform": platform} | ({"hostname": hostname} if hostname else {})
        body = document("machines", attributes, license=("licenses", checked_id(license_id)))
        try:
            return self._send("activate_machine", "POST", "/machines", _machine_of, json=body)
        except UpstreamConflict as error:
            if error.status != 409 and "FINGERPRINT_TAKEN" not in error.fields["codes"]:
                raise
            existing = next((machine for machine in self.list_machines(license_id) if machine.fingerprint == fingerprint), None)
            if existing is None:
                raise
            return existing

    def deactivate_machine(self, machine_id: str) -> None:
        """Free a seat. Already free is fine."""
        with suppress(UpstreamNotFound):
            self._send("deactivate_machine", "DELETE", f"/machines/{checked_id(machine_id)}", lambda _: None)

    def check_out_machine(self, machine_id: str, *, ttl_seconds: int) -> LicenseFile:
        """A signed file that proves machine, license and entitlements offline. Suspension is not checked: do it before."""
        body = {"meta": {"ttl": ttl_seconds, "include": ["license", "license.entitlements"]}}
        return self._send("check_out_machine", "POST", f"/machines/{checked_id(machine_id)}/actions/check-out", parse_file, json=body)


def _machine_of(answer: Any) -> Machine:
    return _parse_machine(answer["data"])


def _parse_machine(record: Record) -> Machine:
    attributes = record["attributes"]
    return Machine(
        id=record["id"],
        license_id=related_id(record, "license"),
        fingerprint=attributes["fingerprint"],
        name=text(attributes["name"]),
        platform=text(attributes["platform"]),
        created_at=known_instant(attributes["created"]),
        last_seen_at=max(filter(None, (instant(attributes["lastHeartbeat"]), instant(attributes["lastCheckOut"]))), default=None),
        hostname=text(attributes["hostname"]),
    )
