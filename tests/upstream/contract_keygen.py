"""What Keygen's adapter promises, whatever answers it. Test modules give the fixtures ``keygen`` and ``settings``."""

import base64
import json
import secrets
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from glue.errors import BadInput, UpstreamConflict, UpstreamNotFound, UpstreamRefused
from glue.rules.facts import License
from glue.settings import KeygenSettings
from glue.upstream.keygen import Keygen

EXPIRY = datetime(2031, 5, 1, 12, 30, tzinfo=UTC)
POLICY = {
    "scheme": "ED25519_SIGN",
    "authenticationStrategy": "LICENSE",
    "expirationStrategy": "REVOKE_ACCESS",
    "transferStrategy": "KEEP_EXPIRY",
    "overageStrategy": "NO_OVERAGE",
    "strict": True,
    "floating": True,
    "maxMachines": 5,
}


class KeygenContract:
    @pytest.fixture
    def policy_id(self, keygen: Keygen) -> str:
        code = f"test-{secrets.token_hex(5)}"
        product = keygen.create_product({"name": "Workbench", "code": code, "url": "https://coditect.example"})
        policy = keygen.create_policy(product["id"], {**POLICY, "name": code, "metadata": {"code": code}})
        return str(policy["id"])

    @pytest.fixture
    def license_(self, keygen: Keygen, policy_id: str) -> License:
        return keygen.create_license(
            license_id=str(uuid.uuid4()), policy_id=policy_id, name="Acme", expiry=EXPIRY, max_machines=2, metadata={"tenantId": "t1"}
        )

    def test_account_and_key_are_known(self, keygen: Keygen, settings: KeygenSettings) -> None:
        assert keygen.account_id() == settings.account_id
        assert len(keygen.public_key()) == 32

    # --- licenses

    def test_license_is_made_under_our_id_and_found(self, keygen: Keygen, license_: License, policy_id: str) -> None:
        found = keygen.find_license(license_.id)
        assert found == license_
        assert (found.name, found.expiry, found.max_machines, found.metadata) == ("Acme", EXPIRY, 2, {"tenantId": "t1"})
        assert (found.policy_id, found.suspended, found.status) == (policy_id, False, "ACTIVE")
        assert found.key.startswith("key/")

    def test_unknown_license_is_none(self, keygen: Keygen) -> None:
        assert keygen.find_license(str(uuid.uuid4())) is None

    def test_creating_again_finds_it_as_it_is(self, keygen: Keygen, license_: License) -> None:
        again = keygen.create_license(
            license_id=license_.id, policy_id=license_.policy_id, name="Other", expiry=None, max_machines=9, metadata={}
        )
        assert again == license_

    def test_twenty_creations_at_once_make_one_license(self, keygen: Keygen, policy_id: str) -> None:
        license_id = str(uuid.uuid4())

        def create(_: int) -> str:
            return keygen.create_license(
                license_id=license_id, policy_id=policy_id, name="Race", expiry=EXPIRY, max_machines=1, metadata={}
            ).key

        with ThreadPoolExecutor(20) as pool:
            assert len(set(pool.map(create, range(20)))) == 1

    def test_unknown_policy_is_refused(self, keygen: Keygen) -> None:
        with pytest.raises(UpstreamRefused) as refused:
            keygen.create_license(
                license_id=str(uuid.uuid4()), policy_id=str(uuid.uuid4()), name="x", expiry=None, max_machines=None, metadata={}
            )
        assert "POLICY_NOT_FOUND" in refused.value.fields["codes"]

    def test_update_sets_what_is_given_and_may_be_repeated(self, keygen: Keygen, license_: License) -> None:
        later = EXPIRY + timedelta(days=30)
        for _ in range(2):
            changed = keygen.update_license(
                license_.id, expiry=later, suspended=True, max_machines=4, metadata={"tenantId": "t1", "tier": "pro"}
            )
        assert changed == keygen.find_license(license_.id)
        assert (changed.expiry, changed.suspended, changed.max_machines) == (later, True, 4)
        assert (changed.metadata, changed.name) == ({"tenantId": "t1", "tier": "pro"}, "Acme")
        endless = keygen.update_license(license_.id, expiry=None, suspended=False, name="Acme Ltd")
        assert (endless.expiry, endless.suspended, endless.name, endless.max_machines) == (None, False, "Acme Ltd", 4)

    def test_metadata_that_would_be_rewritten_is_refused(self, keygen: Keygen, license_: License) -> None:
        with pytest.raises(BadInput):
            keygen.update_license(license_.id, metadata={"KC_User": "x"})

    def test_updating_an_unknown_license_is_not_found(self, keygen: Keygen) -> None:
        with pytest.raises(UpstreamNotFound):
            keygen.update_license(str(uuid.uuid4()), suspended=True)

    def test_policy_is_changed_and_expiry_kept(self, keygen: Keygen, license_: License) -> None:
        product = keygen.create_product({"name": "Other", "code": f"other-{secrets.token_hex(5)}"})
        other = keygen.create_policy(product["id"], {**POLICY, "name": "other"})
        keygen.change_policy(license_.id, other["id"])
        moved = keygen.find_license(license_.id)
        assert moved is not None
        assert (moved.policy_id, moved.expiry) == (other["id"], EXPIRY)

    def test_incompatible_policy_is_a_conflict(self, keygen: Keygen, license_: License) -> None:
        product = keygen.create_product({"name": "Other", "code": f"other-{secrets.token_hex(5)}"})
        plain = keygen.create_policy(product["id"], {"name": "plain"})
        with pytest.raises(UpstreamConflict):
            keygen.change_policy(license_.id, plain["id"])

    def test_licenses_are_listed_page_by_page(self, keygen: Keygen, policy_id: str) -> None:
        ids = {str(uuid.uuid4()) for _ in range(5)}
        for one in ids:
            keygen.create_license(license_id=one, policy_id=policy_id, name="Page", expiry=None, max_machines=1, metadata={})
        page_number: int | None = 1
        listed: list[str] = []
        while page_number is not None:
            page = keygen.list_licenses(page=page_number, per_page=2)
            assert page.total is not None
            assert page.total >= 5
            listed += [one.id for one in page.items]
            page_number = page.next_page
        assert ids <= set(listed)
        assert len(set(listed)) == len(listed)

    def test_revoked_license_is_gone_and_revoking_again_is_fine(self, keygen: Keygen, license_: License) -> None:
        keygen.revoke_license(license_.id)
        keygen.revoke_license(license_.id)
        assert keygen.find_license(license_.id) is None

    def test_key_is_validated(self, keygen: Keygen, license_: License) -> None:
        assert keygen.validate_key("no such key") == (False, "NOT_FOUND")
        valid, code = keygen.validate_key(license_.key)
        assert (valid, code) == (False, "NO_MACHINES")
        keygen.activate_machine(license_.id, fingerprint="fp-1", name="Laptop", platform="linux")
        assert keygen.validate_key(license_.key, fingerprint="fp-1") == (True, "VALID")
        assert keygen.validate_key(license_.key, fingerprint="fp-2") == (False, "FINGERPRINT_SCOPE_MISMATCH")
        keygen.update_license(license_.id, suspended=True)
        assert keygen.validate_key(license_.key, fingerprint="fp-1") == (False, "SUSPENDED")

    # --- entitlements

    def test_entitlements_are_attached_and_detached_by_their_difference(self, keygen: Keygen, license_: License) -> None:
        one, two, three = (f"E{secrets.token_hex(5).upper()}" for _ in range(3))
        for code in (one, two, three):
            keygen.create_entitlement({"name": code.title(), "code": code})
        keygen.attach_policy_entitlements(license_.policy_id, frozenset({one}))
        keygen.attach_policy_entitlements(license_.policy_id, frozenset({one}))
        assert keygen.policy_entitlements(license_.policy_id).keys() == {one}
        keygen.attach_entitlements(license_.id, frozenset({one, two}))
        keygen.attach_entitlements(license_.id, frozenset({two, three}))
        assert keygen.license_entitlements(license_.id) == {one, two, three}
        keygen.detach_entitlements(license_.id, frozenset({two}))
        keygen.detach_entitlements(license_.id, frozenset({two}))
        assert keygen.license_entitlements(license_.id) == {one, three}
        with pytest.raises(UpstreamRefused):
            keygen.detach_entitlements(license_.id, frozenset({one}))
        keygen.detach_policy_entitlements(license_.policy_id, frozenset({one, two}))
        assert keygen.license_entitlements(license_.id) == {three}

    def test_unknown_entitlement_is_named(self, keygen: Keygen, license_: License) -> None:
        with pytest.raises(UpstreamConflict, match="ABSENT"):
            keygen.attach_entitlements(license_.id, frozenset({"ABSENT"}))

    # --- machines

    def test_machine_takes_a_seat_and_frees_it(self, keygen: Keygen, license_: License) -> None:
        machine = keygen.activate_machine(license_.id, fingerprint="fp-1", name="Laptop", platform="linux", hostname="h1")
        assert (machine.license_id, machine.fingerprint, machine.name) == (license_.id, "fp-1", "Laptop")
        assert (machine.platform, machine.hostname, machine.last_seen_at) == ("linux", "h1", None)
        assert keygen.list_machines(license_.id) == (machine,)
        assert keygen.activate_machine(license_.id, fingerprint="fp-1", name="Again", platform="linux") == machine
        keygen.deactivate_machine(machine.id)
        keygen.deactivate_machine(machine.id)
        assert keygen.list_machines(license_.id) == ()

    def test_full_license_is_a_conflict_with_its_code(self, keygen: Keygen, license_: License) -> None:
        for number in (1, 2):
            keygen.activate_machine(license_.id, fingerprint=f"fp-{number}", name="m", platform="linux")
        with pytest.raises(UpstreamConflict) as full:
            keygen.activate_machine(license_.id, fingerprint="fp-3", name="m", platform="linux")
        assert "MACHINE_LIMIT_EXCEEDED" in full.value.fields["codes"]

    def test_machines_of_others_are_not_listed(self, keygen: Keygen, license_: License) -> None:
        other = keygen.create_license(
            license_id=str(uuid.uuid4()), policy_id=license_.policy_id, name="Other", expiry=None, max_machines=3, metadata={}
        )
        keygen.activate_machine(other.id, fingerprint="fp-1", name="m", platform="linux")
        assert keygen.list_machines(license_.id) == ()
        assert keygen.list_machines(str(uuid.uuid4())) == ()

    # --- files

    def test_license_and_machine_files_carry_our_account_signature(self, keygen: Keygen, license_: License) -> None:
        machine = keygen.activate_machine(license_.id, fingerprint="fp-1", name="m", platform="linux")
        public_key = Ed25519PublicKey.from_public_bytes(keygen.public_key())
        license_file = keygen.check_out_license(license_.id, ttl_seconds=3600)
        machine_file = keygen.check_out_machine(machine.id, ttl_seconds=7200)
        for file, kind, ttl in ((license_file, "license", 3600), (machine_file, "machine", 7200)):
            lines = file.certificate.strip().splitlines()
            assert lines[0] == f"-----BEGIN {kind.upper()} FILE-----"
            content = json.loads(base64.b64decode("".join(lines[1:-1])))
            assert content["alg"] == "base64+ed25519"
            public_key.verify(base64.b64decode(content["sig"]), f"{kind}/{content['enc']}".encode())
            assert file.expires_at is not None
            assert abs((file.expires_at - file.issued_at).total_seconds() - ttl) < 2
        included = json.loads(base64.b64decode(content["enc"]))["included"]
        assert license_.id in {one["id"] for one in included}

    # --- what files declare

    def test_product_is_found_by_code_and_changed(self, keygen: Keygen) -> None:
        code = f"p-{secrets.token_hex(5)}"
        assert keygen.find_product(code) is None
        made = keygen.create_product({"name": "Workbench", "code": code})
        assert keygen.find_product(code) == made
        assert keygen.update_product(made["id"], {"name": "Renamed"})["name"] == "Renamed"
        with pytest.raises(UpstreamConflict):
            keygen.create_product({"name": "Workbench", "code": code})

    def test_policies_are_listed_for_their_product_only(self, keygen: Keygen) -> None:
        first, second = (keygen.create_product({"name": "P", "code": f"p-{secrets.token_hex(5)}"})["id"] for _ in range(2))
        made = keygen.create_policy(first, {**POLICY, "name": "pro"})
        keygen.create_policy(second, {**POLICY, "name": "theirs"})
        assert keygen.list_policies(first) == [made]
        changed = keygen.update_policy(made["id"], {"maxMachines": 9})
        assert (changed["maxMachines"], changed["name"]) == (9, "pro")

    def test_entitlements_are_listed_and_changed(self, keygen: Keygen) -> None:
        code = f"E{secrets.token_hex(5).upper()}"
        made = keygen.create_entitlement({"name": "One", "code": code})
        assert made in keygen.list_entitlements()
        assert keygen.update_entitlement(made["id"], {"name": "Uno"})["name"] == "Uno"

    # --- webhooks

    def test_webhook_endpoint_is_ensured_and_events_can_be_polled_and_retried(self, keygen: Keygen, policy_id: str) -> None:
        url = f"https://hooks.glue.test/{secrets.token_hex(5)}"
        keygen.ensure_webhook_endpoint(url)
        keygen.ensure_webhook_endpoint(url)
        keygen.create_license(license_id=str(uuid.uuid4()), policy_id=policy_id, name="x", expiry=None, max_machines=1, metadata={})
        events = [event for event in keygen.list_webhook_events().items if event.endpoint == url]
        assert [event.event for event in events] == ["license.created"]
        keygen.retry_webhook_event(events[0].id)
        assert len([event for event in keygen.list_webhook_events().items if event.endpoint == url]) == 2

    def test_addresses_that_keygen_cannot_use_are_refused(self, keygen: Keygen) -> None:
        for url in ("http://hooks.glue.test/x", "https://localhost/x", "https://127.0.0.1/x"):
            with pytest.raises(UpstreamRefused):
                keygen.ensure_webhook_endpoint(url)
