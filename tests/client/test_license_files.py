"""License files, checked without network."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glue.client import BadLicenseFile, fingerprint, verify_license_file

from .conftest import PUBLIC_KEY, sign

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MACHINE = {"id": "m1", "attributes": {"fingerprint": "f" * 64}}
REAL = json.loads((Path(__file__).parent / "real_files.json").read_text())


def machine_file(**changes):
    arguments = {"issued": NOW, "expires": NOW + timedelta(days=3)} | changes
    return sign("machine", arguments.pop("data", MACHINE), **arguments)


def verify(text, **changes):
    return verify_license_file(text, **({"public_key": PUBLIC_KEY, "now": NOW, "fingerprint": "f" * 64} | changes))


def test_a_file_of_a_real_keygen_is_verified():
    text = REAL["license"]
    envelope = json.loads(base64.b64decode("".join(text.strip().splitlines()[1:-1])))
    meta = json.loads(base64.b64decode(envelope["enc"]))["meta"]
    facts = verify_license_file(text, public_key=bytes.fromhex(REAL["public_key"]), now=datetime.fromisoformat(meta["issued"]))
    assert facts.kind == "license"
    assert facts.data["id"] == facts.id
    with pytest.raises(BadLicenseFile, match="signature"):
        verify_license_file(text, public_key=PUBLIC_KEY, now=datetime.fromisoformat(meta["issued"]))


def test_a_good_file_tells_what_it_is_good_for():
    facts = verify(machine_file())
    assert (facts.kind, facts.id, facts.fingerprint, facts.expires_at) == ("machine", "m1", "f" * 64, NOW + timedelta(days=3))
    assert verify(machine_file(), public_key=base64.b64encode(PUBLIC_KEY).decode()) == facts
    assert verify(machine_file(expires=None)).expires_at is None


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (machine_file(expires=NOW), "good until"),
        (machine_file(issued=NOW + timedelta(minutes=6)), "future"),
        (machine_file(signer=Ed25519PrivateKey.generate()), "signature"),
        (machine_file(alg="base64+rsa-sha256"), "rsa-sha256"),
        (machine_file(alg="aes-256-gcm+ed25519"), "expected"),
        (machine_file(data={"id": "m1", "attributes": {"fingerprint": "other"}}), "another machine"),
        (machine_file(data={"id": "m1", "attributes": {"fingerprint": "f" * 64, "suspended": True}}), "suspended"),
        (machine_file(data={"id": "m1", "attributes": {"fingerprint": "f" * 64, "status": "BANNED"}}), "suspended"),
        (machine_file(data={"id": "m1"}), "broken"),
        (sign("license", MACHINE, issued=NOW, expires=None).replace("LICENSE FILE", "MACHINE FILE"), "signature"),
        ("", "no license file"),
        ("-----BEGIN MACHINE FILE-----\n!!\n-----END MACHINE FILE-----", "broken"),
        ("-----BEGIN MACHINE FILE-----\nW10=\n-----END MACHINE FILE-----", "no license file"),
    ],
    ids=str.split("expired future signer algorithm encrypted machine suspended banned bare kind empty no-base64 no-envelope"),
)
def test_a_file_that_proves_nothing_is_refused(text, match):
    with pytest.raises(BadLicenseFile, match=match):
        verify(text)


def test_a_changed_file_is_refused():
    lines = machine_file().splitlines()
    envelope = json.loads(base64.b64decode("".join(lines[1:-1])))
    content = json.loads(base64.b64decode(envelope["enc"]))
    content["meta"]["expiry"] = "2099-01-01T00:00:00+00:00"
    envelope["enc"] = base64.b64encode(json.dumps(content).encode()).decode()
    forged = "\n".join([lines[0], base64.b64encode(json.dumps(envelope).encode()).decode(), lines[-1]])
    with pytest.raises(BadLicenseFile, match="signature"):
        verify(forged)


def test_this_machine_is_known_by_the_same_digest_each_time():
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 64
