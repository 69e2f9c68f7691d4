"""How closely the sandboxes behave like recordings of the real systems.

    fidelity.py [lago|lago-calendar|keygen|keycloak] [scenario …]

Starts each sandbox with empty state on free ports, drives it through the recorded scenarios in the drivers' own order
with the clock at the recorded instant, and prints one line a scenario: share of statuses, share of answer leaves. The
drivers and recordings lie in ``../shared`` beside the project or where GLUE_SHARED says; without them there is nothing
to compare, which is said and no failure.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("GLUE_SHARED", ROOT.parent / "shared"))
# What the drivers did to a real installation's processes, or in its operator's screens.
LEFT_OUT = {
    "lago": {"graphql_admin", "refund_failure", "backlog"},
    "keygen": {"19_rate_limited", "20_outage", "21_half_done", "22_worker_killed"},
}
SHOWN_DIFFERENCES = int(os.environ.get("FIDELITY_SHOW", "0"))


@dataclass(frozen=True)
class Sandbox:
    """A running one: what its ready line said."""

    ready: dict[str, Any]

    def control(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 (loopback)
            self.ready["control_url"] + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=900) as answer:  # noqa: S310
            result: dict[str, Any] = json.loads(answer.read())
            return result


@contextmanager
def running(name: str, *options: str) -> Iterator[Sandbox]:
    """A sandbox with empty state, stopped at the end."""
    command = [sys.executable, "-c", "from glue.cli import main; main()", "sandbox", name, "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            yield Sandbox(json.loads(process.stdout.readline()))
        finally:
            process.terminate()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def recorded(folder: str) -> dict[str, Path]:
    """Recordings by scenario name."""
    found = {}
    for path in sorted((SHARED / "recordings" / folder).glob("*.json")):
        document = json.loads(path.read_text())
        if isinstance(document, dict) and "scenario" in document and "steps" in document:
            found[str(document["scenario"])] = path
    return found


def drive(folder: str, arguments: list[str], environment: dict[str, str]) -> None:
    """Run Python with ``arguments`` in the driver's folder."""
    log = tempfile.TemporaryFile(mode="w+")
    with log:
        done = subprocess.run(  # noqa: S603
            [sys.executable, *arguments],
            cwd=SHARED / "fidelity" / folder,
            env={**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            log.seek(0)
            sys.stderr.write(log.read()[-4000:])


def order_of(folder: str, expression: str) -> list[str]:
    """The drivers' own order of their scenarios."""
    code = f"import json, record; print(json.dumps([str(name) for name in {expression}]))"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], cwd=SHARED / "fidelity" / folder, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    names: list[str] = json.loads(done.stdout.strip().splitlines()[-1])
    return names


def compare(system: str, name: str, recording: Path, observed: Path) -> bool:
    """Print one line of score; True when the comparison could be made."""
    scratch = observed.parent / f"{name}.score"
    subprocess.run(  # noqa: S603
        [sys.executable, str(SHARED / "fidelity" / "compare.py"), str(recording), str(observed), "--json", str(scratch)],
        capture_output=True,
        check=False,
    )
    if not scratch.exists():
        print(f"{system:14} {name:32} not driven")
        return False
    score = json.loads(scratch.read_text())
    print(f"{system:14} {name:32} statuses {score['status']:7.2%}  leaves {score['leaves']:7.2%}", flush=True)
    for where, want, got in score["differences"][:SHOWN_DIFFERENCES]:
        print(f"    {where}: recorded {want} | observed {got}")
    return True


def lago_environment(sandbox: Sandbox, scratch: Path) -> dict[str, str]:
    return {
        "LAGO_URL": sandbox.ready["url"],
        "LAGO_KEY": sandbox.ready["api_key"],
        "LAGO_HMAC": sandbox.ready["hmac_key"],
        "LAGO_CLOCK": sandbox.ready["control_url"] + "/lago/jobs",
        "LAGO_TIME": sandbox.ready["control_url"] + "/clock",
        "LAGO_SYSTEM": "sandbox",
        "RECEIVER_PORT": free_port(),
        "DEAD_PORT": free_port(),
        "OUT_SHARED": str(scratch),
    }


def score_lago(wanted: list[str], scratch: Path) -> None:
    recordings = recorded("lago")
    names = [name for name in order_of("lago", "record.ALL") if name in recordings and name not in LEFT_OUT["lago"]]
    with running("lago") as sandbox:
        for name in [name for name in names if not wanted or name in wanted]:
            at = json.loads(recordings[name].read_text())["recorded_at"]
            sandbox.control("/clock", {"now": at})
            drive("lago", ["record.py", name], {**lago_environment(sandbox, scratch), "DRIVER_NOW": at})
            compare("lago", name, recordings[name], scratch / f"{name}.json")


# All stories shared one clock, and the real one went on to this instant after the last of them.
WHOLE_CALENDAR = """
import sys, calendar_driver, calendar_record
def rest(story):
    yield "2027-06-10T12:00:00Z"
chosen = [story for story in calendar_record.ALL if story[1] in sys.argv[1:]]
calendar_driver.run([*chosen, ("s99", "rest", "until the recording ended", rest, False)])
"""


def score_calendar(wanted: list[str], scratch: Path) -> None:
    recordings = recorded("lago-calendar")
    names = [name for name in recordings if not wanted or name in wanted]
    with running("lago") as sandbox:
        environment = lago_environment(sandbox, scratch)
        drive("lago", ["-c", WHOLE_CALENDAR, *names], environment)
    for name in names:
        compare("lago-calendar", name, recordings[name], scratch / f"{name}.json")


def score_keygen(wanted: list[str], scratch: Path) -> None:
    recordings = {name: path for name, path in recorded("keygen").items() if name not in LEFT_OUT["keygen"]}
    certificates = hook_certificates(scratch)
    trust = ["--trust", str(scratch / "authority.pem"), "--resolve", "hooks.glue.test=127.0.0.1"]
    instants = {name: json.loads(path.read_text())["recorded_at"] for name, path in recordings.items()}
    with running("keygen", "--now", min(instants.values()), *trust) as sandbox:
        hook = age_hook(scratch, sandbox)
        for name in [name for name in sorted(recordings) if not wanted or name in wanted]:
            sandbox.control("/clock", {"now": instants[name]})
            environment = {
                "KEYGEN_URL": sandbox.ready["url"],
                "KEYGEN_HOST_HEADER": sandbox.ready["host"],
                "KEYGEN_ACCOUNT": sandbox.ready["account_id"],
                "KEYGEN_ADMIN_EMAIL": sandbox.ready["admin_email"],
                "KEYGEN_ADMIN_PASSWORD": sandbox.ready["admin_password"],
                "KEYGEN_AGE_HOOK": str(hook),
                "KEYGEN_HOOK_PORT": free_port(),
                "DRIVER_NOW": instants[name],
                **certificates,
            }
            drive("keygen", ["record.py", "--out", str(scratch), name], environment)
            compare("keygen", name, recordings[name], scratch / f"{name}.json")


def age_hook(scratch: Path, sandbox: Sandbox) -> Path:
    """A program that hands its words to the control port."""
    url = f"{sandbox.ready['control_url']}/keygen/age"
    hook = scratch / "age"
    hook.write_text(
        f"#!{sys.executable}\nimport json, sys, urllib.request\n"
        f"request = urllib.request.Request({url!r}, json.dumps({{'args': sys.argv[1:]}}).encode())\n"
        "print(urllib.request.urlopen(request).read().decode())\n"
    )
    hook.chmod(0o700)
    return hook


def hook_certificates(scratch: Path) -> dict[str, str]:
    """A throw-away authority, a certificate for hooks.glue.test, and one that nobody vouches for."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = certificate("hooks authority", authority_key, authority_key, None)
    (scratch / "authority.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    environment = {}
    for name, issuer in (("HOOK", authority), ("HOOK_BAD", None)):
        key = ec.generate_private_key(ec.SECP256R1())
        signed = certificate("hooks.glue.test", key, authority_key if issuer else key, issuer)
        files = {"CERT": signed.public_bytes(serialization.Encoding.PEM), "KEY": private_pem(key)}
        for what, content in files.items():
            path = scratch / f"{name}.{what}".lower()
            path.write_bytes(content)
            environment[f"KEYGEN_{name}_{what}"] = str(path)
    return environment


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, issuer: x509.Certificate | None
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    is_authority = issuer is None and key is signer and "." not in name
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def score_keycloak(wanted: list[str], scratch: Path) -> None:
    recordings = recorded("keycloak")
    names = [name for name in order_of("keycloak", "record.ALL") if name in recordings]
    realm_file = scratch / "stock-realm.json"  # the recordings are of a realm with Keycloak's own themes
    realm_file.write_text(json.dumps({"realm": "rec", "enabled": True, "organizationsEnabled": True}))
    with running("identity", "--realm-file", str(realm_file)) as sandbox:
        for name in [name for name in names if not wanted or name in wanted]:
            at = json.loads(recordings[name].read_text())["recorded_at"]
            sandbox.control("/clock", {"now": at})
            environment = {
                "KEYCLOAK_URL": sandbox.ready["url"],
                "KEYCLOAK_REALM": sandbox.ready["realm"],
                "KEYCLOAK_ADMIN_REALM": sandbox.ready["realm"],
                "KEYCLOAK_ADMIN_CLIENT_ID": sandbox.ready["admin_client_id"],
                "KEYCLOAK_ADMIN_SECRET": sandbox.ready["admin_client_secret"],
                "KEYCLOAK_SYSTEM": "sandbox",
                "MAIL_PORT": free_port(),
                "OUT_SHARED": str(scratch),
                "DRIVER_NOW": at,
            }
            drive("keycloak", ["record.py", name], environment)
            compare("keycloak", name, recordings[name], scratch / f"{name}.json")


SYSTEMS: dict[str, Callable[[list[str], Path], None]] = {
    "lago": score_lago,
    "lago-calendar": score_calendar,
    "keygen": score_keygen,
    "keycloak": score_keycloak,
}


def main(words: list[str]) -> int:
    systems = [word for word in words if word in SYSTEMS] or list(SYSTEMS)
    scenarios = [word for word in words if word not in SYSTEMS]
    if any(not re.fullmatch(r"[\w-]+", name) for name in scenarios):
        print(__doc__)
        return 2
    for system in systems:
        folder = SHARED / "recordings" / system
        if not folder.is_dir():
            print(f"{system:14} skipped: no {folder}")
            continue
        with tempfile.TemporaryDirectory(prefix="fidelity-") as scratch:
            SYSTEMS[system](scenarios, Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
