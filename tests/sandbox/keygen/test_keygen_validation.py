"""Validation codes, one by one and in their order."""

import uuid
from typing import Any

import pytest
from keygen_driver import Keygen

PAST = "2020-01-01T00:00:00.000Z"


def judged(document: dict[str, Any]) -> tuple[bool, str]:
    return document["meta"]["valid"], document["meta"]["code"]


def test_unknown_keys_are_not_found_whatever_their_case(keygen: Keygen) -> None:
    license_row = keygen.license()
    license_row["attributes"]["key"] = license_row["attributes"]["key"].lower()
    document = keygen.validate(license_row)
    assert (document["data"], *judged(document)) == (None, False, "NOT_FOUND")


@pytest.mark.parametrize(
    ("policy", "attributes", "scope", "expected"),
    [
        ({}, {}, {}, (True, "VALID")),
        ({}, {"suspended": True, "expiry": PAST}, {}, (False, "SUSPENDED")),
        ({}, {"expiry": PAST}, {}, (False, "EXPIRED")),
        ({"expirationStrategy": "MAINTAIN_ACCESS"}, {"expiry": PAST}, {}, (True, "EXPIRED")),
        ({"expirationStrategy": "REVOKE_ACCESS"}, {"expiry": PAST}, {"product": "x"}, (False, "EXPIRED")),
        ({}, {}, {"product": "x"}, (False, "PRODUCT_SCOPE_MISMATCH")),
        ({}, {}, {"policy": "x"}, (False, "POLICY_SCOPE_MISMATCH")),
        ({}, {}, {"user": "nobody@x.test"}, (False, "USER_SCOPE_MISMATCH")),
        ({}, {}, {"user": None}, (True, "VALID")),
        ({}, {}, {"entitlements": []}, (False, "ENTITLEMENTS_SCOPE_EMPTY")),
        ({}, {}, {"entitlements": ["NOPE"]}, (False, "ENTITLEMENTS_MISSING")),
        ({}, {}, {"fingerprint": "f"}, (False, "NO_MACHINES")),
        ({"floating": False}, {}, {"machine": "m"}, (False, "NO_MACHINE")),
        ({}, {}, {"fingerprints": []}, (False, "FINGERPRINT_SCOPE_EMPTY")),
        ({}, {}, {"components": ["c"]}, (False, "FINGERPRINT_SCOPE_REQUIRED")),
        ({}, {}, {"checksum": "c"}, (False, "CHECKSUM_SCOPE_MISMATCH")),
        ({}, {}, {"version": "1.0.0"}, (False, "VERSION_SCOPE_MISMATCH")),
        ({"requireProductScope": True}, {}, {}, (False, "PRODUCT_SCOPE_REQUIRED")),
        ({"requireUserScope": True}, {}, {}, (False, "USER_SCOPE_REQUIRED")),
        ({"requireMachineScope": True}, {}, {}, (False, "MACHINE_SCOPE_REQUIRED")),
        ({"requireFingerprintScope": True}, {}, {}, (False, "FINGERPRINT_SCOPE_REQUIRED")),
        ({"requireComponentsScope": True}, {}, {}, (False, "COMPONENTS_SCOPE_REQUIRED")),
        ({"requireChecksumScope": True}, {}, {}, (False, "CHECKSUM_SCOPE_REQUIRED")),
        ({"strict": True}, {}, {}, (False, "NO_MACHINES")),
        ({"strict": True, "floating": False}, {}, {}, (False, "NO_MACHINE")),
    ],
)
def test_code_of_a_license_without_machines(
    keygen: Keygen, policy: dict[str, Any], attributes: dict[str, Any], scope: dict[str, Any], expected: tuple[bool, str]
) -> None:
    assert judged(keygen.validate(keygen.license(keygen.policy(**policy), **attributes), **scope)) == expected


def test_nonce_and_scope_are_echoed_and_a_string_nonce_is_refused(keygen: Keygen) -> None:
    license_row = keygen.license()
    body = {"meta": {"key": license_row["attributes"]["key"], "nonce": 2**63, "scope": {}}}
    meta = keygen.call("POST", "/licenses/actions/validate-key", body, auth=None).json()["meta"]
    assert (meta["nonce"], meta["scope"]) == (2**63, {})
    body["meta"]["nonce"] = "7"
    assert keygen.call("POST", "/licenses/actions/validate-key", body, auth=None).status_code == 400


def test_fingerprint_scope_matches_by_strategy(keygen: Keygen) -> None:
    for strategy, expected in (("MATCH_ANY", "VALID"), ("MATCH_ALL", "FINGERPRINT_SCOPE_MISMATCH")):
        license_row = keygen.license(keygen.policy(machineMatchingStrategy=strategy))
        fingerprint = keygen.activate(license_row).json()["data"]["attributes"]["fingerprint"]
        assert keygen.validate(license_row, fingerprints=[fingerprint, "other"])["meta"]["code"] == expected


def test_too_many_machines_is_valid_within_the_overage_only(keygen: Keygen) -> None:
    policy = keygen.policy(strict=True, maxMachines=1, overageStrategy="ALWAYS_ALLOW_OVERAGE")
    license_row = keygen.license(policy)
    for _ in range(2):
        assert keygen.activate(license_row).status_code == 201
    assert judged(keygen.validate(license_row)) == (True, "TOO_MANY_MACHINES")
    keygen.call("PATCH", f"/policies/{policy}", {"data": {"type": "policies", "attributes": {"overageStrategy": "NO_OVERAGE"}}})
    assert judged(keygen.validate(license_row)) == (False, "TOO_MANY_MACHINES")


def test_too_many_users_counts_even_when_not_strict(keygen: Keygen) -> None:
    policy = keygen.policy(maxUsers=1, overageStrategy="ALWAYS_ALLOW_OVERAGE")
    license_row = keygen.license(policy)
    users = [keygen.made("users", {"email": f"{uuid.uuid4().hex}@x.test"})["id"] for _ in range(2)]
    links = {"data": [{"type": "users", "id": user} for user in users]}
    assert keygen.call("POST", f"/licenses/{license_row['id']}/users", links).status_code == 200
    assert judged(keygen.validate(license_row, user=users[0])) == (True, "TOO_MANY_USERS")


def test_license_of_a_banned_owner_is_banned(keygen: Keygen) -> None:
    owner = keygen.made("users", {"email": f"{uuid.uuid4().hex}@x.test"})["id"]
    license_row = keygen.made("licenses", policy=keygen.policy(), owner=owner)
    keygen.call("POST", f"/users/{owner}/actions/ban")
    assert judged(keygen.validate(license_row)) == (False, "BANNED")
    assert keygen.call("GET", "/me", auth=f"License {license_row['attributes']['key']}").status_code == 403


def test_term_counted_from_the_first_validation_shows_after_it(keygen: Keygen) -> None:
    license_row = keygen.license(keygen.policy(duration=86_400, expirationBasis="FROM_FIRST_VALIDATION"))
    assert keygen.validate(license_row)["data"]["attributes"]["expiry"] is None
    assert keygen.attributes(f"/licenses/{license_row['id']}")["expiry"] is not None


def test_validation_by_id_looks_at_scopes_and_the_quick_one_does_not(keygen: Keygen) -> None:
    path = f"/licenses/{keygen.license(keygen.policy(requireProductScope=True))['id']}/actions/validate"
    assert keygen.call("POST", path).json()["meta"]["code"] == "PRODUCT_SCOPE_REQUIRED"
    assert keygen.call("GET", path).json()["meta"]["code"] == "VALID"
