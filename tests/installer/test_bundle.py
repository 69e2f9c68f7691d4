"""The bundle and its check: what is served is whole and signed, and nothing else ever runs."""

import base64
import functools
import hashlib
import http.server
import io
import secrets
import subprocess
import tarfile
import threading
import zipfile
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from glue.client.genuine import L, NotGenuine, check, is_signed, main
from portal.installer import Installer
from portal.installer.bundle import sign, tar

from .clean_machine import WORKS, CleanMachine

KEY = secrets.token_urlsafe(32)
VECTOR = (  # RFC 8032, section 7.1, test 2
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "72",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
)


@pytest.fixture(scope="module")
def installer():
    return Installer(KEY, url="http://127.0.0.1:1")


class Mirror:
    """A web server that answers whatever was put into it."""

    def __init__(self, folder):
        self.folder = folder
        handler = functools.partial(_Quiet, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def serve(self, installer, **replaced):
        script = installer.script("install.sh").replace("http://127.0.0.1:1", self.url)
        (self.folder / "install.sh").write_text(script)
        place = self.folder / "install" / installer.bundle.version
        place.mkdir(parents=True)
        for name, content in installer.files().items():
            (place / name).write_bytes(replaced.get(name.removeprefix("coditect.tar.gz").strip(".") or "bundle", content))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path):
    mirror = Mirror(tmp_path)
    yield mirror
    mirror.server.shutdown()
    mirror.server.server_close()


def evil_bundle(bundle):
    """Ours, with a client that leaves a mark when it is only imported."""
    with tarfile.open(fileobj=io.BytesIO(bundle.content)) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}
    packed = io.BytesIO()

    with zipfile.ZipFile(packed, "w") as wheel:
        wheel.writestr("glue/__init__.py", "open('/home/user/ran', 'w').close()")
    return tar(files | {next(name for name in files if "client" in name): packed.getvalue()})


@pytest.mark.skipif(not WORKS, reason="bubblewrap does not work on this machine")
@pytest.mark.parametrize("what", ["bundle", "signature", "bundle, checksum and signature", "only its end"])
def test_what_was_tampered_with_is_refused_before_anything_ran(what, installer, mirror, tmp_path):
    evil = evil_bundle(installer.bundle)
    stranger = sign(Ed25519PrivateKey.generate(), evil).encode()
    if what == "bundle":
        mirror.serve(installer, bundle=evil)
    elif what == "signature":
        mirror.serve(installer, sig=stranger)
    elif what == "only its end":
        mirror.serve(installer, bundle=installer.bundle.content[:-1])
    else:
        mirror.serve(installer, bundle=evil, sig=stranger)
        script = mirror.folder / "install.sh"
        script.write_text(script.read_text().replace(installer.bundle.sha256, hashlib.sha256(evil).hexdigest()))
    machine = CleanMachine(tmp_path / "machine", machine_id=secrets.token_hex(16))
    code, _, said = machine.run(f"curl -fsSL {mirror.url}/install.sh | sh -s -- --yes --key any-key")
    assert code == 5, said
    assert "Nothing of it was run" in said
    assert {path.name for path in machine.home.iterdir()} == {".local"}
    assert not (machine.home / ".local/state/coditect/installer/bundle").exists()


def test_a_script_that_was_cut_anywhere_runs_nothing(installer, tmp_path):
    text = installer.script("install.sh")
    lines = [position + 1 for position, letter in enumerate(text) if letter == "\n"]
    tail = range(len(text) - 60, len(text) - 2)  # the last newline may miss
    for cut in [*lines[:-1:6], *tail]:
        home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        subprocess.run(["sh"], input=text[:cut], text=True, capture_output=True, env=home, check=False)
        assert list(tmp_path.iterdir()) == [], text[:cut][-80:]


def test_without_python_it_says_so(installer, tmp_path):
    home = {"HOME": str(tmp_path), "PATH": "/nowhere", "CODITECT_PYTHON": "/nowhere/python"}
    done = subprocess.run(["/bin/sh"], input=installer.script("install.sh"), text=True, capture_output=True, env=home, check=False)
    assert done.returncode == 2
    assert "Python 3.11" in done.stderr


