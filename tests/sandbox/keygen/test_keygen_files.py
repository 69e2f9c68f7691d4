"""License and machine files, signed keys: opened with nothing but the account's public keys."""

import base64
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from keygen_driver import Keygen, codes


def opened(keygen: Keygen, certificate: str, noun: str, secret: str) -> dict[str, Any]:
    lines = certificate.strip().splitlines()
    assert lines[0] == f"-----BEGIN {noun.upper()} FILE-----"
    assert {len(line) for line in lines[1:-2]} <= {60}
    envelope = json.loads(base64.b64decode("".join(lines[1:-1])))
    signed, signature = f"{noun}/{envelope['enc']}".encode(), base64.b64decode(envelope["sig"])
    encoding, _, signer = envelope["alg"].partition("+")
    if signer == "ed25519":
        keygen.public_key.verify(signature, signed)
    elif signer == "rsa-sha256":
        keygen.public_rsa.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        keygen.public_rsa.verify(signature, signed, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO), hashes.SHA256())
    if encoding == "base64":
        content: dict[str, Any] = json.loads(base64.b64decode(envelope["enc"]))
    else:
        sealed, nonce, tag = (base64.b64decode(part) for part in envelope["enc"].split("."))
        content = json.loads(AESGCM(hashlib.sha256(secret.encode()).digest()).decrypt(nonce, sealed + tag, None))
    return content


@pytest.mark.parametrize(
    "algorithm",
    [f"{encoding}+{signer}" for encoding in ("base64", "aes-256-gcm") for signer in ("ed25519", "rsa-sha256", "rsa-pss-sha256")],
)
def test_license_file_opens_with_the_public_key_alone(keygen: Keygen, algorithm: str) -> None:
    license_row = keygen.license(metadata={"tenantId": "t1"})
    body = {"meta": {"algorithm": algorithm, "ttl": 3600, "include": ["policy", "product"]}}
    file = keygen.call("POST", f"/licenses/{license_row['id']}/actions/check-out", body).json()["data"]["attributes"]
    assert (file["algorithm"], file["ttl"]) == (algorithm, 3600)
    content = opened(keygen, file["certificate"], "license", license_row["attributes"]["key"])
    assert content["data"]["attributes"]["metadata"] == {"tenantId": "t1"}
    assert {item["type"] for item in content["included"]} == {"policies", "products"}
    issued, expiry = (datetime.fromisoformat(content["meta"][name]) for name in ("issued", "expiry"))
    assert expiry - issued == timedelta(hours=1)


def test_machine_file_is_sealed_with_key_and_fingerprint(keygen: Keygen) -> None:
    license_row = keygen.license()
    machine = keygen.activate(license_row, "box").json()["data"]["id"]
    body = {"meta": {"encrypt": True, "include": ["license.entitlements", "license"]}}
    answer = keygen.call("POST", f"/machines/{machine}/actions/check-out", body, auth=f"License {license_row['attributes']['key']}")
    content = opened(keygen, answer.json()["data"]["attributes"]["certificate"], "machine", license_row["attributes"]["key"] + "box")
    assert content["data"]["id"] == machine
    assert [item["id"] for item in content["included"]] == [license_row["id"]]


def test_month_without_ttl_and_no_end_with_null(keygen: Keygen) -> None:
    path = f"/licenses/{keygen.license()['id']}/actions/check-out"
    file = keygen.call("POST", path).json()["data"]["attributes"]
    assert file["ttl"] == 2_629_746
    assert datetime.fromisoformat(file["expiry"]).day == datetime.fromisoformat(file["issued"]).day
    assert keygen.call("POST", path, {"meta": {"ttl": None}}).json()["data"]["attributes"]["expiry"] is None


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        ({"ttl": 3599}, "CHECKOUT_TTL_INVALID"),
        ({"include": ["machines"]}, "CHECKOUT_INCLUDE_INVALID"),
        ({"algorithm": "base64+hs256"}, "CHECKOUT_ALGORITHM_INVALID"),
    ],
)
def test_file_that_cannot_be_made_is_refused(keygen: Keygen, meta: dict[str, Any], code: str) -> None:
    assert codes(keygen.call("POST", f"/licenses/{keygen.license()['id']}/actions/check-out", {"meta": meta})) == [code]


def test_license_key_may_not_include_the_policy(keygen: Keygen) -> None:
    license_row = keygen.license()
    auth = f"License {license_row['attributes']['key']}"
    answer = keygen.call("POST", f"/licenses/{license_row['id']}/actions/check-out", {"meta": {"include": ["policy"]}}, auth=auth)
    assert answer.status_code == 403


def test_bare_file_is_a_download(keygen: Keygen) -> None:
    license_row = keygen.license()
    answer = keygen.call("GET", f"/licenses/{license_row['id']}/actions/check-out?ttl=3600&encrypt=1", headers={"Accept": "*/*"})
    assert answer.headers["content-disposition"] == f'attachment; filename="{license_row["id"]}.lic"'
    assert opened(keygen, answer.text, "license", license_row["attributes"]["key"])["data"]["id"] == license_row["id"]


def test_signed_key_carries_its_facts_and_is_frozen(keygen: Keygen) -> None:
    policy = keygen.policy(scheme="ED25519_SIGN")
    license_row = keygen.license(policy, key='{"id":"{{id}}","until":"{{expiry}}"}', expiry="2030-01-01T00:00:00.000Z")
    body, _, signature = license_row["attributes"]["key"].partition(".")
    keygen.public_key.verify(base64.urlsafe_b64decode(signature), body.encode())
    payload = json.loads(base64.urlsafe_b64decode(body.removeprefix("key/")))
    assert payload == {"id": license_row["id"], "until": "2030-01-01T00:00:00.000Z"}
    default = keygen.license(policy)["attributes"]["key"]
    assert set(json.loads(base64.urlsafe_b64decode(default.partition(".")[0].removeprefix("key/")))) == {
        "account",
        "product",
        "policy",
        "user",
        "license",
    }


def test_jwt_key_verifies_as_rs256(keygen: Keygen) -> None:
    key = keygen.license(keygen.policy(scheme="RSA_2048_JWT_RS256"), key='{"sub":"{{id}}"}')["attributes"]["key"]
    body, _, signature = key.rpartition(".")
    keygen.public_rsa.verify(base64.urlsafe_b64decode(signature + "=="), body.encode(), padding.PKCS1v15(), hashes.SHA256())