def test_equal_code_makes_equal_bytes(installer):
    assert Installer(KEY, url="http://other.test").bundle == installer.bundle
    assert installer.bundle.version in installer.script("install.sh")
    with tarfile.open(fileobj=io.BytesIO(installer.bundle.content)) as archive:
        names = archive.getnames()
    assert all(name.endswith("-py3-none-any.whl") for name in names)
    assert {"httpx", "certifi", "coditect_client"} <= {name.partition("-")[0] for name in names}


def test_openssl_can_check_it_by_hand(installer, tmp_path):
    (tmp_path / "key.pem").write_text(installer.public_key_pem)
    (tmp_path / "bundle").write_bytes(installer.bundle.content)
    (tmp_path / "sig").write_bytes(base64.b64decode(installer.bundle.signature))
    words = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in bundle -sigfile sig"
    assert "Verified Successfully" in subprocess.run(words.split(), cwd=tmp_path, capture_output=True, text=True, check=False).stdout


def test_a_carried_license_file_must_be_signed_by_the_same_key(installer, tmp_path):
    carried = installer.offline(certificate="a file", license_public_key=b"k" * 32)
    (tmp_path / "carried").write_bytes(carried)
    words = [str(tmp_path), installer.public_key, "", str(tmp_path / "carried")]
    assert main(words) == 0
    assert (tmp_path / "bundle" / "offline.json").exists()
    with tarfile.open(fileobj=io.BytesIO(carried)) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive.getmembers()}
    changed = files["offline.json"].replace(b"a file", b"a flie")
    digest = hashlib.sha256(changed).hexdigest().encode()
    (tmp_path / "carried").write_bytes(tar(files | {"offline.json": changed, "offline.json.sha256": digest}))
    assert main(words) == 5
    (tmp_path / "carried").write_bytes(tar({"coditect.tar.gz": files["coditect.tar.gz"]}))
    assert main(words) == 5
    (tmp_path / "carried").write_bytes(b"no archive")
    assert main(words) == 5


def test_a_signature_of_the_standard_is_good():
    key, message, signature = (bytes.fromhex(part) for part in VECTOR)
    assert is_signed(key, message, signature)
    assert not is_signed(key, message + b"\0", signature)


@settings(max_examples=25, deadline=None)
@given(message=st.binary(max_size=200), bit=st.integers(0, 511))
def test_signatures_are_judged_as_the_library_judges_them(message, bit):
    signer = Ed25519PrivateKey.generate()
    key, signature = signer.public_key().public_bytes_raw(), signer.sign(message)
    assert is_signed(key, message, signature)
    flipped = (int.from_bytes(signature, "little") ^ (1 << bit)).to_bytes(64, "little")
    assert not is_signed(key, message, flipped)
    # The same factor plus the group's order fits the equation; the standard forbids it.
    larger = int.from_bytes(signature[32:], "little") + L
    assert not is_signed(key, message, signature[:32] + larger.to_bytes(32, "little"))


@pytest.mark.parametrize("key", [b"", b"\xff" * 32, b"\x02" + b"\0" * 31, b"\x01" + b"\0" * 30 + b"\x80"])
def test_what_is_no_key_signs_nothing(key):
    assert not is_signed(key, b"message", b"\0" * 64)


def test_a_signature_that_is_no_base64_is_not_genuine(installer):
    bundle = replace(installer.bundle, signature="§")
    with pytest.raises(NotGenuine, match="not signed"):
        check(bundle.content, sha256=bundle.sha256, signature=bundle.signature, public_key=installer.public_key)


def test_the_powershell_twin_takes_the_same_steps(installer):
    text = installer.script("install.ps1")
    program, _, rest = text.partition("@'\n")
    checker, _, after = rest.partition("\n'@\n")
    assert f"{checker}\n" in installer.script("install.sh")
    own = program + after
    for opening, closing in ("()", "{}", "[]"):
        assert own.count(opening) == own.count(closing)
    assert own.strip().splitlines()[-1].startswith("& { Install-Coditect @args;")
    assert text.isascii()  # Windows PowerShell reads a file without a mark as it likes
    both = ["sys.version_info < (3, 11)", "coditect.tar.gz.sig", "genuine.py", "main()", "--bundle", "--offline", "CODITECT_PYTHON"]
    both += [installer.public_key, installer.bundle.sha256, installer.bundle.version, "[1/6] bundle"]
    for words in both:
        assert words in own, words
        assert words in installer.script("install.sh"), words
    assert own.index("& $python @check\n") < own.index("from glue.client.command import main")
